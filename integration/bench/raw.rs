//! A pod by hand: what an OCI runtime alone needs for it, and the kernel alone.
//!
//! The same number of containers with the same namespaces shared, cgroups and hardening, but for
//! the system call filter; no images, no snapshots, no records, no logs.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::image_archive::busybox;
use crate::lab::{cgroup_name, memory};

/// What each container runs; the line says that it does.
pub(crate) const PAYLOAD: &str = "echo ready; exec sleep 1000";

/// Waits until this many lines have come.
pub(crate) fn until_ready(output: impl std::io::Read, containers: usize) {
    let lines = BufReader::new(output).lines().map_while(Result::ok);
    let ready = lines.filter(|line| line.contains("ready")).take(containers);
    assert_eq!(ready.count(), containers, "a container did not start");
}

/// Folders that every raw container uses.
#[derive(Debug)]
pub(crate) struct Bundle {
    folder: PathBuf,
}

impl Bundle {
    pub(crate) fn make(folder: &Path) -> Self {
        let root = folder.join("rootfs");
        for name in ["bin", "proc", "dev", "sys", "tmp"] {
            fs::create_dir_all(root.join(name)).expect("the lab's folder takes it");
        }
        let busybox = busybox().expect("the lab has looked for it");
        fs::copy(busybox, root.join("bin/busybox")).expect("the lab's folder takes it");
        for name in ["sh", "sleep"] {
            symlink("busybox", root.join("bin").join(name)).expect("the lab's folder takes it");
        }
        memory::folder(&folder.join("state")).expect("the kernel mounts a tmpfs");
        Self {
            folder: folder.to_owned(),
        }
    }

    /// A runtime document; with the namespaces of a process, or with new ones.
    fn document(&self, id: &str, pause: Option<u32>) {
        let base = include_str!("../../runtime-specs/container.json");
        let mut document: Value = serde_json::from_str(base).expect("it is JSON");
        let namespace = |kind: &str, file: &str| match pause {
            Some(pid) => json!({ "type": kind, "path": format!("/proc/{pid}/ns/{file}") }),
            None => json!({ "type": kind }),
        };
        document["process"]["args"] = match pause {
            Some(_) => json!(["sh", "-c", PAYLOAD]),
            None => json!(["sleep", "1000"]),
        };
        document["process"]["rlimits"] = json!([]);
        document["root"] = json!({ "path": self.folder.join("rootfs"), "readonly": true });
        document["hostname"] = json!("raw");
        document["linux"]["cgroupsPath"] = json!(format!("/{}/{id}", cgroup_name("raw")));
        document["linux"]["namespaces"] = json!([
            namespace("network", "net"),
            namespace("ipc", "ipc"),
            namespace("pid", "pid"),
            { "type": "mount" },
            { "type": "uts" },
        ]);
        let bundle = self.bundle(id);
        fs::create_dir_all(&bundle).expect("the lab's folder takes it");
        fs::write(bundle.join("config.json"), document.to_string())
            .expect("the lab's folder takes it");
    }

    fn bundle(&self, id: &str) -> PathBuf {
        self.folder.join(id)
    }
}

/// Starts a pod with `crun` or `runc`, one container after the other, and takes it away again.
pub(crate) fn in_series(runtime: &str, bundle: &Bundle, containers: usize) -> (Duration, Duration) {
    let (output, input) = std::io::pipe().expect("a pipe can be made");
    let state = bundle.folder.join("state").join(runtime);
    let run = |id: &str, pause: Option<u32>| -> u32 {
        bundle.document(id, pause);
        let pid_file = bundle.bundle(id).join("pid");
        let status = Command::new(runtime)
            .arg("--root")
            .arg(&state)
            .args(["run", "--detach", "--pid-file"])
            .arg(&pid_file)
            .arg("--bundle")
            .arg(bundle.bundle(id))
            .arg(id)
            .stdin(Stdio::null())
            .stdout(input.try_clone().expect("a pipe can be cloned"))
            .status()
            .expect("the runtime starts");
        assert!(status.success(), "{runtime} run {id}: {status}");
        let pid = fs::read_to_string(pid_file).expect("it was asked for");
        pid.trim().parse().expect("it is a number")
    };
    let names: Vec<_> = (0..containers).map(|i| format!("raw-{i}")).collect();
    let begin = Instant::now();
    let pause = run("raw-pause", None);
    for name in &names {
        run(name, Some(pause));
    }
    until_ready(output, containers);
    let up = begin.elapsed();
    drop(input);

    let begin = Instant::now();
    for id in names.iter().map(String::as_str).chain(["raw-pause"]) {
        let status = Command::new(runtime)
            .arg("--root")
            .arg(&state)
            .args(["delete", "--force", id])
            .status()
            .expect("the runtime starts");
        assert!(status.success(), "{runtime} delete {id}: {status}");
    }
    (up, begin.elapsed())
}

/// New namespaces and an exec for each, by unshare(1): what the kernel alone takes.
pub(crate) fn bare(containers: usize) -> (Duration, Duration) {
    let (output, input) = std::io::pipe().expect("a pipe can be made");
    let busybox = busybox().expect("the lab has looked for it");
    let start = |_| -> Child {
        Command::new("unshare")
            .args(["--mount", "--uts", "--ipc", "--net", "--pid", "--fork"])
            .arg("--kill-child")
            .arg(&busybox)
            .args(["sh", "-c", PAYLOAD])
            .stdin(Stdio::null())
            .stdout(input.try_clone().expect("a pipe can be cloned"))
            .spawn()
            .expect("unshare starts")
    };
    let begin = Instant::now();
    let mut processes: Vec<_> = (0..=containers).map(start).collect();
    until_ready(output, containers + 1);
    let up = begin.elapsed();
    drop(input);

    let begin = Instant::now();
    for process in &mut processes {
        process.kill().expect("it is our child");
        process.wait().expect("it is our child");
    }
    (up, begin.elapsed())
}
