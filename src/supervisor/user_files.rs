//! The user's own files: archives of images, configs and secrets, and what is bound into
//! containers.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::sys::beneath::{self, Entry, Folder};

/// The permissions of a folder that is made because it was missing, as Docker makes it.
const FOLDER_MODE: u32 = 0o755;

/// Where a pod's user may name files.
#[derive(Debug)]
pub enum UserFiles {
    /// Beneath a task's sandbox: no name leads out, no link is followed, and nothing is opened that
    /// the sandbox's owner could not open. What is bound may also be beneath the places of the
    /// host's that the operator has opened; nothing is made there.
    Sandbox {
        /// For what is ours in it.
        own: Folder,
        /// With its owner's rights.
        users: Folder,
        opened: Vec<PathBuf>,
    },
    /// What the user who types `up` can open.
    Anywhere,
}

impl UserFiles {
    /// Files of a sandbox, and of the places that the operator has opened.
    pub fn beneath(sandbox: Folder, opened: Vec<PathBuf>) -> Result<Self, beneath::Error> {
        let users = sandbox.folder(Path::new("."))?.with_owners_rights()?;
        Ok(Self::Sandbox {
            own: sandbox,
            users,
            opened,
        })
    }

    /// Opens a regular file for reading.
    pub(super) fn file(&self, path: &Path) -> Result<File, beneath::Error> {
        match self {
            Self::Sandbox { users, .. } => users.file(path),
            Self::Anywhere => File::open(path).map_err(|source| beneath::Error::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    /// Reads a regular file of `limit` bytes at most.
    pub(super) fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, beneath::Error> {
        match self {
            Self::Sandbox { users, .. } => users.read(path, limit),
            Self::Anywhere => beneath::read(path, limit),
        }
    }

    /// Opens a folder.
    pub(super) fn folder(&self, path: &Path) -> Result<Folder, beneath::Error> {
        match self {
            Self::Sandbox { users, .. } => users.folder(path),
            Self::Anywhere => Folder::open(path),
        }
    }

    /// Finds a file or folder.
    pub(super) fn entry(&self, path: &Path) -> Result<Entry, beneath::Error> {
        match self {
            Self::Sandbox { users, opened, .. } => {
                let place = opened.iter().find(|place| path.starts_with(place));
                match place.filter(|_| !path.starts_with(users.path())) {
                    // Neither is the last part of its path to be a link.
                    Some(place) if path == place => {
                        Folder::open(place.parent().unwrap_or(place))?.entry(path)
                    }
                    Some(place) => Folder::open(place)?.entry(path),
                    None => users.entry(path),
                }
            }
            Self::Anywhere => Entry::open(path),
        }
    }

    /// Finds a file or folder that a container is to have, to write in it or not; a folder is made
    /// where nothing is and `create` says so.
    pub(super) fn bound(
        &self,
        path: &Path,
        create: bool,
        writable: bool,
    ) -> Result<Entry, beneath::Error> {
        let entry = match self.entry(path) {
            Err(error) if create && error.is_not_found() => {
                match self {
                    Self::Sandbox { users, .. } if !path.starts_with(users.path()) => {
                        return Err(error);
                    }
                    Self::Sandbox { users, .. } => {
                        users.create_folder(path, FOLDER_MODE)?;
                    }
                    Self::Anywhere => make_anywhere(path)?,
                }
                self.entry(path)
            }
            found => found,
        }?;
        if let Self::Sandbox { users, .. } = self
            && path.starts_with(users.path())
        {
            entry.check_bindable(writable)?;
        }
        Ok(entry)
    }

    /// Makes a folder of ours, and those above it, where they are missing, and opens it.
    pub(super) fn own_folder(&self, path: &Path) -> Result<Folder, beneath::Error> {
        match self {
            Self::Sandbox { own, .. } => own.create_folder(path, FOLDER_MODE),
            Self::Anywhere => {
                make_anywhere(path)?;
                Folder::open(path)
            }
        }
    }
}

fn make_anywhere(path: &Path) -> Result<(), beneath::Error> {
    std::fs::create_dir_all(path).map_err(|source| beneath::Error::Open {
        path: path.to_owned(),
        source,
    })
}
