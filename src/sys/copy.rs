//! A folder's content copied into another, with owners and modes: what an image has at the place of
//! a new volume.
//!
//! Both sides may be in the hands of others: the image's author wrote the one, the task's user can
//! rename in the other while the copy goes on. So every step is taken from an open folder to a name
//! in it, links are copied and never followed, and what is written is new.

use std::ffi::{CStr, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{
    FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, mkdirat, utimensat,
};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchown, fchownat, mkfifoat, symlinkat};

use super::PathError;
use super::beneath::Folder;

/// Copies all that is in `from` into `to`, which gets its owner and mode as well.
///
/// Devices and sockets are left out: they would be of no use in a volume. A file that has several
/// names becomes several files.
pub fn copy_content(from: &Folder, to: &Folder) -> Result<(), PathError> {
    let failed = |errno| PathError::new("open", from.path(), errno);
    let (source, target) = (reopen(from).map_err(failed)?, reopen(to).map_err(failed)?);
    copy_folder(&source, &target, from.path())
}

/// Whether nothing is in a folder.
pub fn is_empty(folder: &Folder) -> Result<bool, PathError> {
    let failed = |errno| PathError::new("read", folder.path(), errno);
    let mut listing = reopen(folder).and_then(Dir::from_fd).map_err(failed)?;
    let mut names = listing.iter().flatten();
    Ok(names.all(|entry| is_dots(entry.file_name())))
}

/// A folder found by name only can't be listed.
fn reopen(folder: &impl AsFd) -> nix::Result<OwnedFd> {
    openat(folder, c".", folder_flags(), Mode::empty())
}

fn folder_flags() -> OFlag {
    OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC
}

fn is_dots(name: &CStr) -> bool {
    name == c"." || name == c".."
}

/// `path` is the source's, for messages. The folder's own mode comes last: it may forbid writing.
fn copy_folder(from: &OwnedFd, to: &OwnedFd, path: &Path) -> Result<(), PathError> {
    let failed = |errno: nix::Error| PathError::new("copy", path, errno);
    let mut listing = reopen(from).and_then(Dir::from_fd).map_err(failed)?;
    for entry in listing.iter() {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        if !is_dots(name) {
            let path: PathBuf = path.join(OsStr::from_bytes(name.to_bytes()));
            copy_entry(from, to, name, &path)?;
        }
    }
    let stat = fstat(from).map_err(failed)?;
    dress(to, &stat).map_err(failed)
}

fn copy_entry(from: &OwnedFd, to: &OwnedFd, name: &CStr, path: &Path) -> Result<(), PathError> {
    let failed = |errno: nix::Error| PathError::new("copy", path, errno);
    let stat = fstatat(from, name, AtFlags::AT_SYMLINK_NOFOLLOW).map_err(failed)?;
    match SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => {
            mkdirat(to, name, Mode::S_IRWXU).map_err(failed)?;
            let open = |folder| openat(folder, name, folder_flags(), Mode::empty());
            let (inner, made) = (open(from).map_err(failed)?, open(to).map_err(failed)?);
            copy_folder(&inner, &made, path)
        }
        SFlag::S_IFREG => {
            copy_file(from, to, name).map_err(|source| PathError::new("copy", path, source))
        }
        SFlag::S_IFLNK => copy_link(from, to, name, &stat).map_err(failed),
        SFlag::S_IFIFO => {
            mkfifoat(to, name, Mode::S_IRUSR | Mode::S_IWUSR).map_err(failed)?;
            let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let made = openat(to, name, flags, Mode::empty()).map_err(failed)?;
            dress(&made, &stat).map_err(failed)
        }
        _ => Ok(()),
    }
}

