//! What most calls on the file system have to tell when they fail.

use std::io;
use std::path::{Path, PathBuf};

/// A call on a path failed: what was tried, where, and the kernel's reason as the source.
#[derive(Debug, thiserror::Error)]
#[error("cannot {attempt} {}", path.display())]
pub struct PathError {
    /// A verb: `create`, `mount`, `read`.
    pub attempt: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

impl PathError {
    pub(crate) fn new(
        attempt: &'static str,
        path: impl AsRef<Path>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self {
            attempt,
            path: path.as_ref().to_owned(),
            source: source.into(),
        }
    }

    /// The kernel's reason.
    pub fn kind(&self) -> io::ErrorKind {
        self.source.kind()
    }
}
