//! One container: its task made, started, signalled, and how it ended.

use std::path::PathBuf;

use crate::containerd::{
    Client, ContainerRecord, Labels, Mount, NewTask, Process, RpcError, Runtime, Signalled,
    SnapshotKey, Stdio,
};
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
    pub(super) spec: Vec<u8>,
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
/// be started.
pub(super) async fn create(client: &Client, new: NewContainer) -> Result<u32, RpcError> {
    let (snapshot, rootfs) = match new.root {
        Some(root) => (Some(root.snapshot), root.mounts),
        None => (None, Vec::new()),
    };
    let record = ContainerRecord {
        id: new.id.clone(),
        image: new.image,
        labels: new.labels,
        runtime: new.runtime,
        spec: new.spec,
        snapshot,
        sandbox: new.sandbox,
        created_at: None,
    };
    client.containers().create(record).await?;
    let stdio = Stdio {
        stdin: None,
        stdout: new.stdout,
        stderr: new.stderr,
        terminal: new.terminal,
    };
    client
        .tasks()
        .create(NewTask {
            container: new.id,
            rootfs,
            stdio,
        })
        .await
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
}

impl Running {
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, ServiceState::Exited(_))
    }

    pub(super) fn ended(&mut self, exit: Exit) {
        self.state = ServiceState::Exited(exit);
    }

    pub(super) async fn start(&mut self, client: &Client) -> Result<(), RpcError> {
        client.tasks().start(Process::init(&self.id)).await?;
        // It may have ended, and its end been told, before the answer came.
        if self.is_alive() {
            self.state = ServiceState::Running;
        }
        Ok(())
    }

    pub(super) async fn signal(
        &self,
        client: &Client,
        signal: Signal,
    ) -> Result<Signalled, RpcError> {
        client
            .tasks()
            .kill(Process::init(&self.id), signal.0.unsigned_abs())
            .await
    }
}
