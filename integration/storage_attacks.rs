//! What strangers write into sandboxes and images, to get at what is not theirs by our root's hands.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use compose_executor::sys::beneath::{Error, Folder};
use compose_executor::sys::mount;
use compose_executor::sys::pin::{self, Pinning};
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use nix::mount::MsFlags;

use crate::app;
use crate::image_archive::{self, Image};
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        a_name_that_is_swapped_leads_nowhere,
        what_a_sandboxes_owner_can_not_read_is_not_read_for_him,
        a_volume_of_an_image_leads_nowhere,
        an_image_leads_no_process_and_no_mount_to_the_kernels_files,
        an_image_without_end_and_users_beyond_count,
        a_container_is_not_started_again_on_what_it_made_of_its_root,
        a_link_in_a_shared_volume_leads_no_mount_to_the_kernels_files,
        an_images_own_devices_are_nothing,
        names_that_climb,
    ]);
    all.extend(tests![Mesos:
        a_task_that_swaps_links_gets_nothing,
        what_the_kernel_shows_is_not_opened_by_a_place_above_it,
    ]);
    all
}

const ROUNDS: usize = 100_000;

/// Swaps a folder and a link to outside so often, whoever looks meanwhile.
fn swap(folder: &Path, rounds: usize) {
    let (real, link) = (folder.join("x"), folder.join("y"));
    for _ in 0..rounds {
        // What is swapped is on one file system: nothing but a race of ours could fail here.
        renameat2(
            AT_FDCWD,
            &real,
            AT_FDCWD,
            &link,
            RenameFlags::RENAME_EXCHANGE,
        )
        .expect("the user renames his own");
    }
}

fn a_name_that_is_swapped_leads_nowhere(lab: &Lab) {
    let folder = lab.fixture();
    let sandbox = folder.join("sandbox");
    for path in ["sandbox/x", "outside"] {
        fs::create_dir_all(folder.join(path)).expect("the fixture takes folders");
    }
    fs::write(sandbox.join("x/file"), "inside").expect("the fixture takes files");
    fs::write(folder.join("outside/file"), "outside").expect("the fixture takes files");
    symlink(folder.join("outside"), sandbox.join("y")).expect("the fixture takes links");

    let root = Folder::open(&sandbox).expect("it is there");
    let done = AtomicBool::new(false);
    let (mut opened, mut refused, mut pins) = (0, 0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            swap(&sandbox, ROUNDS);
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            match root.read(Path::new("x/file"), 100) {
                Ok(content) => {
                    assert_eq!(content, b"inside");
                    opened += 1;
                }
                Err(Error::Symlink { .. }) => refused += 1,
                Err(error) => panic!("{error:?}"),
            }
            let Ok(entry) = root.entry(Path::new("x")) else {
                continue;
            };
            let pinned = folder.join(format!("pin-{pins}"));
            pin::pin(&entry, &pinned, Pinning::default()).expect("root binds folders");
            let content = fs::read_to_string(pinned.join("file"));
            mount::unmount(&pinned).expect("it can be unmounted");
            assert_eq!(content.expect("it is the folder"), "inside");
            pins += 1;
        }
    });
    assert!(
        opened > 0 && refused > 0 && pins > 0,
        "both were met: {opened}, {refused}, {pins}"
    );
}

/// The same against a whole launch: the pod gets the folder of the sandbox, or is refused.
fn a_task_that_swaps_links_gets_nothing(lab: &Lab) {
    let outside = lab.fixture();
    fs::write(outside.join("file"), "outside").expect("the fixture takes files");
    let link = lab.fixture().join("link.tar");
    image_archive::archive_with_link(&link, "y", &outside.display().to_string());
    let services = r#"
  only:
    image: app:1
    volumes: [./x:/x, ./x/file:/file:ro]
    secrets: [file]
    command: [sh, -c, "cat /x/file /file /run/secrets/file; echo; echo looked"]
"#;
    let compose = app::compose(services) + "secrets: {file: {file: ./x/file}}\n";
    for _ in 0..3 {
        let mut run = Task::app(lab, "")
            .compose(&compose)
            .folder("x")
            .unpacked(&link)
            .launch();
        let sandbox = run.sandbox();
        let fetched = || {
            let ready = sandbox.join("x").is_dir() && sandbox.join("y").is_symlink();
            (ready && sandbox.join("compose.yaml").exists()).then_some(())
        };
        wait::until("the sandbox", PATIENCE, fetched);
        fs::write(sandbox.join("x/file"), "inside").expect("the sandbox takes files");
        let stop = AtomicBool::new(false);
        let end = thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(Ordering::Acquire) {
                    swap(&sandbox, 2);
                }
            });
            let end = run.until_end();
            stop.store(true, Ordering::Release);
            end
        });
        let text = run.stdout();
        assert!(!text.contains("outside"), "{text}");
        match end.state() {
            "TASK_FINISHED" => assert!(text.contains("insideinsideinside"), "{text}"),
            state => {
                assert_eq!(state, "TASK_FAILED");
                assert!(end.message().contains("symbolic link"), "{}", end.message());
            }
        }
        run.until_gone();
    }
}

