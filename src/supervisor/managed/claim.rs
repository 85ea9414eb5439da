//! Who uses the containerd of our own: two locks in its folder, by flock(2).
//!
//! `users` is held shared by everybody who uses it. `turn` is held, by one at a time, while it is
//! started or ended: so nobody finds one that is half there, and whoever is the last knows it. The
//! kernel lets both go with their holder, however that ends.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::sys::{PathError, tree};

/// The file whose lock is the turn.
const TURN: &str = "turn";

/// The turn to start or to end it.
#[derive(Debug)]
pub(super) struct Turn(#[expect(dead_code, reason = "open means locked")] File);

/// The use of it. Dropped, it may be somebody else's to end.
#[derive(Debug)]
pub(super) struct Usage(#[expect(dead_code, reason = "open means locked")] File);

impl Turn {
    /// Waits for the turn; makes the folder where it is missing. Blocks for as long as somebody
    /// starts or ends the daemon.
    pub(super) fn take(folder: &Path) -> Result<Self, PathError> {
        let path = folder.join(TURN);
        loop {
            match DirBuilder::new().mode(0o700).create(folder) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| PathError::new("create", folder, source))?,
            }
            let file = match open(&path) {
                // Whoever had the turn has ended the daemon, and its folder is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(|source| PathError::new("open", &path, source))?,
            };
            file.lock()
                .map_err(|source| PathError::new("lock", &path, source))?;
            if is_at(&file, &path).map_err(|source| PathError::new("look at", &path, source))? {
                return Ok(Self(file));
            }
        }
    }

    /// Removes the folder, which nobody uses, and with it the turn. Who waits for it, or comes
    /// meanwhile, makes a folder anew, or has this one, empty.
    pub(super) fn end(self, folder: &Path) -> Result<(), PathError> {
        let failed = |source: io::Error| PathError::new("remove", folder, source);
        for entry in fs::read_dir(folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // The last: while it is there, nobody else has the turn.
            if entry.file_name() != TURN {
                tree::remove(&entry.path())?;
            }
        }
        fs::remove_file(folder.join(TURN)).map_err(failed)?;
        let removed = match fs::remove_dir(folder) {
            // It is somebody else's, or was until just now.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound
                ) =>
            {
                Ok(())
            }
            removed => removed.map_err(failed),
        };
        drop(self);
        removed
    }
}

impl Usage {
    /// Begins to use the daemon; it is the holder's turn, so nobody is ending it.
    pub(super) fn begin(_: &Turn, folder: &Path) -> Result<Self, PathError> {
        let path = folder.join("users");
        let locked = open(&path).and_then(|file| file.lock_shared().map(|()| file));
        let file = locked.map_err(|source| PathError::new("lock", &path, source))?;
        Ok(Self(file))
    }

    /// Whether anybody uses it now.
    pub(super) fn is_any(_: &Turn, folder: &Path) -> Result<bool, PathError> {
        is_held(&folder.join("users"))
    }
}

/// Whether somebody uses the daemon of this folder. For people to look at: it may change the
/// moment after.
pub(super) fn is_used(folder: &Path) -> Result<bool, PathError> {
    is_held(&folder.join("users"))
}

fn is_held(path: &Path) -> Result<bool, PathError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        file => file.map_err(|source| PathError::new("open", path, source))?,
    };
    match file.try_lock() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(source)) => Err(PathError::new("lock", path, source)),
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// False when the file was removed since it was opened: a lock on it is none that others find.
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
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    #[test]
    fn it_is_used_until_the_last_user_lets_go() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("managed");
        assert!(!is_used(&folder).unwrap());
        let turn = Turn::take(&folder).unwrap();
        let one = Usage::begin(&turn, &folder).unwrap();
        let two = Usage::begin(&turn, &folder).unwrap();
        drop(one);
        assert!(Usage::is_any(&turn, &folder).unwrap());
        assert!(is_used(&folder).unwrap());
        drop(two);
        // Others' children have copies of our descriptors until they have started their programs.
        while Usage::is_any(&turn, &folder).unwrap() {
            thread::yield_now();
        }
    }

    #[test]
    fn a_turn_that_was_waited_for_is_one_on_the_folder_that_is_there() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("managed");
        let turn = Turn::take(&folder).unwrap();
        fs::create_dir(folder.join("root")).unwrap();
        let (say, hear) = mpsc::channel();
        let path = folder.clone();
        let other = thread::spawn(move || {
            say.send(()).unwrap();
            Turn::take(&path).unwrap()
        });
        hear.recv().unwrap();
        turn.end(&folder).unwrap();
        let turn = other.join().unwrap();
        assert!(folder.join(TURN).exists());
        assert!(!folder.join("root").exists());
        turn.end(&folder).unwrap();
        assert!(!folder.exists());
    }

    #[test]
    fn turns_that_end_and_begin_at_once_are_one_at_a_time() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("managed");
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..200 {
                        let turn = Turn::take(&folder).unwrap();
                        // Fails where somebody else has a turn, too.
                        fs::create_dir(folder.join("daemon")).unwrap();
                        turn.end(&folder).unwrap();
                    }
                });
            }
        });
        assert!(!folder.exists());
    }
}
