//! Files opened beneath a folder whose content others may write, so that no name leads out of it.
//!
//! A task's sandbox is its user's: a name in it may be a link to `/etc/shadow`, a device, a FIFO
//! that nobody writes to, or may become one between a check and its use. So a name is resolved by
//! the kernel (openat2(2)), once; what was found is looked at through its descriptor, and opened
//! for reading or writing only then.

mod entry;
mod error;

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2, readlinkat, renameat};
use nix::libc;
use nix::sys::stat::{Mode, fstat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::identity::Identity;
use entry::bounded;

pub use entry::{Entry, Kind, read};
pub use error::Error;

/// As many links as the kernel follows: `path_resolution(7)`.
const LINKS_MAX: usize = 40;

/// How a name is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolution {
    /// Nothing leads out, and no links at all.
    NoLinks,
    /// Links are followed as in a chroot: the folder is their root.
    AsRoot,
}

/// A folder that names are resolved beneath.
#[derive(Debug)]
pub struct Folder {
    fd: OwnedFd,
    path: PathBuf,
    resolution: Resolution,
    /// Whose rights names are resolved with; none: our own.
    identity: Option<Identity>,
}

impl Folder {
    /// Opens a folder whose own path is trusted. Links beneath it are refused.
    pub fn open(path: &Path) -> Result<Self, Error> {
        Self::with(path, Resolution::NoLinks)
    }

    /// Opens the root of an image: links beneath it are followed as in a chroot, since images are
    /// full of them (`/bin` is one).
    pub fn open_root(path: &Path) -> Result<Self, Error> {
        Self::with(path, Resolution::AsRoot)
    }

