//! podman: `podman pod` and `podman run`, or `podman play kube`. It has no daemon.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{IMAGE, Peer, Times, archive, check, timed};
use crate::oracle::cgroups;
use crate::raw::PAYLOAD;

/// How podman is told of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Play {
    Pod,
    Kube,
}

#[derive(Debug)]
pub(super) struct Podman {
    play: Play,
    program: PathBuf,
    libraries: PathBuf,
    conmon: PathBuf,
    folder: PathBuf,
}

impl Podman {
    pub(super) fn start(peers: &Path, folder: &Path, play: Play) -> Self {
        for name in ["run", "tmp"] {
            super::in_memory(folder, name);
        }
        let files = peers.join("podman");
        let podman = Self {
            play,
            program: files.join("usr/bin/podman"),
            libraries: files.join("usr/lib/x86_64-linux-gnu"),
            conmon: files.join("usr/bin/conmon"),
            folder: folder.to_owned(),
        };
        let conf = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=1024:1024\"]\n\
            [engine]\ninfra_image = \"docker.io/library/bench:1\"\n";
        fs::write(folder.join("containers.conf"), conf).expect("the lab's folder takes it");
        fs::write(
            folder.join("policy.json"),
            r#"{"default":[{"type":"insecureAcceptAnything"}]}"#,
        )
        .expect("the lab's folder takes it");
        let archive = archive(folder);
        check(
            podman
                .command()
                .args(["load", "--signature-policy"])
                .arg(folder.join("policy.json"))
                .arg("--input")
                .arg(archive),
        );
        podman
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env("LD_LIBRARY_PATH", &self.libraries)
            .env("CONTAINERS_CONF", self.folder.join("containers.conf"))
            .args(["--cgroup-manager", "cgroupfs", "--events-backend", "none"])
            .args([
                "--runtime",
                "crun",
                "--storage-driver",
                "overlay",
                "--log-level",
                "error",
            ])
            .arg("--conmon")
            .arg(&self.conmon)
            .arg("--root")
            .arg(self.folder.join("root"))
            .arg("--runroot")
            .arg(self.folder.join("run"))
            .arg("--tmpdir")
            .arg(self.folder.join("tmp"));
        command
    }

    fn kube(&self, containers: usize) -> PathBuf {
        let container = |i| {
            format!(
                "  - name: s{i}\n    image: {IMAGE}\n    imagePullPolicy: Never\n    command: [sh, -c, \"{PAYLOAD}\"]\n"
            )
        };
        let list: String = (0..containers).map(container).collect();
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: bench\nspec:\n  hostNetwork: false\n  containers:\n{list}"
        );
        let path = self.folder.join("pod.yaml");
        fs::write(&path, text).expect("the lab's folder takes it");
        path
    }
}

impl Peer for Podman {
    fn name(&self) -> &'static str {
        match self.play {
            Play::Pod => "podman pod",
            Play::Kube => "podman kube play",
        }
    }

    fn pod(&mut self, containers: usize) -> Times {
        let kube = self.kube(containers);
        let up = timed(|| match self.play {
            Play::Kube => check(
                self.command()
                    .args(["play", "kube", "--network", "none"])
                    .arg(&kube),
            ),
            Play::Pod => {
                check(
                    self.command()
                        .args(["pod", "create", "--name", "bench", "--network", "none"])
                        .args(["--share", "net,ipc,pid"]),
                );
                for i in 0..containers {
                    check(
                        self.command()
                            .args(["run", "--detach", "--pod", "bench", "--name"])
                            .args([&format!("bench-s{i}"), IMAGE, "sh", "-c", PAYLOAD]),
                    );
                }
            }
        });
        let down = timed(|| {
            check(
                self.command()
                    .args(["pod", "rm", "--force", "--time", "0", "bench"]),
            );
        });
        (up, down)
    }
}

impl Drop for Podman {
    /// Where it puts pods, and leaves empty.
    fn drop(&mut self) {
        cgroups::remove_below(|name| name == "libpod_parent");
    }
}
