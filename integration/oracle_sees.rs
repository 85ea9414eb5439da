//! The oracle sees each kind of leak: one is planted, and it must be told of, and nothing else.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::image_archive::{Form, Image, busybox};
use crate::lab::host::CGROUPS;
use crate::lab::{Lab, cgroup_name};
use crate::oracle::{Finding, Kind, Oracle, cgroups, files, network};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

/// The containerd namespace that pods live in.
const NAMESPACE: &str = "compose-executor";

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        a_process_in_a_pods_cgroup,
        a_process_that_was_told_our_folder,
        a_shim_of_our_containerd,
        a_container,
        a_container_that_runs,
        a_snapshot,
        an_image_with_its_blobs,
        a_lease,
        an_ingest,
        a_bundle,
        a_dead_socket_of_a_shim,
        a_fifo,
        a_mount,
        a_network_namespace,
        an_interface,
        a_packet_filter_rule,
        a_cni_result,
        a_cgroup_in_each_hierarchy,
        a_record_and_a_lock,
        a_listening_port,
        descriptors_of_containerd,
        state_of_the_runtime,
        nothing_in_what_is_meant_to_stay,
    ]
    .into()
}

/// What the oracle finds that was not there before the planting.
fn findings<T>(lab: &Lab, plant: impl FnOnce() -> T) -> (Vec<Finding>, T) {
    let oracle = Oracle::over(lab);
    let before = oracle.look();
    let planted = plant();
    (oracle.left_since(&before, Duration::ZERO), planted)
}

/// Asserts that these kinds are found and no others; gives back what was planted.
fn sees<T>(lab: &Lab, kinds: &[Kind], plant: impl FnOnce() -> T) -> T {
    let (found, planted) = findings(lab, plant);
    let seen: BTreeSet<_> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(seen, kinds.iter().copied().collect(), "{found:#?}");
    planted
}

fn a_process_in_a_pods_cgroup(lab: &Lab) {
    let group = Folder::below(&a_hierarchy(), &[&name(), "pod-0123456789ab"]);
    sees(lab, &[Kind::Process], || {
        let process = Process::start(Command::new("sleep").arg("1000"));
        fs::write(
            group.path().join("cgroup.procs"),
            process.0.id().to_string(),
        )
        .expect("the group takes a process");
        process
    });
}

fn a_process_that_was_told_our_folder(lab: &Lab) {
    sees(lab, &[Kind::Process], || {
        Process::start(Command::new("tail").arg("-f").arg(lab.config()))
    });
}

fn a_shim_of_our_containerd(lab: &Lab) {
    sees(lab, &[Kind::Shim], || {
        // A shell by another name, which waits for a line that never comes.
        let words = [
            "-c",
            "read line",
            "shim",
            "-namespace",
            NAMESPACE,
            "-address",
        ];
        let mut command = Command::new("sh");
        command
            .arg0("containerd-shim-runc-v2")
            .args(words)
            .arg(lab.containerd().socket());
        Process::start(&mut command)
    });
}

fn a_container(lab: &Lab) {
    sees(lab, &[Kind::Container], || create_container(lab));
    ctr(lab, &["containers", "delete", "planted"]);
}

