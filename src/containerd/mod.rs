//! A typed client of containerd's gRPC API: the only folder that knows the bindings.
//!
//! A [`Client`] is cheap to clone and carries what every call needs: the namespace, the lease that
//! holds what the call makes, and a deadline. Calls are grouped as containerd groups its services:
//! `client.tasks().start(…)`, `client.snapshots("overlayfs").prepare(…)`.
//!
//! Four promises hold throughout. No call waits without an end. One that the server could not do just
//! now is made again, thrice at most. Deleting what is not there is success. Nothing of the bindings shows: records, errors and events are plain types of this
//! folder, with digests and ids as containerd writes them.

mod client;
mod connector;
mod containers;
mod content;
mod diff;
mod error;
mod events;
mod filter;
mod images;
mod ingest;
mod leases;
mod name;
mod namespaces;
mod patience;
mod process;
mod runtime;
mod sandboxes;
mod server;
mod snapshots;
mod tasks;
mod timestamp;

pub use client::{Client, Deadlines};
pub use containers::{ContainerRecord, Containers, SnapshotKey};
pub use content::{BlobInfo, Content, Descriptor, IngestStatus};
pub use diff::Diffs;
pub use error::{Code, ConnectError, RpcError};
pub use events::{Event, EventStream, Events, TaskExit, Topic};
pub use filter::Filter;
pub use images::{ImageRecord, Images};
pub use ingest::{Ingest, Writer};
pub use leases::{LeaseRecord, Leases, Resource};
pub use name::{InvalidName, LeaseId, Namespace};
pub use namespaces::Namespaces;
pub use process::{Exit, NewTask, Process, Signalled, Stdio, Task, TaskStatus};
pub use runtime::{Runtime, RuntimeOptions};
pub use sandboxes::Sandboxes;
pub use server::Server;
pub use snapshots::{Mount, SnapshotInfo, SnapshotKind, Snapshots};
pub use tasks::Tasks;
pub use timestamp::{parse_rfc3339, rfc3339};

/// Labels of an object, in order so that what is sent and shown is always the same.
pub type Labels = std::collections::BTreeMap<String, String>;
