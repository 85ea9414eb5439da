//! What `sys` promises of the kernel, where only root can see it: cgroups, mounts, namespaces.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use compose_executor::sys::beneath::Folder;
use compose_executor::sys::cgroup::{Hierarchies, Limits};
use compose_executor::sys::mountns::Mount;
use compose_executor::sys::pin::{self, Pinning};
use compose_executor::sys::process::Namespaces;
use compose_executor::sys::{fifo, mount, mountns, netns, tree};

use crate::image_archive::busybox;
use crate::lab::{Lab, cgroup_name};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        a_cgroup_that_forks_is_killed_and_removed_everywhere,
        a_frozen_cgroup_is_killed,
        a_process_elsewhere_in_one_hierarchy_is_found_out,
        a_network_namespace_has_a_loopback_of_its_own,
        an_image_is_looked_into_without_a_trace,
        what_was_pinned_stays_what_it_was,
        a_pinned_program_runs_and_cant_be_written,
        a_busy_mount_goes_and_a_tree_with_mounts_stays,
    ]
    .into()
}

/// A cgroup of the test's own, in every hierarchy.
struct Cgroup {
    hierarchies: Hierarchies,
    path: String,
}

impl Cgroup {
    const WITHIN: Duration = Duration::from_secs(10);

    fn new(name: &str) -> Self {
        let hierarchies = Hierarchies::of_this_process().expect("the host has cgroups");
        let path = format!("/{}", cgroup_name(name));
        let limits = Limits {
            pids: Some(200),
            ..Limits::default()
        };
        hierarchies
            .create_pod(&path, &[&format!("{path}/svc")], &limits)
            .expect("root makes cgroups");
        Self { hierarchies, path }
    }

    fn service(&self) -> String {
        format!("{}/svc", self.path)
    }

    /// A shell that first goes into the service's cgroup.
    fn run(&self, script: &str) -> Child {
        let mut whole = String::new();
        for hierarchy in self.hierarchies.iter() {
            let mount = hierarchy.mount.display();
            writeln!(whole, "echo $$ > {mount}{}/cgroup.procs", self.service())
                .expect("a text takes lines");
        }
        whole.push_str(script);
        Command::new("sh")
            .args(["-c", &whole])
            .stdout(Stdio::null())
            .spawn()
            .expect("sh is there")
    }

    fn until_processes(&self, at_least: usize) {
        let enough = || {
            let procs = self.hierarchies.procs(&self.path).expect("it can be read");
            (procs.len() >= at_least).then_some(())
        };
        wait::within(PATIENCE, enough).expect("the processes start");
    }

    fn remove(&self) {
        self.hierarchies
            .remove(&self.path, Self::WITHIN)
            .expect("nothing is in it");
        for hierarchy in self.hierarchies.iter() {
            let directory = hierarchy.mount.join(self.path.trim_start_matches('/'));
            assert!(!directory.exists(), "{}", directory.display());
        }
    }
}

fn a_cgroup_that_forks_is_killed_and_removed_everywhere(_: &Lab) {
    let cgroup = Cgroup::new("kill");
    let mut shell = cgroup.run("trap '' TERM; while :; do sleep 30 & sleep 0.01; done");
    cgroup.until_processes(20);
    cgroup
        .hierarchies
        .kill(&cgroup.path, Cgroup::WITHIN)
        .expect("all can be killed");
    shell.wait().expect("it has ended");
    cgroup.remove();
}

fn a_frozen_cgroup_is_killed(_: &Lab) {
    let cgroup = Cgroup::new("frozen");
    let mut shell = cgroup.run("sleep 30");
    cgroup.until_processes(2);
    if let Some(freezer) = cgroup.hierarchies.with("freezer") {
        let state = format!(
            "{}{}/freezer.state",
            freezer.mount.display(),
            cgroup.service()
        );
        fs::write(state, "FROZEN").expect("the cgroup can be frozen");
    }
    cgroup
        .hierarchies
        .kill(&cgroup.path, Cgroup::WITHIN)
        .expect("what is frozen can be killed");
    shell.wait().expect("it has ended");
    cgroup.remove();
}

fn a_process_elsewhere_in_one_hierarchy_is_found_out(_: &Lab) {
    let cgroup = Cgroup::new("verify");
    let mut shell = cgroup.run("sleep 30");
    cgroup.until_processes(2);
    let verify = || cgroup.hierarchies.verify(shell.id(), &cgroup.service());
    wait::within(PATIENCE, || verify().ok()).expect("it goes into each hierarchy");

    let pids = cgroup.hierarchies.with("pids").expect("pids is mounted");
    fs::write(pids.mount.join("cgroup.procs"), shell.id().to_string()).expect("it can be moved");
    let error = verify().expect_err("it is in another cgroup").to_string();
    assert!(error.contains(&pids.name()), "{error}");

    shell.kill().expect("it is ours");
    cgroup
        .hierarchies
        .kill(&cgroup.path, Cgroup::WITHIN)
        .expect("all can be killed");
    shell.wait().expect("it has ended");
    cgroup.remove();
}

