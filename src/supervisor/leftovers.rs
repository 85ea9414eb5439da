//! containerd as cleanup sees it: what a dead pod left there, asked for and removed.

use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use crate::containerd::{
    Client, ConnectError, Filter, Labels, LeaseId, Namespace, Process, Resource, RpcError,
    SnapshotKey,
};
use crate::journal::cleanup::{Connect, Marked, Object, Runtime};

const MARK: &str = "compose-executor/root";
const POD: &str = "compose-executor/pod";
/// How long a task may take to end once it was killed.
const KILLED: Duration = Duration::from_secs(10);
const KILL: u32 = 9;

/// The way to the containerd that a pod was made in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Leftovers;

/// What is there in its namespace.
#[derive(Clone, Debug)]
pub struct NamespaceLeftovers(Client);

/// Why nothing can be looked for.
#[derive(Debug, thiserror::Error)]
pub enum LeftoversError {
    #[error("the pod's record names no namespace of containerd's: \"{0}\"")]
    Namespace(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
}

impl Connect for Leftovers {
    type Runtime = NamespaceLeftovers;
    type Error = LeftoversError;

    async fn connect(
        &self,
        socket: &Path,
        namespace: &str,
    ) -> Result<NamespaceLeftovers, LeftoversError> {
        let namespace = Namespace::from_str(namespace)
            .map_err(|_| LeftoversError::Namespace(namespace.to_owned()))?;
        Ok(NamespaceLeftovers(
            Client::connect(socket, namespace).await?,
        ))
    }
}

impl Runtime for NamespaceLeftovers {
    type Error = RpcError;

    async fn exists(&self, object: &Object) -> Result<bool, RpcError> {
        let client = &self.0;
        Ok(match object {
            Object::Task(id) => client.tasks().get(Process::init(id)).await?.is_some(),
            Object::Container(id) => client.containers().get(id).await?.is_some(),
            Object::Snapshot { snapshotter, key } => {
                client.snapshots(snapshotter).stat(key).await?.is_some()
            }
            Object::Sandbox(id) => {
                client.server().has_sandboxes() && client.sandboxes().list(&[]).await?.contains(id)
            }
            Object::Image(name) => client.images().get(name).await?.is_some(),
            Object::Lease(id) => {
                let leases = client.leases().list(&[]).await?;
                leases.iter().any(|lease| lease.id == *id)
            }
        })
    }

    async fn remove(&self, object: &Object) -> Result<(), RpcError> {
        let client = &self.0;
        match object {
            Object::Task(id) => self.remove_task(id).await,
            Object::Container(id) => client.containers().delete(id).await,
            Object::Snapshot { snapshotter, key } => {
                client.snapshots(snapshotter).remove(key).await
            }
            Object::Sandbox(id) => client.sandboxes().delete(id).await,
            Object::Image(name) => client.images().delete(name).await,
            Object::Lease(id) => self.remove_lease(id).await,
        }
    }

    /// What each container has beside itself is found through it: tasks and snapshots carry no
    /// label.
    async fn marked(&self, mark: &str) -> Result<Vec<Marked>, RpcError> {
        let client = &self.0;
        let filter = [Filter::label(MARK, mark)];
        let containers = client.containers().list(&filter).await?;
        let leases = client.leases().list(&filter).await?;
        let images = client.images().list(&filter).await?;
        let mut marked = Vec::new();
        let mut add = |labels: &Labels, object| {
            let pod = labels.get(POD).cloned().unwrap_or_default();
            marked.push(Marked { object, pod });
        };
        for it in &containers {
            add(&it.labels, Object::Task(it.id.clone()));
        }
        for it in &containers {
            add(&it.labels, Object::Container(it.id.clone()));
        }
        for it in &containers {
            if let Some(SnapshotKey { snapshotter, key }) = it.snapshot.clone() {
                add(&it.labels, Object::Snapshot { snapshotter, key });
            }
        }
        for image in images {
            add(&image.labels, Object::Image(image.name));
        }
        for lease in leases {
            add(&lease.labels, Object::Lease(lease.id));
        }
        Ok(marked)
    }
}

impl NamespaceLeftovers {
    async fn remove_task(&self, id: &str) -> Result<(), RpcError> {
        let (tasks, process) = (self.0.tasks(), Process::init(id));
        tasks.kill(process, KILL).await?;
        match tasks.wait(process, KILLED).await {
            Err(error) if error.is_not_found() => return Ok(()),
            result => result?,
        };
        tasks.delete(process).await.map(drop)
    }

    /// Deleting a lease has containerd collect what it alone held; but not blobs that are half
    /// written in the moment.
    async fn remove_lease(&self, id: &str) -> Result<(), RpcError> {
        let client = &self.0;
        let Ok(lease) = LeaseId::from_str(id) else {
            return Ok(()); // No lease can have such a name.
        };
        match client.leases().resources(&lease).await {
            Err(error) if error.is_not_found() => return Ok(()),
            resources => {
                for resource in resources? {
                    if let Resource::Ingest(reference) = resource {
                        client.content().abort(&reference).await?;
                    }
                }
            }
        }
        client.content().abort_ingests(&format!("{id}/")).await?;
        client.leases().delete(&lease).await
    }
}
