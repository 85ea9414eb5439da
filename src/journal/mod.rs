//! What was made for each pod, who is at it, and the cleanup of what dead owners left.
//!
//! The order is lock, record, effect. A pod's owner takes its lock in `--state` and holds it for
//! life; writes its record in `--root`, to the disk; and only then makes the first thing. So
//! whatever is on the host is in a record, and a record whose lock is free has no owner any more:
//! the kernel lets a lock go with its holder, however that ends, and no process number has to be
//! trusted for it. [`cleanup`] takes away what such a record names.
//!
//! Names are decided before anything is made, so the record alone leads to nearly all. The journal
//! beside it adds what could not be known so early.

pub mod cleanup;
mod ended;
mod folders;
mod lock;
mod record;
mod step;
mod view;
mod writer;

pub use ended::{End, EndedPod};
pub use folders::{Folders, FoldersError};
pub use lock::{LockError, PodLock};
#[cfg(test)]
pub(crate) use record::example as example_record;
pub use record::{
    CgroupRecord, ContainerdRecord, Maker, MesosRecord, Owner, ReadError, Record, SCHEMA,
    ServiceRecord, Stored,
};
pub use step::{Entry, State, Step};
pub use view::{HealthView, PodView, ServiceView};
pub use writer::{Journal, JournalError};