fn what_a_sandboxes_owner_can_not_read_is_not_read_for_him(lab: &Lab) {
    const NOBODY: Option<u32> = Some(65534);
    let folder = lab.fixture().join("sandbox");
    fs::create_dir_all(folder.join("closed")).expect("the fixture takes folders");
    let file = |name: &str, mode: u32, owner: Option<u32>| {
        let path = folder.join(name);
        fs::write(&path, name).expect("the fixture takes files");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        chown(&path, owner, owner).expect("root gives away");
    };
    file("own", 0o600, NOBODY);
    file("read-only", 0o400, NOBODY);
    file("public", 0o644, None);
    file("roots", 0o600, None);
    file("closed/public", 0o644, None);
    file("twin", 0o644, None);
    fs::hard_link(folder.join("twin"), folder.join("twins-twin")).expect("root links");
    let closed = Permissions::from_mode(0o700);
    fs::set_permissions(folder.join("closed"), closed).expect("it is ours");
    chown(&folder, NOBODY, NOBODY).expect("root gives away");

    let sandbox = Folder::open(&folder).expect("it is there");
    let sandbox = sandbox.with_owners_rights().expect("it has an owner");
    let read = |name: &str| sandbox.read(Path::new(name), 100);
    for name in ["own", "read-only", "public"] {
        assert_eq!(read(name).expect("he may"), name.as_bytes());
    }
    for name in ["roots", "closed/public", "twin"] {
        read(name).expect_err(name);
    }
    let bindable = |name: &str, writable: bool| {
        let entry = sandbox.entry(Path::new(name))?;
        entry.check_bindable(writable)
    };
    for (name, writable) in [
        ("own", true),
        ("read-only", true),
        ("public", false),
        (".", true),
    ] {
        bindable(name, writable).unwrap_or_else(|error| panic!("{name}: {error:?}"));
    }
    for (name, writable) in [
        ("public", true),
        ("roots", false),
        ("closed", false),
        ("closed/public", false),
        ("twin", false),
    ] {
        bindable(name, writable).expect_err(name);
    }
    // What is made for him is his, and what he could not make is not made.
    let made = sandbox
        .create_folder(Path::new("made"), 0o755)
        .expect("he may");
    assert_eq!(
        made.entry(Path::new(".")).expect("it is there").owner(),
        (65534, 65534)
    );
    sandbox
        .create_folder(Path::new("closed/made"), 0o755)
        .expect_err("he may not");
}

/// Runs one service of this image to its end: its code, its lines and what `up` said.
fn run(lab: &Lab, image: &Image, service: &str) -> (Option<i32>, String) {
    let services = format!("  only:\n    image: app:1\n{service}");
    let mut up = Up::new(lab)
        .archive("app.tar", image)
        .compose(&app::compose(&services))
        .start();
    let code = up.until_end().code();
    (code, format!("{}{}", up.stdout(), up.stderr()))
}

/// The image of this test is refused as its author's fault, with these words.
fn refused(lab: &Lab, image: &Image, service: &str, words: &[&str]) {
    let (code, text) = run(lab, image, service);
    assert_eq!(code, Some(3), "{text}");
    for word in words {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
}

/// CVE-2022-23648: a volume was filled with what a link of the image's led to, on the host.
fn a_volume_of_an_image_leads_nowhere(lab: &Lab) {
    let outside = lab.fixture();
    fs::write(outside.join("canary"), "the host's").expect("the fixture takes files");
    let climb = format!("../../../../../../../../..{}", outside.display());
    let image = app::image()
        .link("/up", &climb)
        .link("/absolute", &outside.display().to_string())
        // A link to nothing could not be mounted on at all.
        .folder(&outside.display().to_string(), 0o755, (0, 0))
        .link("/etc-link", "/etc")
        .volume("/up")
        .volume("/absolute")
        .volume("/etc-link");
    let command =
        "    command: [sh, -c, 'find / -name canary 2> /dev/null; wc -l < /etc/passwd']\n";
    let (code, text) = run(lab, &image, command);
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("canary"), "{text}");
    fs::remove_file(outside.join("canary")).expect("nobody took it");
    // The volume over the image's own /etc has what the image has there.
    assert!(text.lines().any(|line| line.trim() == "2"), "{text}");
}

