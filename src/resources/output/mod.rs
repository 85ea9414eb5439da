//! A sum in print.

mod amounts;
mod aurora;
mod json;
mod marathon;
mod table;

use std::path::PathBuf;

pub use aurora::aurora;
pub use json::{SCHEMA, json};
pub use marathon::marathon;
pub use table::table;

/// What a job definition says beside its resources: how the agent comes to the executor and to the
/// pod's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The executor's path on the agents.
    pub executor: String,
    /// What Mesos' fetcher brings into the sandbox: archives with the Compose files.
    pub fetch: Vec<String>,
    /// The Compose files, as they are called in the sandbox; none: the executor finds them.
    pub files: Vec<PathBuf>,
    pub profiles: Vec<String>,
}