fn copy_file(from: &OwnedFd, to: &OwnedFd, name: &CStr) -> io::Result<()> {
    // Without O_NONBLOCK a FIFO that has taken the file's place would hold us.
    let read = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let write = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mut source = File::from(openat(from, name, read, Mode::empty())?);
    let mut target = File::from(openat(to, name, write, Mode::S_IRUSR | Mode::S_IWUSR)?);
    let stat = fstat(&source)?;
    io::copy(&mut source, &mut target)?;
    dress(&target, &stat)?;
    let changed = |seconds, nanoseconds| TimeSpec::new(seconds, nanoseconds);
    let accessed = changed(stat.st_atime, stat.st_atime_nsec);
    let modified = changed(stat.st_mtime, stat.st_mtime_nsec);
    let flags = UtimensatFlags::NoFollowSymlink;
    utimensat(to, name, &accessed, &modified, flags)?;
    Ok(())
}

fn copy_link(from: &OwnedFd, to: &OwnedFd, name: &CStr, stat: &FileStat) -> nix::Result<()> {
    let target = readlinkat(from, name)?;
    symlinkat(target.as_os_str(), to, name)?;
    let (user, group) = owner(stat);
    fchownat(to, name, user, group, AtFlags::AT_SYMLINK_NOFOLLOW)
}

/// The owner first: changing it takes the set-user-id bits away.
fn dress(made: &impl AsFd, like: &FileStat) -> nix::Result<()> {
    let (user, group) = owner(like);
    fchown(made, user, group)?;
    fchmod(made, Mode::from_bits_truncate(like.st_mode))
}

fn owner(stat: &FileStat) -> (Option<Uid>, Option<Gid>) {
    (
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn folders() -> (tempfile::TempDir, Folder, Folder) {
        let base = tempfile::tempdir().unwrap();
        let open = |name: &str| {
            let path = base.path().join(name);
            fs::create_dir(&path).unwrap();
            Folder::open(&path).unwrap()
        };
        let (from, to) = (open("image"), open("volume"));
        (base, from, to)
    }

    #[test]
    fn content_comes_with_modes_times_and_links() {
        let (_base, from, to) = folders();
        fs::create_dir(from.path().join("conf")).unwrap();
        fs::write(from.path().join("conf/run.sh"), "#!/bin/sh\n").unwrap();
        let mode = |mode| fs::Permissions::from_mode(mode);
        fs::set_permissions(from.path().join("conf/run.sh"), mode(0o755)).unwrap();
        fs::set_permissions(from.path().join("conf"), mode(0o750)).unwrap();
        fs::set_permissions(from.path(), mode(0o1777)).unwrap();
        symlink("/etc/shadow", from.path().join("link")).unwrap();
        assert!(is_empty(&to).unwrap());
        copy_content(&from, &to).unwrap();
        assert!(!is_empty(&to).unwrap());

        let look = |name: &str| fs::symlink_metadata(to.path().join(name)).unwrap();
        assert_eq!(look("conf/run.sh").mode() & 0o7777, 0o755);
        assert_eq!(look("conf").mode() & 0o7777, 0o750);
        assert_eq!(look("").mode() & 0o7777, 0o1777);
        let script = to.path().join("conf/run.sh");
        assert_eq!(fs::read_to_string(&script).unwrap(), "#!/bin/sh\n");
        let original = fs::metadata(from.path().join("conf/run.sh")).unwrap();
        assert_eq!(look("conf/run.sh").mtime_nsec(), original.mtime_nsec());
        let link = fs::read_link(to.path().join("link")).unwrap();
        assert_eq!(link, Path::new("/etc/shadow"));
    }

    #[test]
    fn what_is_there_is_not_written_through() {
        let (base, from, to) = folders();
        fs::write(from.path().join("passwd"), "the image's").unwrap();
        fs::write(base.path().join("host"), "the host's").unwrap();
        symlink(base.path().join("host"), to.path().join("passwd")).unwrap();
        let error = copy_content(&from, &to).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(error.path, from.path().join("passwd"));
        let host = fs::read_to_string(base.path().join("host")).unwrap();
        assert_eq!(host, "the host's");
    }

    #[test]
    fn a_fifo_is_made_anew() {
        let (_base, from, to) = folders();
        super::super::fifo::create(&from.path().join("pipe")).unwrap();
        copy_content(&from, &to).unwrap();
        let made = fs::symlink_metadata(to.path().join("pipe")).unwrap();
        assert_eq!(made.mode() & 0o777, 0o600);
    }
}
