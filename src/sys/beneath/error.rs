//! Why a name could not be opened.

use std::io;
use std::path::{Path, PathBuf};

use super::Kind;

/// Why a name could not be opened. Each names the path as it was given.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} leads out of {}", path.display(), folder.display())]
    Outside { path: PathBuf, folder: PathBuf },
    #[error("{} is or goes through a symbolic link", path.display())]
    Symlink { path: PathBuf },
    #[error("{} is {kind}, not a regular file", path.display())]
    NotRegular { path: PathBuf, kind: Kind },
    #[error("{} is not a folder", path.display())]
    NotFolder { path: PathBuf },
    #[error("{} has {links} names (hard links), and may be someone else's file", path.display())]
    HardLinked { path: PathBuf, links: u64 },
    #[error("{} has the kernel's own files in it, mounted at {}", path.display(), point.display())]
    Kernels { path: PathBuf, point: PathBuf },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("cannot open {}", path.display())]
    Open {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// Whether the name does not exist.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Open { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// For interfaces that speak of `io::Error`: what is not there is still told from what is refused.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Open { source, .. } => source.kind(),
            _ => io::ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}

impl Error {
    /// The same about the whole path, where a part of it was tried.
    pub(super) fn at(mut self, whole: &Path) -> Self {
        let (Self::Outside { path, .. }
        | Self::Symlink { path }
        | Self::NotRegular { path, .. }
        | Self::NotFolder { path }
        | Self::HardLinked { path, .. }
        | Self::Kernels { path, .. }
        | Self::TooLarge { path, .. }
        | Self::Open { path, .. }) = &mut self;
        whole.clone_into(path);
        self
    }
}
