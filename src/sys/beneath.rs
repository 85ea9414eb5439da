//! Files opened beneath a folder whose content others may write, so that no name leads out of it.
//!
//! A task's sandbox is its user's: a name in it may be a link to `/etc/shadow`, a device, a FIFO
//! that nobody writes to, or may become one between a check and its use. So a name is resolved by
//! the kernel (openat2(2)), once; what was found is looked at through its descriptor, and opened
//! for reading or writing only then.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2, readlinkat, renameat};
use nix::libc;
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, mkdirat};
use nix::unistd::{AccessFlags, UnlinkatFlags, faccessat, unlinkat};

use super::identity::Identity;

/// As many links as the kernel follows: `path_resolution(7)`.
const LINKS_MAX: usize = 40;

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
    fn of(stat: &FileStat) -> Self {
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

/// Something beneath a [`Folder`], found but not opened: it can be looked at and bound to
/// another place, not read.
#[derive(Debug)]
pub struct Entry {
    fd: OwnedFd,
    path: PathBuf,
    stat: FileStat,
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
fn bounded(file: File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
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
    fn file(&self, how: &OpenOptions) -> Result<File, Error> {
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

impl Error {
    /// The same about the whole path, where a part of it was tried.
    fn at(mut self, whole: &Path) -> Self {
        let (Self::Outside { path, .. }
        | Self::Symlink { path }
        | Self::NotRegular { path, .. }
        | Self::NotFolder { path }
        | Self::HardLinked { path, .. }
        | Self::TooLarge { path, .. }
        | Self::Open { path, .. }) = &mut self;
        whole.clone_into(path);
        self
    }
}

#[cfg(test)]
mod tests;
