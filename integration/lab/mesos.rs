//! The Mesos master and agent of `integration/mesos-lab`, for the tests alone.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::host;

const PROGRAM: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/integration/mesos-lab/mesos-lab"
);

/// A running master and agent. Held by a lock on the lab's folder: one user at a time.
#[derive(Debug)]
pub(crate) struct Mesos {
    folder: PathBuf,
    cgroups_root: String,
    _lock: Flock<File>,
}

impl Mesos {
    /// Starts both, with the containers' cgroups below `cgroups_root`.
    pub(crate) fn start(cgroups_root: &str) -> Result<Self, String> {
        if !host::cgroup_v1() {
            return Err(host::NEEDS_V1.to_owned());
        }
        let folder = host::mesos_lab();
        let lock = lock(&folder)?;
        // What a killed run left: nobody else can be using it now.
        lab(&folder, "stop", &[])?;
        let port = free_ports()?.to_string();
        lab(
            &folder,
            "start",
            &["--port", &port, "--cgroups-root", cgroups_root],
        )?;
        Ok(Self {
            cgroups_root: cgroups_root.to_owned(),
            folder,
            _lock: lock,
        })
    }

    pub(crate) fn cgroups_root(&self) -> &str {
        &self.cgroups_root
    }

    pub(crate) fn agent_log(&self) -> PathBuf {
        self.folder.join("run/agent.log")
    }

    /// `mesos-lab run`, ready for more arguments.
    pub(crate) fn run_command(&self) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("run").arg(&self.folder);
        command
    }

    /// Kills the agent with SIGKILL, and nothing else.
    pub(crate) fn kill_agent(&self) {
        kill(self.agent_pid(), Signal::SIGKILL).expect("the agent can be killed");
    }

    pub(crate) fn agent_pid(&self) -> Pid {
        self.pid("agent")
    }

    fn pid(&self, who: &str) -> Pid {
        let state = lab(&self.folder, "status", &[]).expect("the lab tells its state");
        let state: Value = serde_json::from_str(&state).expect("the state is JSON");
        let pid = state[who].as_i64().expect("it runs");
        Pid::from_raw(pid.try_into().expect("a process id is small"))
    }

    /// Kills the master with SIGKILL, starts it on the same state, and waits until it has its agent
    /// again.
    pub(crate) fn restart_master(&self) {
        lab(&self.folder, "restart-master", &[]).expect("the master comes back");
    }

    /// Master and agent started anew with these options of `mesos-lab start`, until the guard is
    /// dropped.
    pub(crate) fn started_with(&self, options: &[&str]) -> OtherOptions<'_> {
        self.start_anew(options).expect("Mesos starts");
        OtherOptions(self)
    }

    fn start_anew(&self, options: &[&str]) -> Result<(), String> {
        lab(&self.folder, "stop", &[])?;
        let port = free_ports()?.to_string();
        let own = ["--port", &port, "--cgroups-root", &self.cgroups_root];
        lab(&self.folder, "start", &[&own, options].concat()).map(drop)
    }

    /// What the agent says of itself and its tasks.
    pub(crate) fn agent_state(&self) -> Value {
        let status = lab(&self.folder, "status", &[]).expect("the lab tells its state");
        let status: Value = serde_json::from_str(&status).expect("the state is JSON");
        let address = status["at"]["agent"].as_str().expect("the agent has one");
        let mut stream = TcpStream::connect(address).expect("the agent listens");
        stream
            .write_all(b"GET /state HTTP/1.0\r\n\r\n")
            .expect("the agent hears");
        let mut answer = String::new();
        stream
            .read_to_string(&mut answer)
            .expect("the agent answers");
        let (_, body) = answer.split_once("\r\n\r\n").expect("there is a body");
        serde_json::from_str(body).expect("the state is JSON")
    }

    /// Kills the agent with SIGKILL if it lives, starts it on the same state, and waits until the
    /// master has it again.
    pub(crate) fn restart_agent(&self) {
        lab(&self.folder, "restart-agent", &[]).expect("the agent comes back");
    }

    /// Shuts both down; the lab takes away its cgroups, and all that lives in them.
    pub(crate) fn stop(&self) -> Result<(), String> {
        lab(&self.folder, "stop", &[]).map(drop)
    }
}

/// While it lives, Mesos runs with other options than usual.
#[derive(Debug)]
pub(crate) struct OtherOptions<'lab>(&'lab Mesos);

impl Drop for OtherOptions<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.0.start_anew(&[]) {
            eprintln!("Mesos does not start as usual again: {error}");
        }
    }
}

fn lock(folder: &Path) -> Result<Flock<File>, String> {
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = folder.join("lock");
    let file = File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, _)| {
        let folder = folder.display();
        format!(
            "{folder} is in use by another run of the tests or the demo; MESOS_LAB names another"
        )
    })
}

fn lab(folder: &Path, word: &str, options: &[&str]) -> Result<String, String> {
    let output = Command::new(PROGRAM)
        .arg(word)
        .arg(folder)
        .args(options)
        .output()
        .map_err(|error| format!("{PROGRAM}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("mesos-lab {word}: {}", errors.trim()))
}

/// A port that is free, and so is the next: the master's and the agent's.
fn free_ports() -> Result<u16, String> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
        let port = first
            .local_addr()
            .map_err(|error| error.to_string())?
            .port();
        let next = port.checked_add(1);
        if next.is_some_and(|next| TcpListener::bind(("127.0.0.1", next)).is_ok()) {
            return Ok(port);
        }
    }
    Err("no two free ports in a row".to_owned())
}
