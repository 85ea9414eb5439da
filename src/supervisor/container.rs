//! One container: its task made, started, and how it ended.

use std::path::PathBuf;

use crate::containerd::{
    Client, ContainerRecord, Labels, Mount, NewTask, RpcError, Runtime, SnapshotKey, Stdio,
};
use crate::oci::{self, Spec};
use crate::pod::plan::Signal;

use super::report::{Exit, ServiceState};

/// What containerd is told to make a container of.
#[derive(Clone, Debug)]
pub(super) struct NewContainer {
    pub(super) id: String,
    pub(super) image: String,
    pub(super) labels: Labels,
    pub(super) runtime: Runtime,
    /// The runtime document, complete.
    pub(super) spec: Spec,
    /// Its root: none for pause, whose document names a folder.
    pub(super) root: Option<Root>,
    pub(super) sandbox: Option<String>,
    pub(super) stdout: Option<PathBuf>,
    pub(super) stderr: Option<PathBuf>,
    pub(super) terminal: bool,
}

/// A snapshot and where it is mounted from.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) snapshot: SnapshotKey,
    pub(super) mounts: Vec<Mount>,
}

/// Makes the container object and its task, and gives the pid of its first process, which waits to
/// be started. The document becomes text only now: in a pod of many, while others are being made.
pub(super) async fn create(client: &Client, new: NewContainer) -> Result<u32, RpcError> {
    let task = new.task();
    let record = ContainerRecord {
        id: new.id.clone(),
        image: new.image,
        labels: new.labels,
        runtime: new.runtime,
        spec: oci::to_json(&new.spec).to_string().into_bytes(),
        snapshot: new.root.map(|root| root.snapshot),
        sandbox: new.sandbox,
        created_at: None,
    };
    client.containers().create(record).await?;
    client.tasks().create(task).await
}

impl NewContainer {
    /// Its task, which can be made again once it has ended.
    pub(super) fn task(&self) -> NewTask {
        NewTask {
            container: self.id.clone(),
            rootfs: self
                .root
                .as_ref()
                .map(|root| root.mounts.clone())
                .unwrap_or_default(),
            stdio: Stdio {
                stdin: None,
                stdout: self.stdout.clone(),
                stderr: self.stderr.clone(),
                terminal: self.terminal,
            },
        }
    }
}

/// A container of the pod, once it has been made.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: String,
    pub(super) pid: u32,
    pub(super) state: ServiceState,
    /// What it is asked to stop with.
    pub(super) stop_signal: Signal,
    /// It was killed because it outlived its grace.
    pub(super) forced: bool,
    /// What its cgroup counted when this run of it began.
    pub(super) oom_kills_before: u64,
}

impl Running {
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, ServiceState::Exited(_))
    }

    pub(super) fn ended(&mut self, exit: Exit) {
        self.state = ServiceState::Exited(exit);
    }

    /// It was started. It may have ended, and its end been told, before the answer came.
    pub(super) fn started(&mut self) {
        if self.is_alive() {
            self.state = ServiceState::Running;
        }
    }

    /// It has a new process, which waits to be started.
    pub(super) fn made_again(&mut self, pid: u32, oom_kills: u64) {
        self.pid = pid;
        self.state = ServiceState::NotStarted;
        self.oom_kills_before = oom_kills;
    }
}
