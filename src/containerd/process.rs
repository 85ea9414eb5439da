//! Processes: what is said of them, and what they are made of.

use std::path::PathBuf;
use std::time::SystemTime;

use containerd_client::types::v1::{Process as Message, Status};

use super::snapshots::Mount;
use super::timestamp::time;

/// A process that containerd knows: a container's first, or one started in it later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process<'a> {
    pub(super) container: &'a str,
    /// Empty for the container's own process, as containerd has it.
    pub(super) exec: &'a str,
}

impl<'a> Process<'a> {
    /// The container's own process.
    pub fn init(container: &'a str) -> Self {
        Self {
            container,
            exec: "",
        }
    }

    /// A process started by [`Tasks::exec`](super::Tasks::exec).
    pub fn exec(container: &'a str, exec: &'a str) -> Self {
        Self { container, exec }
    }

    pub(super) fn subject(self) -> String {
        match self.exec {
            "" => self.container.to_owned(),
            exec => format!("{} in {}", exec, self.container),
        }
    }
}

/// Where a process's streams go: paths of FIFOs or of existing files. None is `/dev/null`.
///
/// A plain file is appended to; a FIFO is read and written by the shim, which holds both ends, so
/// that its other end may come and go.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stdio {
    pub stdin: Option<PathBuf>,
    pub stdout: Option<PathBuf>,
    /// Must be none with a terminal, which has one stream.
    pub stderr: Option<PathBuf>,
    pub terminal: bool,
}

/// A task to be made of a container object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewTask {
    pub container: String,
    /// What is mounted at the bundle's `rootfs`; empty where the document names a root of its own.
    pub rootfs: Vec<Mount>,
    pub stdio: Stdio,
}

/// Where a process is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    Created,
    Running,
    Stopped,
    Paused,
    Pausing,
    Unknown,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its exit status, or 128 and the signal. 137 is also what containerd puts where it does not
    /// know, as after the death of a shim.
    pub status: u32,
    pub at: Option<SystemTime>,
}

/// A process as containerd lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    pub container: String,
    /// 0 if there is none any more.
    pub pid: u32,
    pub status: TaskStatus,
    /// Once it has stopped.
    pub exit: Option<Exit>,
}

/// What a signal met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signalled {
    /// runc 1.3 says so of an ended container too, if that had no PID namespace of its own.
    Sent,
    /// The process had ended, or never was.
    Gone,
}

impl From<Message> for Task {
    fn from(message: Message) -> Self {
        let status = match message.status() {
            Status::Created => TaskStatus::Created,
            Status::Running => TaskStatus::Running,
            Status::Stopped => TaskStatus::Stopped,
            Status::Paused => TaskStatus::Paused,
            Status::Pausing => TaskStatus::Pausing,
            Status::Unknown => TaskStatus::Unknown,
        };
        let exit = (status == TaskStatus::Stopped).then(|| Exit {
            status: message.exit_status,
            at: time(message.exited_at),
        });
        Self {
            container: message.id,
            pid: message.pid,
            status,
            exit,
        }
    }
}
