//! What else runs pods on a host, where `make bench-peers` has put it: podman, CRI, docker compose.
//!
//! Each has its own daemons, folders and sockets below the lab's folder, and ends with its value.

mod cri;
mod docker;
mod podman;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::image_archive::Form;
use crate::lab::{Lab, memory};
use crate::pods;
use crate::wait;
use cri::Cri;
use docker::DockerCompose;
use podman::{Play, Podman};

/// As containerd and docker name it.
const IMAGE: &str = "docker.io/library/bench:1";
const START: Duration = Duration::from_secs(30);

type Times = (Duration, Duration);

/// A way to run a pod.
pub(crate) trait Peer {
    fn name(&self) -> &'static str;
    /// From the request to all running, and from the stop to nothing left.
    fn pod(&mut self, containers: usize) -> Times;
}

/// All that are there.
pub(crate) fn all(lab: &Lab) -> Vec<Box<dyn Peer>> {
    let Some(peers) = std::env::var_os("BENCH_PEERS").map(PathBuf::from) else {
        return Vec::new();
    };
    let mut found: Vec<Box<dyn Peer>> = Vec::new();
    if peers.join("podman/usr/bin/podman").exists() {
        found.push(Box::new(Podman::start(&peers, &lab.fixture(), Play::Pod)));
        found.push(Box::new(Podman::start(&peers, &lab.fixture(), Play::Kube)));
    }
    if peers.join("python/.complete").exists() {
        found.push(Box::new(Cri::start(&peers, &lab.fixture())));
    }
    if peers.join("docker/usr/sbin/dockerd").exists() {
        found.push(Box::new(DockerCompose::start(lab, &peers)));
    }
    found
}

/// What lasts as long as a boot, as it lies on a host.
fn in_memory(folder: &Path, name: &str) {
    memory::folder(&folder.join(name)).expect("the kernel mounts a tmpfs");
}

/// A daemon of a peer's.
#[derive(Debug)]
struct Daemon(Child);

impl Daemon {
    fn start(command: &mut Command, log: &Path, answers: impl Fn() -> bool) -> Self {
        let out = fs::File::create(log).expect("the lab's folder takes a log");
        let errors = out.try_clone().expect("a file can be shared");
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let daemon = Self(child);
        let what = format!("an answer of the daemon that logs to {}", log.display());
        wait::until(&what, START, || answers().then_some(()));
        daemon
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(pid) = self.0.id().try_into() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        if wait::within(START, || self.0.try_wait().ok().flatten()).is_none() {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn check(command: &mut Command) {
    let output = command.stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}

fn timed(mut act: impl FnMut()) -> Duration {
    let begin = Instant::now();
    act();
    begin.elapsed()
}

/// The image as an archive. By itself it sleeps: it serves as a pause container too.
fn archive(folder: &Path) -> PathBuf {
    let path = folder.join("bench.tar");
    let image = pods::image(IMAGE).form(Form::DockerSave);
    image.cmd(&["sleep", "1000"]).write(&path);
    path
}