fn create_container(lab: &Lab) {
    let spec = lab.fixture().join("config.json");
    fs::write(&spec, r#"{"ociVersion": "1.0.2"}"#).expect("the fixture's folder takes a file");
    let spec = spec.display().to_string();
    ctr(lab, &["containers", "create", "--config", &spec, "planted"]);
}

/// From now on the lab knows a container `planted`, which is no more.
fn once_a_container(lab: &Lab) {
    create_container(lab);
    ctr(lab, &["containers", "delete", "planted"]);
    let known = || {
        lab.containerd()
            .containers_ever()
            .iter()
            .any(|(_, name)| name == "planted")
    };
    wait::until("containerd to tell of a container", PATIENCE, || {
        known().then_some(())
    });
}

fn a_container_that_runs(lab: &Lab) {
    let root = lab.fixture();
    let program = busybox().expect("the host was checked");
    fs::copy(program, root.join("busybox")).expect("the fixture's folder takes a file");
    let group = format!("/{}/planted", name());
    let kinds = [
        Kind::Process,
        Kind::Shim,
        Kind::Container,
        Kind::Task,
        Kind::Bundle,
        Kind::Cgroup,
        Kind::RuntimeState,
    ];
    sees(lab, &kinds, || {
        let root = root.display().to_string();
        let words = [
            "run",
            "--detach",
            "--null-io",
            "--cgroup",
            &group,
            "--rootfs",
            &root,
            "planted",
        ];
        ctr(lab, &[&words[..], &["/busybox", "sleep", "1000"]].concat());
    });
    ctr(lab, &["tasks", "kill", "--signal", "SIGKILL", "planted"]);
    wait::until("the end of the container", PATIENCE, || {
        ctr(lab, &["tasks", "list"])
            .contains("STOPPED")
            .then_some(())
    });
    ctr(lab, &["tasks", "delete", "planted"]);
    ctr(lab, &["containers", "delete", "planted"]);
    // No runtime removes the parents that it made.
    cgroups::remove_below(cgroups::of_this_run);
}

fn a_snapshot(lab: &Lab) {
    sees(lab, &[Kind::Snapshot], || {
        ctr(lab, &["snapshots", "prepare", "planted"])
    });
    ctr(lab, &["snapshots", "remove", "planted"]);
}

/// With it, that what the tests make of busybox is what others take for an image.
fn an_image_with_its_blobs(lab: &Lab) {
    let folder = lab.fixture();
    for (file, form) in [("oci.tar", Form::OciTar), ("docker.tar", Form::DockerSave)] {
        let path = folder.join(file).display().to_string();
        let image = Image::busybox("docker.io/library/planted:1").form(form);
        image
            .file("etc/motd", 0o644, b"hello")
            .write(Path::new(&path));
        sees(lab, &[Kind::Image, Kind::Blob, Kind::Snapshot], || {
            ctr(lab, &["images", "import", &path]);
        });
        ctr(
            lab,
            &["images", "delete", "--sync", "docker.io/library/planted:1"],
        );
    }
}

fn a_lease(lab: &Lab) {
    sees(lab, &[Kind::Lease], || {
        ctr(lab, &["leases", "create", "--id", "planted"])
    });
    ctr(lab, &["leases", "delete", "planted"]);
}

fn an_ingest(lab: &Lab) {
    let oracle = Oracle::over(lab);
    let before = oracle.look();
    let mut writer = lab.containerd().ctr_command(NAMESPACE);
    writer
        .args(["content", "ingest", "planted"])
        .stdin(Stdio::piped());
    let mut writer = writer.spawn().expect("ctr starts");
    let input = writer.stdin.as_mut().expect("it is a pipe");
    input.write_all(b"half a blob").expect("ctr reads");
    let seen = wait::until("an ingest to be seen", PATIENCE, || {
        let found = oracle.left_since(&before, Duration::ZERO);
        found
            .into_iter()
            .find(|finding| finding.kind == Kind::Ingest)
    });
    assert_eq!(seen.what, format!("{NAMESPACE}/planted"));
    writer.stdin = None;
    assert!(writer.wait().expect("it is our child").success());
    // It became a blob, without a name and without a lease.
    for blob in ctr(lab, &["content", "list", "-q"]).lines() {
        ctr(lab, &["content", "delete", blob]);
    }
}

fn a_bundle(lab: &Lab) {
    let state = lab.containerd().state();
    sees(lab, &[Kind::Bundle], || {
        Folder::below(
            &state,
            &["io.containerd.runtime.v2.task", NAMESPACE, "planted"],
        )
    });
}

fn a_dead_socket_of_a_shim(lab: &Lab) {
    once_a_container(lab);
    let _folder = Folder::below(Path::new("/run"), &["containerd", "s"]);
    let path = files::shim_socket(lab.containerd(), NAMESPACE, "planted");
    let listener = UnixListener::bind(&path).expect("the folder takes a socket");
    sees(lab, &[Kind::DeadSocket], || drop(listener));
    fs::remove_file(path).expect("it is there");
}

fn a_fifo(lab: &Lab) {
    let path = lab.state().join("planted");
    sees(lab, &[Kind::Io], || {
        mkfifo(&path, Mode::S_IRWXU).expect("the folder takes a FIFO");
    });
    fs::remove_file(path).expect("it is there");
}

fn a_mount(lab: &Lab) {
    let point = lab.fixture();
    sees(lab, &[Kind::Mount], || {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(Some("planted"), &point, Some("tmpfs"), flags, None::<&str>).expect("root mounts");
    });
    umount2(&point, MntFlags::empty()).expect("it is mounted");
}

fn a_network_namespace(lab: &Lab) {
    let name = name();
    // It is a name and a mount at once.
    sees(lab, &[Kind::Network, Kind::Mount], || {
        ip(&["netns", "add", &name]);
    });
    ip(&["netns", "delete", &name]);
}

fn an_interface(lab: &Lab) {
    sees(lab, &[Kind::Network], || {
        ip(&[
            "link", "add", "planted0", "type", "veth", "peer", "name", "planted1",
        ]);
    });
    ip(&["link", "delete", "planted0"]);
}

/// Read from text: one that was really made would leave its table on the host.
fn a_packet_filter_rule(_: &Lab) {
    const BEFORE: &str = "*nat\n:POSTROUTING ACCEPT [7:420]\n:OTHERS - [0:0]\nCOMMIT\n";
    const AFTER: &str = "*nat\n:POSTROUTING ACCEPT [9:540]\n:OTHERS - [3:180]\n:PLANTED - [0:0]\n\
        -A POSTROUTING -s 10.0.0.0/24 -j PLANTED\nCOMMIT\n";
    let before: Vec<_> = network::rules(BEFORE).collect();
    let new: Vec<_> = network::rules(AFTER)
        .filter(|rule| !before.contains(rule))
        .collect();
    assert_eq!(new, ["PLANTED", "-A POSTROUTING -s 10.0.0.0/24 -j PLANTED"]);
}

fn a_cni_result(lab: &Lab) {
    sees(lab, &[Kind::CniCache], || {
        Folder::below(Path::new("/var/lib"), &["cni", "results", &name()])
    });
}

fn a_cgroup_in_each_hierarchy(lab: &Lab) {
    let hierarchies = cgroups::hierarchies();
    let (found, planted) = findings(lab, || {
        let plant = |top: &PathBuf| Folder::below(top, &[&name()]);
        hierarchies.iter().map(plant).collect::<Vec<_>>()
    });
    assert!(
        found.iter().all(|finding| finding.kind == Kind::Cgroup),
        "{found:#?}"
    );
    assert_eq!(found.len(), hierarchies.len(), "{found:#?}");
    drop(planted);
}

fn a_record_and_a_lock(lab: &Lab) {
    let pods = lab.root().join("pods/0123456789ab");
    let locks = lab.state().join("locks");
    let (found, ()) = findings(lab, || {
        for (folder, name) in [(&pods, "record.json"), (&locks, "0123456789ab")] {
            fs::create_dir_all(folder).expect("the lab's folders are ours");
            File::create(folder.join(name)).expect("the lab's folders are ours");
        }
    });
    for path in [lab.root().join("pods"), lab.state().join("locks")] {
        fs::remove_dir_all(path).expect("it is there");
    }
    let kinds: Vec<_> = found.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::Record, Kind::Record], "{found:#?}");
}

