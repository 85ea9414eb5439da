//! The loader's files in an executor: beneath the sandbox, and nowhere else.

use std::path::Path;

use crate::compose::files::{FileError, FileKind, Files};
use crate::sys::beneath::{Error, Folder, Kind};

/// Reads what a task's Compose file names, as long as it is in the sandbox and reached without a
/// link.
#[derive(Debug)]
pub(super) struct SandboxFiles {
    sandbox: Folder,
    limit: u64,
}

impl SandboxFiles {
    /// `limit` bounds the bytes of each file.
    pub(super) fn new(sandbox: Folder, limit: u64) -> Self {
        Self { sandbox, limit }
    }
}

impl Files for SandboxFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        self.sandbox
            .read(path, self.limit)
            .map_err(|error| match error {
                _ if error.is_not_found() => FileError::NotFound {
                    path: path.to_owned(),
                },
                Error::Outside { path, folder } => FileError::Outside { path, root: folder },
                Error::NotRegular { path, .. } => FileError::NotAFile { path },
                Error::TooLarge { path, limit } => FileError::TooLarge { path, limit },
                Error::Open { path, source } => FileError::Io { path, source },
                error => FileError::Io {
                    path: path.to_owned(),
                    source: std::io::Error::other(error),
                },
            })
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        match self.sandbox.entry(path).ok()?.kind() {
            Kind::File => Some(FileKind::File),
            Kind::Folder => Some(FileKind::Directory),
            _ => Some(FileKind::Other),
        }
    }
}
