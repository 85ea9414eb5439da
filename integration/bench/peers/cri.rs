//! containerd with its CRI plugin, called as a kubelet calls it.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::{Daemon, IMAGE, Peer, Times, archive, check};
use crate::lab::cgroup_name;

#[derive(Debug)]
pub(super) struct Cri {
    driver: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _daemon: Daemon,
}

impl Cri {
    pub(super) fn start(peers: &Path, folder: &Path) -> Self {
        super::in_memory(folder, "state");
        let socket = folder.join("cri.sock");
        let place = |name: &str| folder.join(name).display().to_string();
        let config = format!(
            "version = 2\noom_score = 0\nroot = \"{root}\"\nstate = \"{state}\"\n\
             [grpc]\naddress = \"{address}\"\n\
             [plugins.\"io.containerd.internal.v1.opt\"]\npath = \"{opt}\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\"]\nsandbox_image = \"{IMAGE}\"\n\
             restrict_oom_score_adj = true\ndisable_apparmor = true\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n\
             runtime_type = \"io.containerd.runc.v2\"\n\
             [plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]\n\
             BinaryName = \"crun\"\n",
            root = place("root"),
            state = place("state"),
            address = place("cri.sock"),
            opt = place("opt"),
        );
        let file = folder.join("config.toml");
        fs::write(&file, config).expect("the lab's folder takes it");
        let ctr = || {
            let mut command = Command::new("ctr");
            command
                .arg("--address")
                .arg(&socket)
                .args(["--namespace", "k8s.io"]);
            command
        };
        let answers = || {
            let output = ctr().arg("version").output();
            output.is_ok_and(|output| output.status.success())
        };
        let daemon = Daemon::start(
            Command::new("containerd").arg("--config").arg(&file),
            &folder.join("log"),
            answers,
        );
        check(ctr().args(["images", "import"]).arg(archive(folder)));
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/integration/bench/cri");
        let mut driver = Command::new(program)
            .env("PYTHONPATH", peers.join("python"))
            .arg(&socket)
            .args([IMAGE, &format!("/{}", cgroup_name("cri"))])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python is there");
        Self {
            requests: driver.stdin.take(),
            answers: BufReader::new(driver.stdout.take().expect("it is a pipe")),
            driver,
            _daemon: daemon,
        }
    }
}

impl Peer for Cri {
    fn name(&self) -> &'static str {
        "containerd's CRI, as a kubelet calls it"
    }

    fn pod(&mut self, containers: usize) -> Times {
        let requests = self.requests.as_mut().expect("it is open until the drop");
        writeln!(requests, "{containers}").expect("the driver listens");
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .expect("the driver answers");
        let mut times = line
            .split_whitespace()
            .map(|word| word.parse::<f64>().expect("it is a number"));
        let mut next = || {
            let time = times.next().expect("the driver tells two times");
            Duration::from_secs_f64(time / 1000.0)
        };
        (next(), next())
    }
}

impl Drop for Cri {
    fn drop(&mut self) {
        drop(self.requests.take());
        let _ = self.driver.wait();
    }
}
