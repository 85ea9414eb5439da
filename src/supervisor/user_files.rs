//! The user's own files: archives of images, configs and secrets, and what is bound into
//! containers.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::sys::beneath::{self, Entry, Folder, Kind};
use crate::sys::{PathError, mount};

/// The permissions of a folder that is made because it was missing, as Docker makes it.
const FOLDER_MODE: u32 = 0o755;

/// Where a pod's user may name files.
#[derive(Debug)]
pub enum UserFiles {
    /// Beneath a task's sandbox: no name leads out, no link is followed, and nothing is opened that
    /// the sandbox's owner could not open.
    Sandbox {
        /// For what is ours in it.
        own: Folder,
        /// With its owner's rights.
        users: Folder,
        /// Places of the host's that the operator has opened for binds; nothing is made there.
        opened: Vec<PathBuf>,
    },
    /// What the user who types `up` can open.
    Anywhere,
}

impl UserFiles {
    pub fn sandbox(sandbox: Folder, opened: Vec<PathBuf>) -> Result<Self, beneath::Error> {
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
        match (self, self.opened(path)) {
            (_, Some(place)) => within(place, path)?.folder(path),
            (Self::Sandbox { users, .. }, None) => users.folder(path),
            (Self::Anywhere, None) => Folder::open(path),
        }
    }

    /// Finds a file or folder.
    pub(super) fn entry(&self, path: &Path) -> Result<Entry, beneath::Error> {
        match (self, self.opened(path)) {
            (_, Some(place)) => within(place, path)?.entry(path),
            (Self::Sandbox { users, .. }, None) => users.entry(path),
            (Self::Anywhere, None) => Entry::open(path),
        }
    }

    /// Finds a file or folder that a container is to have, to write in it or not; none where nothing
    /// is and `create` says that a folder may be made.
    pub(super) fn bindable(
        &self,
        path: &Path,
        create: bool,
        writable: bool,
    ) -> Result<Option<Entry>, beneath::Error> {
        let opened = self.opened(path).is_some();
        let entry = match self.entry(path) {
            Err(error) if create && error.is_not_found() && !opened => return Ok(None),
            found => found?,
        };
        // What the operator has opened is open whoever owns the sandbox, sockets and FIFOs too.
        if matches!(self, Self::Sandbox { .. }) && !opened {
            entry.check_bindable(writable)?;
        }
        // No device works in what is pinned: it would be there, and nobody could open it.
        if entry.kind() == Kind::Device {
            return Err(beneath::Error::NotRegular {
                path: path.to_owned(),
                kind: Kind::Device,
            });
        }
        Ok(Some(entry))
    }

    /// The same, with the folder made.
    pub(super) fn bound(
        &self,
        path: &Path,
        create: bool,
        writable: bool,
    ) -> Result<Entry, beneath::Error> {
        if let Some(entry) = self.bindable(path, create, writable)? {
            return Ok(entry);
        }
        match self {
            Self::Sandbox { users, .. } => {
                users.create_folder(path, FOLDER_MODE)?;
            }
            Self::Anywhere => make_anywhere(path)?,
        }
        let made = self.bindable(path, false, writable)?;
        Ok(made.expect("without leave to make a folder there is something or an error"))
    }

    /// Refuses the kernel's own files, whose place on a host is not always /proc and /sys, where what
    /// the operator has opened is above them; `whole` is with what is mounted below the path.
    pub(super) fn check_kernels(&self, path: &Path, whole: bool) -> Result<(), beneath::Error> {
        let everything = Path::new("/");
        let Some(place) = self.opened(path).filter(|place| *place != everything) else {
            return Ok(());
        };
        let failed = |error: PathError| beneath::Error::Open {
            path: path.to_owned(),
            source: error.source,
        };
        let found = mount::kernels_files(path).map_err(failed)?;
        let point = match found.around {
            // An entry of its own, and all that is there.
            Some(_)
                if mount::kernels_files(place)
                    .map_err(failed)?
                    .around
                    .is_some() =>
            {
                None
            }
            Some(around) => Some(around),
            None => found.below.filter(|_| whole),
        };
        match point {
            None => Ok(()),
            Some(point) => Err(beneath::Error::Kernels {
                path: path.to_owned(),
                point,
            }),
        }
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

    /// The place that the operator has opened in which a path of the host's is.
    fn opened(&self, path: &Path) -> Option<&Path> {
        match self {
            Self::Sandbox { own, opened, .. } if !path.starts_with(own.path()) => opened
                .iter()
                .map(PathBuf::as_path)
                .find(|place| path.starts_with(place)),
            Self::Sandbox { .. } | Self::Anywhere => None,
        }
    }
}

/// What a path in a place that the operator has opened is resolved beneath. The place itself may be
/// meant: neither is the last part of the operator's own path to be a link.
fn within(place: &Path, path: &Path) -> Result<Folder, beneath::Error> {
    let above = place.parent().filter(|_| path == place);
    Folder::open(above.unwrap_or(place))
}

fn make_anywhere(path: &Path) -> Result<(), beneath::Error> {
    std::fs::create_dir_all(path).map_err(|source| beneath::Error::Open {
        path: path.to_owned(),
        source,
    })
}
