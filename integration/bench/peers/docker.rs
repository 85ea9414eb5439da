//! docker compose: dockerd, with a containerd and a crun of its own suite.
//!
//! It asks for a newer version of the runtime's documents than older ones know.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, IMAGE, Peer, Times, archive, check, timed};
use crate::lab::{Lab, cgroup_name};
use crate::raw::PAYLOAD;

#[derive(Debug)]
pub(super) struct DockerCompose {
    docker: PathBuf,
    host: String,
    folder: PathBuf,
    _daemon: Daemon,
}

impl DockerCompose {
    pub(super) fn start(lab: &Lab, peers: &Path) -> Self {
        let folder = lab.fixture();
        super::in_memory(&folder, "exec");
        let host = format!("unix://{}", folder.join("docker.sock").display());
        let programs = peers.join("docker/usr/bin");
        let docker = programs.join("docker");
        let mut command = Command::new(peers.join("docker/usr/sbin/dockerd"));
        command
            .args(["--host", &host, "--bridge=none", "--iptables=false"])
            .args(["--ip-forward=false", "--ip-masq=false"])
            .arg("--userland-proxy=false")
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .arg("--add-runtime")
            .arg(format!("crun={}", programs.join("crun").display()))
            .args(["--default-runtime", "crun"])
            .args(["--cgroup-parent", &format!("/{}", cgroup_name("docker"))]);
        for (flag, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            command.arg(flag).arg(folder.join(name));
        }
        // It starts the first containerd that it finds.
        let path = std::env::var_os("PATH").unwrap_or_default();
        let mut folders = vec![peers.join("containerd-2/usr/bin"), programs];
        folders.extend(std::env::split_paths(&path));
        let path = std::env::join_paths(folders).expect("no folder has a colon");
        command.env("PATH", path);
        let answers = || {
            let output = Command::new(&docker)
                .args(["-H", &host, "version"])
                .output();
            output.is_ok_and(|output| output.status.success())
        };
        let daemon = Daemon::start(&mut command, &folder.join("log"), answers);
        let archive = archive(&folder);
        check(
            Command::new(&docker)
                .args(["-H", &host, "load", "--input"])
                .arg(archive),
        );
        // As people type it: the program that they call looks for what composes.
        let plugins = folder.join("config/cli-plugins");
        fs::create_dir_all(&plugins).expect("the lab's folder takes it");
        symlink(
            peers.join("compose/usr/libexec/docker/cli-plugins/docker-compose"),
            plugins.join("docker-compose"),
        )
        .expect("the lab's folder takes it");
        Self {
            docker,
            host,
            folder,
            _daemon: daemon,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.docker);
        command
            .env("DOCKER_HOST", &self.host)
            .env("DOCKER_CONFIG", self.folder.join("config"))
            .current_dir(&self.folder)
            .args(["compose", "--project-name", "bench"]);
        command
    }
}

impl Peer for DockerCompose {
    fn name(&self) -> &'static str {
        "docker compose, as a pod"
    }

    fn pod(&mut self, containers: usize) -> Times {
        // What our own pod is: namespaces of a container that only sleeps, which all others join.
        let mut services = format!(
            "  pause:\n    image: {IMAGE}\n    network_mode: none\n    ipc: shareable\n    \
             command: [sleep, \"1000\"]\n    stop_signal: SIGKILL\n"
        );
        for i in 0..containers {
            write!(
                services,
                "  s{i}:\n    image: {IMAGE}\n    network_mode: service:pause\n    ipc: service:pause\n    \
                 pid: service:pause\n    command: [sh, -c, \"{PAYLOAD}\"]\n    stop_signal: SIGKILL\n"
            )
            .expect("a text takes it");
        }
        fs::write(
            self.folder.join("compose.yaml"),
            format!("services:\n{services}"),
        )
        .expect("the lab's folder takes it");
        let up = timed(|| check(self.command().args(["up", "--detach"])));
        let down = timed(|| check(self.command().args(["down", "--timeout", "0"])));
        (up, down)
    }
}
