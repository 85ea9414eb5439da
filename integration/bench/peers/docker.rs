//! docker compose: dockerd, on the lab's containerd.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Daemon, IMAGE, Peer, Times, archive, check, timed};
use crate::lab::{Lab, cgroup_name};
use crate::raw::PAYLOAD;

#[derive(Debug)]
pub(super) struct DockerCompose {
    compose: PathBuf,
    host: String,
    folder: PathBuf,
    _daemon: Daemon,
}

impl DockerCompose {
    pub(super) fn start(lab: &Lab, peers: &Path) -> Self {
        let folder = lab.fixture();
        super::in_memory(&folder, "exec");
        let host = format!("unix://{}", folder.join("docker.sock").display());
        let docker = peers.join("docker/usr/bin/docker");
        let mut command = Command::new(peers.join("docker/usr/sbin/dockerd"));
        command
            .args(["--host", &host, "--bridge=none", "--iptables=false"])
            .args(["--ip-forward=false", "--ip-masq=false"])
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .args([
                "--add-runtime",
                "crun=/usr/bin/crun",
                "--default-runtime",
                "crun",
            ])
            .args(["--cgroup-parent", &format!("/{}", cgroup_name("docker"))])
            .arg("--containerd")
            .arg(lab.containerd().socket());
        for (flag, name) in [
            ("--data-root", "data"),
            ("--exec-root", "exec"),
            ("--pidfile", "pid"),
        ] {
            command.arg(flag).arg(folder.join(name));
        }
        command.env(
            "PATH",
            format!(
                "{}:{}",
                peers.join("docker/usr/bin").display(),
                std::env::var("PATH").unwrap_or_default()
            ),
        );
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
        Self {
            compose: peers.join("compose/usr/libexec/docker/cli-plugins/docker-compose"),
            host,
            folder,
            _daemon: daemon,
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.compose);
        command
            .env("DOCKER_HOST", &self.host)
            .current_dir(&self.folder)
            .args(["--project-name", "bench"]);
        command
    }
}

impl Peer for DockerCompose {
    fn name(&self) -> &'static str {
        "docker compose, as a pod"
    }

    fn pod(&mut self, containers: usize) -> Times {
        let service = |i| {
            let network = if i == 0 {
                "none".to_owned()
            } else {
                "service:s0".to_owned()
            };
            format!(
                "  s{i}:\n    image: {IMAGE}\n    network_mode: {network}\n    command: [sh, -c, \"{PAYLOAD}\"]\n    \
                 stop_signal: SIGKILL\n"
            )
        };
        let services: String = (0..containers).map(service).collect();
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