    fn with(path: &Path, resolution: Resolution) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .read(true)
            .custom_flags((OFlag::O_PATH | OFlag::O_DIRECTORY).bits())
            .open(path);
        match file {
            Ok(file) => Ok(Self {
                fd: file.into(),
                path: path.to_owned(),
                resolution,
                identity: None,
            }),
            Err(source) => Err(Error::Open {
                path: path.to_owned(),
                source,
            }),
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// From here on names are resolved, and files opened, with the rights of the folder's owner:
    /// nobody has root read for him what he can't read himself. Root's own folder stays as it is.
    pub fn with_owners_rights(mut self) -> Result<Self, Error> {
        let stat = fstat(&self.fd).map_err(|errno| self.error(Path::new("."), errno))?;
        let owner = Identity {
            uid: stat.st_uid,
            gid: stat.st_gid,
        };
        self.identity = (owner.uid != 0).then_some(owner);
        Ok(self)
    }

    /// Where `path` leads within this folder, links followed, even those that lead to nothing: an
    /// absolute path, with the folder as the root. For an image that nobody changes meanwhile.
    pub fn real_path(&self, path: &Path) -> Result<PathBuf, Error> {
        fn parts(path: &Path) -> impl Iterator<Item = PathBuf> {
            let part = |part: Component<'_>| PathBuf::from(part.as_os_str());
            let parts: Vec<_> = path.components().map(part).collect();
            parts.into_iter().rev()
        }
        let mut real = PathBuf::from("/");
        let mut rest: Vec<PathBuf> = parts(path).collect();
        let mut links = 0..LINKS_MAX;
        while let Some(part) = rest.pop() {
            match part.components().next() {
                Some(Component::RootDir) => real = PathBuf::from("/"),
                Some(Component::ParentDir) => drop(real.pop()),
                Some(Component::Normal(name)) => {
                    let next = real.join(name);
                    match self.link(&next)? {
                        Some(target) if links.next().is_some() => rest.extend(parts(&target)),
                        Some(_) => return Err(self.error(path, Errno::ELOOP)),
                        None => real = next,
                    }
                }
                _ => {}
            }
        }
        Ok(real)
    }

    /// What a link says; none of what is no link, or nothing.
    fn link(&self, path: &Path) -> Result<Option<PathBuf>, Error> {
        let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
        let fd = match self.resolve(path, flags, Mode::empty()) {
            Err(error) if error.is_not_found() => return Ok(None),
            Err(Error::NotFolder { .. }) => return Ok(None),
            fd => fd?,
        };
        let stat = fstat(&fd).map_err(|errno| self.error(path, errno))?;
        if Kind::of(&stat) != Kind::Symlink {
            return Ok(None);
        }
        let target = readlinkat(&fd, c"").map_err(|errno| self.error(path, errno))?;
        Ok(Some(target.into()))
    }

    /// Finds what `path` stands for. An absolute path must be below this folder's own; within an
    /// image's root it is taken from there.
    pub fn entry(&self, path: &Path) -> Result<Entry, Error> {
        let fd = self.resolve(path, OFlag::O_PATH, Mode::empty())?;
        let stat = fstat(&fd).map_err(|errno| self.error(path, errno))?;
        Ok(Entry {
            fd,
            path: path.to_owned(),
            stat,
            identity: self.identity,
        })
    }

    /// Opens a folder beneath this one.
    pub fn folder(&self, path: &Path) -> Result<Self, Error> {
        let fd = self.resolve(path, OFlag::O_PATH | OFlag::O_DIRECTORY, Mode::empty())?;
        Ok(Self {
            fd,
            path: self.path.join(path),
            resolution: self.resolution,
            identity: self.identity,
        })
    }

    /// Opens a regular file with one name for reading.
    pub fn file(&self, path: &Path) -> Result<File, Error> {
        self.entry(path)?.file(OpenOptions::new().read(true))
    }

    /// Reads a regular file with one name, of `limit` bytes at most.
    pub fn read(&self, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        bounded(self.file(path)?, path, limit)
    }

    /// Makes a file, or empties the one that is there, and opens it for writing.
    pub fn create(&self, path: &Path, mode: u32) -> Result<File, Error> {
        self.make(path, mode, OpenOptions::new().write(true).truncate(true))
    }

    /// Makes a file where there is none, and opens it for writing at its end.
    pub fn append(&self, path: &Path, mode: u32) -> Result<File, Error> {
        self.make(path, mode, OpenOptions::new().append(true))
    }

    fn make(&self, path: &Path, mode: u32, existing: &OpenOptions) -> Result<File, Error> {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_APPEND;
        match self.resolve(path, flags, Mode::from_bits_truncate(mode)) {
            Ok(fd) => Ok(fd.into()),
            Err(Error::Open { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {
                self.entry(path)?.file(existing)
            }
            Err(error) => Err(error),
        }
    }

    /// Makes a folder and those it is in, where they are missing, and opens it.
    pub fn create_folder(&self, path: &Path, mode: u32) -> Result<Self, Error> {
        let mut current = self.folder(Path::new("."))?;
        for component in self.beneath(path)?.components() {
            let name = match component {
                Component::Normal(name) => Path::new(name),
                Component::CurDir => continue,
                _ => return Err(self.error(path, Errno::EXDEV)),
            };
            let next = match current.folder(name) {
                Err(error) if error.is_not_found() => {
                    let mode = Mode::from_bits_truncate(mode);
                    match acting(self.identity, || mkdirat(&current.fd, name, mode)) {
                        Ok(()) | Err(Errno::EEXIST) => current.folder(name),
                        Err(errno) => Err(self.error(path, errno)),
                    }
                }
                found => found,
            };
            current = next.map_err(|error| error.at(path))?;
        }
        current.path = self.path.join(path);
        Ok(current)
    }

    /// Gives something directly in this folder another name in it, over what has that name. Nothing
    /// there is success. Neither is opened, so links are moved, not followed.
    pub fn rename(&self, from: &Path, to: &Path) -> Result<(), Error> {
        let (old, new) = (self.own(from)?, self.own(to)?);
        match renameat(&self.fd, old, &self.fd, new) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.error(from, errno)),
        }
    }

    /// Removes a file or link directly in this folder. Nothing there is success.
    pub fn remove(&self, name: &Path) -> Result<(), Error> {
        match unlinkat(&self.fd, self.own(name)?, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(errno) => Err(self.error(name, errno)),
        }
    }

    /// A name that is in this folder itself.
    fn own<'a>(&self, name: &'a Path) -> Result<&'a Path, Error> {
        let mut components = name.components();
        match (components.next(), components.next()) {
            (Some(Component::Normal(_)), None) => Ok(name),
            _ => Err(self.error(name, Errno::EXDEV)),
        }
    }

    fn beneath<'a>(&self, path: &'a Path) -> Result<&'a Path, Error> {
        match self.resolution {
            Resolution::NoLinks if path.is_absolute() => path
                .strip_prefix(&self.path)
                .map_err(|_| self.error(path, Errno::EXDEV)),
            _ => Ok(path),
        }
        .map(|rest| {
            if rest.as_os_str().is_empty() {
                Path::new(OsStr::new("."))
            } else {
                rest
            }
        })
    }

    fn resolve(&self, path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Error> {
        let resolve = ResolveFlag::RESOLVE_NO_MAGICLINKS
            | match self.resolution {
                Resolution::NoLinks => {
                    ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS
                }
                Resolution::AsRoot => ResolveFlag::RESOLVE_IN_ROOT,
            };
        let beneath = self.beneath(path)?;
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .mode(mode)
            .resolve(resolve);
        // With `..` in the path the kernel gives up when something was renamed meanwhile, and
        // asks to be called again. A user who does nothing but rename must not keep us here.
        let mut tries = 0..64;
        loop {
            match acting(self.identity, || openat2(&self.fd, beneath, how)) {
                Err(Errno::EAGAIN | Errno::EINTR) if tries.next().is_some() => {}
                result => return result.map_err(|errno| self.error(path, errno)),
            }
        }
    }

    fn error(&self, path: &Path, errno: Errno) -> Error {
        let path = path.to_owned();
        match errno {
            Errno::EXDEV => Error::Outside {
                path,
                folder: self.path.clone(),
            },
            Errno::ELOOP => Error::Symlink { path },
            Errno::ENOTDIR => Error::NotFolder { path },
            errno => Error::Open {
                path,
                source: errno.into(),
            },
        }
    }
}

/// Calls the kernel with another's rights, where one is given.
fn acting<T: Send>(
    identity: Option<Identity>,
    call: impl FnOnce() -> nix::Result<T> + Send,
) -> nix::Result<T> {
    match identity {
        None => call(),
        Some(identity) => match identity.act(call) {
            Ok(result) => result,
            Err(error) => Err(Errno::from_raw(error.raw_os_error().unwrap_or(libc::EPERM))),
        },
    }
}

impl AsFd for Folder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests;
