//! What cleanup needs of containerd: so little that it can be stood in for.

use std::error::Error;
use std::fmt;
use std::path::Path;

use super::report::Kind;

/// Something in containerd that is made for a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A container's processes, by the container's id.
    Task(String),
    Container(String),
    Snapshot {
        snapshotter: String,
        key: String,
    },
    Sandbox(String),
    Image(String),
    /// With all that it alone holds: content, snapshots, blobs that were being written.
    Lease(String),
}

impl Object {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::Task(_) => Kind::Task,
            Self::Container(_) => Kind::Container,
            Self::Snapshot { .. } => Kind::Snapshot,
            Self::Sandbox(_) => Kind::Sandbox,
            Self::Image(_) => Kind::Image,
            Self::Lease(_) => Kind::Lease,
        }
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Task(name)
            | Self::Container(name)
            | Self::Snapshot { key: name, .. }
            | Self::Sandbox(name)
            | Self::Image(name)
            | Self::Lease(name) => f.write_str(name),
        }
    }
}

/// An object that carries our mark, and the pod that its label names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    pub object: Object,
    pub pod: String,
}

/// A namespace of a containerd.
pub trait Runtime: Send + Sync {
    type Error: Error + Send + Sync + 'static;

    fn exists(&self, object: &Object) -> impl Future<Output = Result<bool, Self::Error>> + Send;

    /// Removes the object; a task is killed for it. One that is not there is success.
    fn remove(&self, object: &Object) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// The objects whose label `compose-executor/root` has this value, in an order in which they
    /// can be removed.
    fn marked(&self, mark: &str) -> impl Future<Output = Result<Vec<Marked>, Self::Error>> + Send;
}

/// A way to containerd: each record tells which one its pod was made in.
pub trait Connect: Sync {
    type Runtime: Runtime;
    type Error: Error + Send + Sync + 'static;

    fn connect(
        &self,
        socket: &Path,
        namespace: &str,
    ) -> impl Future<Output = Result<Self::Runtime, Self::Error>> + Send;
}
