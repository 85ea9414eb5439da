//! The lock that tells whether a pod's owner lives.
//!
//! It is a `flock(2)` on a file in `--state`. The kernel releases it when its holder ends in
//! whatever way; it does not pass to children, since the descriptor is closed when they start
//! their program.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::folders::failed;
use crate::sys::PathError;

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{} is held by another process", .0.display())]
    Held(PathBuf),
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A lock that is held as long as this exists.
#[derive(Debug)]
pub struct PodLock {
    /// Open means locked.
    _file: File,
    path: PathBuf,
}

impl PodLock {
    /// Takes the lock, without waiting; makes its file where it is missing.
    pub fn acquire(path: &Path) -> Result<Self, LockError> {
        loop {
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(path)
                .map_err(|source| failed("open", path, source))?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(LockError::Held(path.to_owned())),
                Err(TryLockError::Error(source)) => {
                    return Err(failed("lock", path, source).into());
                }
            }
            // Whoever held it before may have removed the file meanwhile: then this is a lock on
            // a file that nobody else can find.
            if is_at(&file, path).map_err(|source| failed("look at", path, source))? {
                return Ok(Self {
                    _file: file,
                    path: path.to_owned(),
                });
            }
        }
    }

    /// Whether somebody holds the lock. For people to look at: it may change the moment after.
    pub fn is_held(path: &Path) -> Result<bool, PathError> {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            result => result.map_err(|source| failed("open", path, source))?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(source)) => Err(failed("lock", path, source)),
        }
    }

    /// Removes the file, then lets go: whoever opened it before finds it gone and takes another.
    pub fn remove(self) -> Result<(), PathError> {
        fs::remove_file(&self.path).map_err(|source| failed("remove", &self.path, source))
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((ours.dev(), ours.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// A child that another test is just starting has a copy of our descriptors until its program
    /// is loaded, and holds the lock so long.
    fn comes_free(path: &Path) -> bool {
        (0..1000).any(|_| {
            let free = !PodLock::is_held(path).unwrap();
            if !free {
                thread::sleep(Duration::from_millis(10));
            }
            free
        })
    }

    #[test]
    fn a_lock_is_held_once_and_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pod");
        assert!(!PodLock::is_held(&path).unwrap());
        let lock = PodLock::acquire(&path).unwrap();
        assert!(matches!(PodLock::acquire(&path), Err(LockError::Held(_))));
        assert!(PodLock::is_held(&path).unwrap());
        drop(lock);
        assert!(comes_free(&path));
        PodLock::acquire(&path).unwrap().remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_child_does_not_keep_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pod");
        let lock = PodLock::acquire(&path).unwrap();
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        drop(lock);
        assert!(comes_free(&path));
        drop(child.stdin.take());
        child.wait().unwrap();
    }

    #[test]
    fn a_file_that_was_replaced_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pod");
        let old = File::create(&path).unwrap();
        assert!(is_at(&old, &path).unwrap());
        fs::remove_file(&path).unwrap();
        assert!(!is_at(&old, &path).unwrap());
        let _new = File::create(&path).unwrap();
        assert!(!is_at(&old, &path).unwrap());
    }
}
