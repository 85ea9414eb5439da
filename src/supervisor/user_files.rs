//! The user's own files: archives of images, and what is bound into containers.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::sys::beneath::{self, Entry, Folder};

/// The permissions of a folder that is made because it was missing, as Docker makes it.
const FOLDER_MODE: u32 = 0o755;

/// Where a pod's user may name files.
#[derive(Debug)]
pub enum UserFiles {
    /// Beneath a task's sandbox, where no name leads out and no link is followed. What is bound may
    /// also be beneath the places of the host's that the operator has opened; nothing is made there.
    Beneath {
        sandbox: Folder,
        opened: Vec<PathBuf>,
    },
    /// What the user who types `up` can open.
    Anywhere,
}

impl UserFiles {
    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &Path) -> Result<File, beneath::Error> {
        match self {
            Self::Beneath { sandbox, .. } => sandbox.file(path),
            Self::Anywhere => File::open(path).map_err(|source| beneath::Error::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads a regular file of `limit` bytes at most.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, beneath::Error> {
        match self {
            Self::Beneath { sandbox, .. } => sandbox.read(path, limit),
            Self::Anywhere => beneath::read(path, limit),
        }
    }

    /// Opens a folder.
    pub(super) fn folder(&self, path: &Path) -> Result<Folder, beneath::Error> {
        match self {
            Self::Beneath { sandbox, .. } => sandbox.folder(path),
            Self::Anywhere => Folder::open(path),
        }
    }

    /// Finds a file or folder; a folder is made where nothing is and `create` says so.
    pub(super) fn entry(&self, path: &Path, create: bool) -> Result<Entry, beneath::Error> {
        match self.find(path) {
            Err(error) if create && error.is_not_found() && self.may_make(path) => {
                self.make_folder(path)?;
                self.find(path)
            }
            found => found,
        }
    }

    /// Makes a folder, and those above it, where they are missing.
    pub(super) fn make_folder(&self, path: &Path) -> Result<(), beneath::Error> {
        match self {
            Self::Beneath { sandbox, .. } => sandbox.create_folder(path, FOLDER_MODE).map(drop),
            Self::Anywhere => {
                std::fs::create_dir_all(path).map_err(|source| beneath::Error::Open {
                    path: path.to_owned(),
                    source,
                })
            }
        }
    }

    fn may_make(&self, path: &Path) -> bool {
        match self {
            Self::Beneath { sandbox, .. } => path.starts_with(sandbox.path()),
            Self::Anywhere => true,
        }
    }

    fn find(&self, path: &Path) -> Result<Entry, beneath::Error> {
        match self {
            Self::Beneath { sandbox, opened } => {
                let place = opened.iter().find(|place| path.starts_with(place));
                match place.filter(|_| !path.starts_with(sandbox.path())) {
                    // Neither is the last part of its path to be a link.
                    Some(place) if path == place => {
                        Folder::open(place.parent().unwrap_or(place))?.entry(path)
                    }
                    Some(place) => Folder::open(place)?.entry(path),
                    None => sandbox.entry(path),
                }
            }
            Self::Anywhere => Entry::open(path),
        }
    }
}