fn a_listening_port(lab: &Lab) {
    sees(lab, &[Kind::Port], || {
        TcpListener::bind("127.0.0.1:0").expect("a port is free")
    });
}

fn descriptors_of_containerd(lab: &Lab) {
    let socket = lab.containerd().socket();
    sees(lab, &[Kind::Daemon], || {
        let connect = |_| UnixStream::connect(&socket).expect("containerd listens");
        let connections: Vec<_> = (0..40).map(connect).collect();
        // It has accepted them all when it answers one that came later.
        ctr(lab, &["version"]);
        connections
    });
}

fn state_of_the_runtime(lab: &Lab) {
    once_a_container(lab);
    sees(lab, &[Kind::RuntimeState], || {
        Folder::below(
            Path::new("/run/containerd"),
            &["runc", NAMESPACE, "planted"],
        )
    });
}

fn nothing_in_what_is_meant_to_stay(lab: &Lab) {
    let pause = lab.root().join("pause-planted");
    let memo = lab.state().join("runtime-planted.json");
    sees(lab, &[], || {
        fs::create_dir(&pause).expect("the lab's folders are ours");
        symlink("pause", pause.join("pause")).expect("the lab's folders are ours");
        File::create(&memo).expect("the lab's folders are ours");
    });
    fs::remove_dir_all(pause).expect("it is there");
    fs::remove_file(memo).expect("it is there");
}

/// A name that is ours alone.
fn name() -> String {
    cgroup_name("planted")
}

fn ctr(lab: &Lab, words: &[&str]) -> String {
    let answer = lab.containerd().ctr(NAMESPACE, words);
    answer.unwrap_or_else(|error| panic!("ctr {}: {error}", words.join(" ")))
}

fn ip(words: &[&str]) {
    let status = Command::new("ip").args(words).status().expect("ip starts");
    assert!(status.success(), "ip {}", words.join(" "));
}

/// The freezer hierarchy, or the only one.
fn a_hierarchy() -> PathBuf {
    let freezer = Path::new(CGROUPS).join("freezer");
    if freezer.is_dir() {
        freezer
    } else {
        CGROUPS.into()
    }
}

/// A process that ends with its test.
struct Process(Child);

impl Process {
    fn start(command: &mut Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let child = child.expect("the host has this program");
        // Who starts a program goes on when its memory is in place, a moment before its words are.
        let words = format!("/proc/{}/cmdline", child.id());
        wait::until("the words of a program", PATIENCE, || {
            let words = fs::read(&words).expect("the process lives");
            (!words.is_empty()).then_some(())
        });
        Self(child)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A folder that goes with its test, and with it those of its parents that it had to make.
struct Folder(Vec<PathBuf>);

impl Folder {
    fn below(top: &Path, parts: &[&str]) -> Self {
        let mut path = top.to_owned();
        let mut made = Vec::new();
        for part in parts {
            path.push(part);
            if fs::create_dir(&path).is_ok() {
                made.push(path.clone());
            }
        }
        assert!(path.is_dir(), "{}", path.display());
        // What was there stays when this is dropped.
        if made.last() != Some(&path) {
            made.push(path);
        }
        Self(made)
    }

    fn path(&self) -> &Path {
        self.0.last().expect("below() has put one in")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            // Others may use it by now.
            let _ = fs::remove_dir(path);
        }
    }
}
