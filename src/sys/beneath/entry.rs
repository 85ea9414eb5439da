//! What was found by a name: looked at through its descriptor, and opened only then.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::{AtFlags, OFlag};
use nix::sys::stat::{FileStat, SFlag, fstat};
use nix::unistd::{AccessFlags, faccessat};

use super::super::identity::Identity;
use super::{Error, acting};

/// Something beneath a [`Folder`](super::Folder), found but not opened: it can be looked at and bound to
/// another place, not read.
#[derive(Debug)]
pub struct Entry {
    pub(super) fd: OwnedFd,
    pub(super) path: PathBuf,
    pub(super) stat: FileStat,
    pub(super) identity: Option<Identity>,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Fifo,
    Socket,
    Device,
    Symlink,
}

impl Kind {
    pub(super) fn of(stat: &FileStat) -> Self {
        match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
            SFlag::S_IFREG => Self::File,
            SFlag::S_IFDIR => Self::Folder,
            SFlag::S_IFIFO => Self::Fifo,
            SFlag::S_IFSOCK => Self::Socket,
            SFlag::S_IFLNK => Self::Symlink,
            _ => Self::Device,
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::File => "a file",
            Self::Folder => "a folder",
            Self::Fifo => "a FIFO",
            Self::Socket => "a socket",
            Self::Device => "a device",
            Self::Symlink => "a symbolic link",
        })
    }
}

impl Entry {
    /// Finds what a path stands for whose owner may name anything: links are followed.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::Open {
            path: path.to_owned(),
            source,
        };
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_PATH.bits())
            .open(path)
            .map_err(failed)?;
        let fd = OwnedFd::from(file);
        let stat = fstat(&fd).map_err(|errno| failed(errno.into()))?;
        Ok(Self {
            fd,
            path: path.to_owned(),
            stat,
            identity: None,
        })
    }

    pub fn kind(&self) -> Kind {
        Kind::of(&self.stat)
    }

    /// User and group that own it.
    pub fn owner(&self) -> (u32, u32) {
        (self.stat.st_uid, self.stat.st_gid)
    }

    /// Permission bits, with those for set-user-id and the like.
    pub fn mode(&self) -> u32 {
        self.stat.st_mode & 0o7777
    }

    /// Opens it as a regular file with one name. `how` must not create: it is there.
    pub(super) fn file(&self, how: &OpenOptions) -> Result<File, Error> {
        if self.kind() == Kind::File {
            self.refuse_hard_links()?;
        }
        self.open_regular(how)
    }

    fn refuse_hard_links(&self) -> Result<(), Error> {
        #[allow(clippy::useless_conversion, reason = "a u32 on some architectures")]
        let links = u64::from(self.stat.st_nlink);
        if links > 1 {
            return Err(Error::HardLinked {
                path: self.path.clone(),
                links,
            });
        }
        Ok(())
    }

    fn open_regular(&self, how: &OpenOptions) -> Result<File, Error> {
        let kind = self.kind();
        if kind != Kind::File {
            return Err(Error::NotRegular {
                path: self.path.clone(),
                kind,
            });
        }
        // The way back from a descriptor that only names a file to one that opens it. It can't
        // become another file on the way.
        let path = format!("/proc/self/fd/{}", self.fd.as_raw_fd());
        let opened = match self.identity {
            Some(identity) => identity.act(|| how.open(path)).and_then(|opened| opened),
            None => how.open(path),
        };
        opened.map_err(|source| Error::Open {
            path: self.path.clone(),
            source,
        })
    }

    /// Refuses what a container is not to get at in the user's name: what he can't read himself,
    /// or not write where it is to be written; files that may be someone else's; and what is
    /// neither a file nor a folder.
    pub fn check_bindable(&self, writable: bool) -> Result<(), Error> {
        match self.kind() {
            Kind::File => self.refuse_hard_links()?,
            Kind::Folder => {}
            kind => {
                return Err(Error::NotRegular {
                    path: self.path.clone(),
                    kind,
                });
            }
        }
        let Some(identity) = self.identity else {
            return Ok(());
        };
        // Its owner could give himself the right.
        let own = self.stat.st_uid == identity.uid;
        let mut wanted = AccessFlags::R_OK;
        wanted.set(AccessFlags::X_OK, self.kind() == Kind::Folder);
        wanted.set(AccessFlags::W_OK, writable && !own);
        let flags = AtFlags::AT_EMPTY_PATH | AtFlags::AT_EACCESS;
        acting(Some(identity), || faccessat(&self.fd, c"", wanted, flags)).map_err(|errno| {
            Error::Open {
                path: self.path.clone(),
                source: errno.into(),
            }
        })
    }
}

impl AsFd for Entry {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Reads a regular file of `limit` bytes at most, by a path whose owner may name anything.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let entry = Entry::open(path)?;
    bounded(
        entry.open_regular(OpenOptions::new().read(true))?,
        path,
        limit,
    )
}

/// The size that fstat tells may be wrong by the time of reading: so count.
pub(super) fn bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut content = Vec::new();
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|source| Error::Open {
            path: path.to_owned(),
            source,
        })?;
    if content.len() as u64 > limit {
        return Err(Error::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(content)
}