fn an_image_leads_no_process_and_no_mount_to_the_kernels_files(lab: &Lab) {
    let command = "    command: [pwd]\n";
    let image = app::image()
        .link("/desk", "/proc/self/fd")
        .working_dir("/desk/7");
    refused(
        lab,
        &image,
        command,
        &["working directory", "/proc/self/fd/7"],
    );
    let image = app::image().working_dir("/proc/self/fd/7");
    refused(lab, &image, command, &["/proc/self/fd/7"]);
    // Links that the runtime makes itself.
    for dir in ["/dev/fd/7", "/dev/stdin"] {
        let image = app::image().working_dir(dir);
        refused(lab, &image, command, &[dir]);
        let hook = format!("{command}    post_start: [{{command: [pwd], working_dir: {dir}}}]\n");
        refused(lab, &app::image(), &hook, &[dir]);
    }
    let image = app::image().link("/desk", "/dev/fd").working_dir("/desk/7");
    refused(lab, &image, command, &["/dev/fd/7"]);
    // The runtime's own mounts: CVE-2026-41579, CVE-2023-27561.
    for place in ["/dev", "/proc", "/sys"] {
        let image = app::image().link(place, "/etc");
        refused(lab, &image, command, &[place, "/etc"]);
    }
    let image = app::image()
        .link("/settings", "/proc")
        .volume("/settings/sys");
    refused(lab, &image, command, &["/settings/sys", "/proc/sys"]);
    let image = app::image().link("/settings", "../../sys");
    let tmpfs = format!("{command}    tmpfs: /settings/fs\n");
    refused(lab, &image, &tmpfs, &["/settings/fs", "/sys/fs"]);
}

/// CVE-2024-21626, the second time: what ran has put a link where its working directory was, or a
/// folder on the way to a mount, and is to be started again.
fn a_container_is_not_started_again_on_what_it_made_of_its_root(lab: &Lab) {
    for (keys, change, words) in [
        (
            "working_dir: /desk/7",
            "cd /; rm -r /desk; ln -s /proc/self/fd /desk",
            "/proc/self/fd/7",
        ),
        (
            "tmpfs: [/settings/sys]",
            "mv /settings /old; ln -s /proc /settings",
            "/proc/sys",
        ),
    ] {
        let services = format!(
            "  only:\n    image: app:1\n    restart: on-failure:5\n    {keys}\n    command: [sh, -c, '{change}; echo changed; exit 1']\n"
        );
        let mut up = Up::app(lab, &services).start();
        let code = up.until_end().code();
        assert_eq!(up.stdout(), "changed\n", "{}", up.stderr());
        assert_eq!(code, Some(3), "{}", up.stderr());
        assert!(up.stderr().contains(words), "{}", up.stderr());
    }
}

/// CVE-2021-30465: one service puts a link into a volume that another one mounts something in. It is
/// the runtime that resolves the name, within the container's root: nothing is mounted over what the
/// kernel shows, and nothing outside is written.
fn a_link_in_a_shared_volume_leads_no_mount_to_the_kernels_files(lab: &Lab) {
    for (link, below) in [
        ("/proc", "sys/kernel"),
        ("/proc/self", "attr"),
        (
            "../../../../../../../../../../etc",
            "compose-executor-canary",
        ),
    ] {
        let services = format!(
            r#"
  first:
    image: app:1
    command: [ln, -s, '{link}', /v/x]
    volumes: ['./shared:/v']
  second:
    image: app:1
    depends_on: {{first: {{condition: service_completed_successfully}}}}
    volumes: ['./shared:/v', './own:/v/x/{below}']
    command: [sh, -c, "grep -E ' /proc/(sys/kernel|self/attr|[0-9]+/attr) ' /proc/self/mounts; echo ran"]
"#
        );
        let mut up = Up::app(lab, &services).config("").start();
        let code = up.until_end().code();
        let text = up.stdout();
        assert!(!text.contains(" /proc/"), "{link}: {text}");
        // In the container's own /etc, or refused.
        assert_eq!(text.contains("ran"), code == Some(0), "{}", up.stderr());
        assert!(!Path::new("/etc/compose-executor-canary").exists());
    }
}

/// CVE-2025-31133: a link in the place of a device that masks are made with.
fn an_images_own_devices_are_nothing(lab: &Lab) {
    let pattern = "/proc/sys/kernel/core_pattern";
    let before = fs::read_to_string(pattern).expect("the kernel has one");
    let image = app::image()
        .link("/dev/null", pattern)
        .link("/dev/console", pattern)
        .link("/dev/pts/0", pattern);
    let service = "    tty: true\n    command: [sh, -c, '[ -c /dev/null ] && echo a device; wc -c < /proc/interrupts; echo x > /dev/null']\n";
    let (code, text) = run(lab, &image, service);
    assert_eq!(code, Some(0), "{text}");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(lines.starts_with(&["a device", "0"]), "{text}");
    assert_eq!(fs::read_to_string(pattern).expect("it is there"), before);
}