fn a_network_namespace_has_a_loopback_of_its_own(lab: &Lab) {
    let path = lab.fixture().join("netns");
    let before = Namespaces::of_this_process().expect("/proc tells");
    netns::create(&path).expect("root makes namespaces");
    let listener = netns::within(&path, || TcpListener::bind("127.0.0.1:0"))
        .expect("it can be entered")
        .expect("loopback has its address");
    let address = listener.local_addr().expect("it is bound");
    assert!(TcpStream::connect(address).is_err(), "not the host's");
    netns::within(&path, || TcpStream::connect(address))
        .expect("it can be entered")
        .expect("loopback is up");
    assert_eq!(Namespaces::of_this_process().expect("/proc tells"), before);
    for _ in 0..2 {
        netns::remove(&path).expect("it can be removed");
    }
    assert!(!path.exists());
}

fn an_image_is_looked_into_without_a_trace(lab: &Lab) {
    let folder = lab.fixture();
    for name in ["lower", "upper", "work", "at"] {
        fs::create_dir(folder.join(name)).expect("the fixture takes folders");
    }
    fs::write(folder.join("lower/old"), "1").expect("the fixture takes files");
    fs::write(folder.join("upper/new"), "2").expect("the fixture takes files");
    let option = |key: &str, name: &str| format!("{key}={}", folder.join(name).display());
    let overlay = Mount {
        kind: "overlay".to_owned(),
        source: "overlay".into(),
        options: vec![
            option("lowerdir", "lower"),
            option("upperdir", "upper"),
            option("workdir", "work"),
        ],
    };
    let (old, new, write) = mountns::look_into(&[overlay], &folder.join("at"), |root| {
        let image = Folder::open_root(root).expect("the root is there");
        let read = |name: &str| image.read(Path::new(name), 10).expect("it is there");
        (read("/old"), read("/new"), fs::write(root.join("x"), ""))
    })
    .expect("an overlay can be mounted");
    assert_eq!((old, new), (b"1".to_vec(), b"2".to_vec()));
    assert!(write.is_err(), "a look does not write");
    assert_eq!(
        fs::read_dir(folder.join("at"))
            .expect("it is there")
            .count(),
        0
    );
    assert!(mount::below(&folder).expect("/proc tells").is_empty());
}

fn what_was_pinned_stays_what_it_was(lab: &Lab) {
    let folder = lab.fixture();
    fs::create_dir_all(folder.join("sandbox/data")).expect("the fixture takes folders");
    fs::write(folder.join("sandbox/data/own"), "user's").expect("the fixture takes files");
    let sandbox = Folder::open(&folder.join("sandbox")).expect("it is there");
    let entry = sandbox.entry(Path::new("data")).expect("it is there");
    let pinned = folder.join("pinned");
    pin::pin(&entry, &pinned, Pinning::default()).expect("root binds folders");

    fs::rename(folder.join("sandbox/data"), folder.join("sandbox/moved")).expect("users move");
    std::os::unix::fs::symlink("/etc", folder.join("sandbox/data")).expect("users link");
    assert_eq!(
        fs::read_to_string(pinned.join("own")).expect("it is still there"),
        "user's"
    );
    assert!(!pinned.join("passwd").exists());

    mount::unmount(&pinned).expect("it can be unmounted");
    mount::unmount(&pinned).expect("no mount is success");
}

fn a_pinned_program_runs_and_cant_be_written(lab: &Lab) {
    // It goes by its name.
    let place = lab.fixture().join("busybox");
    let busybox = busybox().expect("the lab has looked for it");
    let program = File::open(busybox).expect("it is there");
    pin::pin_program(&program, &place).expect("root binds files");

    let ended = Command::new(&place).arg("true").status();
    assert!(ended.expect("it starts").success());
    let written = File::options().write(true).open(&place);
    let error = written.expect_err("nobody writes to it");
    assert_eq!(error.kind(), ErrorKind::ReadOnlyFilesystem);

    mount::unmount(&place).expect("it can be unmounted");
}

fn a_busy_mount_goes_and_a_tree_with_mounts_stays(lab: &Lab) {
    let folder = lab.fixture().join("run");
    fs::create_dir_all(folder.join("shm")).expect("the fixture takes folders");
    mount::tmpfs(&folder.join("shm"), 1 << 20, 0o1777).expect("root mounts a tmpfs");
    fifo::create(&folder.join("shm/kept")).expect("a tmpfs takes a FIFO");
    tree::remove(&folder).expect_err("something is mounted in it");
    assert!(folder.join("shm/kept").exists());

    let _user = File::create(folder.join("shm/open")).expect("a tmpfs takes files");
    mount::unmount_all(&folder).expect("what is in use is detached");
    assert!(mount::below(&folder).expect("/proc tells").is_empty());
    tree::remove(&folder).expect("nothing is mounted in it");
    assert!(!folder.exists());
}
