//! Folders removed with all that is in them, but never what is mounted there.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::PathError;

/// Removes a folder and what is in it. Nothing there is success.
///
/// Links are removed, not followed, and a mount ends it with an error: what was bound into a
/// folder of ours is someone else's.
pub fn remove(path: &Path) -> Result<(), PathError> {
    let failed = |source: io::Error| PathError::new("remove", path, source);
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(failed(Errno::EINVAL.into()));
    };
    let parent = match File::open(parent) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        result => OwnedFd::from(result.map_err(failed)?),
    };
    let name = CString::new(name.as_bytes()).map_err(|_| failed(Errno::EINVAL.into()))?;
    remove_in(&parent, &name, path)
}

fn remove_in(folder: &impl AsFd, name: &CStr, path: &Path) -> Result<(), PathError> {
    let failed = |errno: Errno| PathError::new("remove", path, errno);
    match unlinkat(folder, name, UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => return Ok(()),
        Err(Errno::EISDIR) => {}
        Err(errno) => return Err(failed(errno)),
    }
    let how = OpenHow::new()
        .flags(OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC)
        .resolve(
            ResolveFlag::RESOLVE_BENEATH
                | ResolveFlag::RESOLVE_NO_SYMLINKS
                | ResolveFlag::RESOLVE_NO_XDEV,
        );
    let inner = match openat2(folder, name, how) {
        Err(Errno::ENOENT) => return Ok(()),
        // What the kernel says when a name is a mount point.
        Err(Errno::EXDEV) => return Err(failed(Errno::EBUSY)),
        result => result.map_err(failed)?,
    };
    let mut listing = inner
        .try_clone()
        .map_err(|source| PathError::new("read", path, source))
        .and_then(|fd| Dir::from_fd(fd).map_err(|errno| PathError::new("read", path, errno)))?;
    for entry in listing.iter() {
        let entry = entry.map_err(|errno| PathError::new("read", path, errno))?;
        let name = entry.file_name();
        if name != c"." && name != c".." {
            let path: PathBuf = path.join(OsStr::from_bytes(name.to_bytes()));
            remove_in(&inner, name, &path)?;
        }
    }
    match unlinkat(folder, name, UnlinkatFlags::RemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(errno) => Err(failed(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn all_below_goes_and_links_are_not_followed() {
        let outer = tempfile::tempdir().unwrap();
        let kept = outer.path().join("kept");
        fs::write(&kept, "").unwrap();
        let tree = outer.path().join("tree");
        fs::create_dir_all(tree.join("a/b")).unwrap();
        fs::write(tree.join("a/b/file"), "").unwrap();
        symlink(&kept, tree.join("a/file")).unwrap();
        symlink(outer.path(), tree.join("a/folder")).unwrap();
        for _ in 0..2 {
            remove(&tree).unwrap();
        }
        assert!(!tree.exists());
        assert!(kept.exists());
    }

    #[test]
    fn a_mount_is_not_entered() {
        // Whatever runs these tests has /proc mounted; and it lets nothing in it be removed.
        let error = remove_in(&File::open("/").unwrap(), c"proc", Path::new("/proc"));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    }
}
