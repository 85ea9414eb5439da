//! The user's own files: archives of images, and what is bound into containers.

use std::fs::File;
use std::path::Path;

use crate::sys::beneath::{self, Folder};

/// Where a pod's user may name files.
#[derive(Debug)]
pub enum UserFiles {
    /// Beneath a task's sandbox: no name leads out, and no link is followed.
    Sandbox(Folder),
    /// What the user who types `up` can open.
    Anywhere,
}

impl UserFiles {
    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &Path) -> Result<File, beneath::Error> {
        match self {
            Self::Sandbox(sandbox) => sandbox.file(path),
            Self::Anywhere => File::open(path).map_err(|source| beneath::Error::Open { path: path.to_owned(), source }),
        }
    }

    /// The folder that relative names of files are beneath.
    pub(super) fn folder(&self, path: &Path) -> Result<Folder, beneath::Error> {
        match self {
            Self::Sandbox(sandbox) => sandbox.folder(path),
            Self::Anywhere => Folder::open(path),
        }
    }
}
