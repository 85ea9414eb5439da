//! What else runs pods on a host, where `make bench-peers` has put it: podman, CRI, docker compose.
//!
//! Each has its own daemons, folders and sockets below the lab's folder, and ends with its value.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::image_archive::{Form, Image};
use crate::lab::{Lab, cgroup_name};
use crate::raw::PAYLOAD;
use crate::wait;

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

fn archive(folder: &Path) -> PathBuf {
    let path = folder.join("bench.tar");
    Image::busybox(IMAGE).form(Form::DockerSave).write(&path);
    path
}

/// How podman is told of a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Play {
    Pod,
    Kube,
}

#[derive(Debug)]
struct Podman {
    play: Play,
    program: PathBuf,
    libraries: PathBuf,
    conmon: PathBuf,
    folder: PathBuf,
}

impl Podman {
    fn start(peers: &Path, folder: &Path, play: Play) -> Self {
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

/// containerd with its CRI plugin.
#[derive(Debug)]
struct Cri {
    driver: Child,
    requests: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    _daemon: Daemon,
}

impl Cri {
    fn start(peers: &Path, folder: &Path) -> Self {
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
        // The pause image sleeps by itself.
        let archive = folder.join("bench.tar");
        let image = Image::busybox(IMAGE).form(Form::DockerSave);
        image.cmd(&["sleep", "1000"]).write(&archive);
        check(ctr().args(["images", "import"]).arg(&archive));
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

/// dockerd on the lab's containerd, and docker compose.
#[derive(Debug)]
struct DockerCompose {
    compose: PathBuf,
    host: String,
    folder: PathBuf,
    _daemon: Daemon,
}

impl DockerCompose {
    fn start(lab: &Lab, peers: &Path) -> Self {
        let folder = lab.fixture();
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