/// A place of the operator's in which the kernel's own files are mounted, as in a chroot.
fn what_the_kernel_shows_is_not_opened_by_a_place_above_it(lab: &Lab) {
    let place = lab.fixture().join("chroot");
    let inner = place.join("proc");
    fs::create_dir_all(&inner).expect("the fixture takes folders");
    let _mounted = Proc::at(&inner);
    let told = |source: &Path, keys: &str, entry: &Path| {
        let config = format!(
            "[policy.mounts]\nhost_paths = [{{ path = \"{}\" }}]\n",
            entry.display()
        );
        let services = format!(
            "  web:\n    image: app:1\n    command: [ls, /x]\n    volumes: [{{type: bind, source: {}, target: /x, read_only: true{keys}}}]\n",
            source.display()
        );
        let mut run = Task::app(lab, &services).config(&config).launch();
        let end = run.until_end();
        run.until_gone();
        (end.state().to_owned(), end.message().to_owned())
    };
    for source in [&place, &inner, &inner.join("sys")] {
        let (state, message) = told(source, "", &place);
        assert_eq!(state, "TASK_FAILED", "{message}");
        assert!(message.contains("the kernel's own files"), "{message}");
    }
    // Without what is mounted below it is a folder like others; an entry of its own is the operator's word.
    for (source, keys, entry) in [
        (&place, ", bind: {recursive: disabled}", &place),
        (&inner, "", &inner),
    ] {
        let (state, message) = told(source, keys, entry);
        assert_eq!(state, "TASK_FINISHED", "{message}");
    }
}

/// A mount of what the kernel shows, until it is dropped.
struct Proc(PathBuf);

impl Proc {
    fn at(folder: &Path) -> Self {
        let kind = Some("proc");
        nix::mount::mount(kind, folder, kind, MsFlags::empty(), None::<&str>).expect("root mounts");
        Self(folder.to_owned())
    }
}

impl Drop for Proc {
    fn drop(&mut self) {
        if let Err(error) = mount::unmount(&self.0) {
            eprintln!("{error}");
        }
    }
}

fn an_image_without_end_and_users_beyond_count(lab: &Lab) {
    let command = "    command: [id]\n";
    let endless = vec![b'x'; 3 << 20];
    for file in ["/etc/group", "/etc/passwd"] {
        let image = app::image().file(file, 0o644, &endless);
        refused(lab, &image, command, &[file, "larger than"]);
    }
    for user in ["4294967296:0", "0:4294967296", "-1", "2147483648"] {
        let image = app::image().user(user);
        refused(
            lab,
            &image,
            command,
            &[user.trim_end_matches(":0").trim_start_matches("0:")],
        );
    }
    // The image's files lead nowhere either: a link out of it is a link within it.
    let image = app::image()
        .link("/etc/passwd", "/../../../../../../../../etc/passwd")
        .link("/etc/group", "/proc/self/environ");
    refused(
        lab,
        &image,
        &format!("{command}    user: daemon\n"),
        &["daemon"],
    );
}

fn names_that_climb(lab: &Lab) {
    let folder = lab.fixture();
    let file = folder.join("compose.yaml");
    for (service, top, words) in [
        (
            "volumes: ['data:/data']",
            "volumes: {data: {name: ../../etc}}",
            "\"../../etc\" can't be a volume's name",
        ),
        (
            "volumes: [{type: volume, source: data, target: /d, volume: {subpath: a/../../b}}]",
            "volumes: {data: {}}",
            "leads out",
        ),
        (
            "volumes: [{type: image, source: 'app:1', target: /d, image: {subpath: ../b}}]",
            "",
            "leads out",
        ),
        ("hostname: '../x'", "", "no host name"),
        (
            "extra_hosts: {\"a\\nb\": 192.0.2.1}",
            "",
            "can't stand in a hosts file",
        ),
        (
            "dns_search: [\"a\\nnameserver 192.0.2.66\"]",
            "",
            "not one word",
        ),
    ] {
        let text = format!("services: {{only: {{image: 'app:1', {service}}}}}\n{top}\n");
        fs::write(&file, text).expect("the fixture takes a file");
        let output = lab.output(&["plan", "-f", &file.display().to_string()]);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{service}: {told}");
        assert!(told.contains(words), "{service}: no {words:?} in\n{told}");
    }
}
