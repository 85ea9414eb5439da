//! Named volumes of `up`: they outlive their pods, and are removed when their user says so.
//!
//! Whoever mounts one holds a shared lock on its folder (flock(2)), which the kernel lets go when
//! its holder ends; whoever removes one needs the lock alone.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::compose::model::Project;
use crate::journal::Folders;
use crate::pod::kept_folder;
use crate::sys::{PathError, tree};

/// The permissions of a new volume, as Docker makes it.
const FOLDER_MODE: u32 = 0o755;

/// A volume that is in use as long as this exists.
#[derive(Debug)]
pub struct KeptVolume {
    /// Open means locked.
    _folder: File,
}

/// Why a volume can't be used or removed.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    #[error("there is no volume {}", .0.display())]
    Missing(PathBuf),
    #[error("the volume {} is in use", .0.display())]
    InUse(PathBuf),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl KeptVolume {
    /// Takes hold of a volume's folder, which is made where it is missing.
    pub(super) fn ensure(path: &Path) -> Result<Self, KeptError> {
        DirBuilder::new()
            .recursive(true)
            .mode(FOLDER_MODE)
            .create(path)
            .map_err(|source| failed("create", path, source))?;
        Self::hold(path)
    }

    /// Takes hold of a volume's folder, which must be there.
    pub(super) fn hold(path: &Path) -> Result<Self, KeptError> {
        let lock = |folder: &File| folder.try_lock_shared();
        Ok(Self {
            _folder: locked(path, lock)?,
        })
    }
}

/// The named volumes of a project that `up` has kept: their names, in the file's order. External
/// ones are not the project's.
pub fn of_project(folders: &Folders, project: &Project) -> Vec<String> {
    let own = project.volumes.iter().filter(|it| it.external.is_none());
    own.filter(|volume| {
        kept_folder(&folders.volumes(), &volume.name).is_some_and(|path| path.is_dir())
    })
    .map(|volume| volume.name.clone())
    .collect()
}

/// Removes a volume with all that is in it: what `down -v` does. A pod that has it mounted keeps
/// it. None of that name is success.
pub fn remove(folders: &Folders, name: &str) -> Result<(), KeptError> {
    let home = folders.volumes();
    let path = kept_folder(&home, name).ok_or_else(|| KeptError::Missing(home.join(name)))?;
    match locked(&path, File::try_lock) {
        Ok(_alone) => Ok(tree::remove(&path)?),
        Err(KeptError::Missing(_)) => Ok(()),
        Err(error) => Err(error),
    }
}

fn locked(
    path: &Path,
    lock: impl Fn(&File) -> Result<(), TryLockError>,
) -> Result<File, KeptError> {
    let folder = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeptError::Missing(path.to_owned()));
        }
        result => result.map_err(|source| failed("open", path, source))?,
    };
    match lock(&folder) {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(KeptError::InUse(path.to_owned())),
        Err(TryLockError::Error(source)) => return Err(failed("lock", path, source).into()),
    }
    // It may have been removed before the lock was ours: then this is nobody's folder any more.
    if is_at(&folder, path).map_err(|source| failed("look at", path, source))? {
        Ok(folder)
    } else {
        Err(KeptError::Missing(path.to_owned()))
    }
}

fn is_at(folder: &File, path: &Path) -> io::Result<bool> {
    let here = folder.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(there) => Ok((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn failed(attempt: &'static str, path: &Path, source: io::Error) -> PathError {
    PathError {
        attempt,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders() -> (tempfile::TempDir, Folders) {
        let base = tempfile::tempdir().unwrap();
        let folders = Folders::new(base.path().join("root"), base.path().join("state"));
        (base, folders)
    }

    #[test]
    fn a_volume_in_use_is_not_removed() {
        let (_base, folders) = folders();
        let path = folders.volumes().join("app_data");
        let one = KeptVolume::ensure(&path).unwrap();
        let other = KeptVolume::ensure(&path).unwrap();
        fs::write(path.join("file"), "").unwrap();
        for holder in [one, other] {
            assert!(matches!(
                remove(&folders, "app_data"),
                Err(KeptError::InUse(_))
            ));
            drop(holder);
        }
        for _ in 0..2 {
            remove(&folders, "app_data").unwrap();
        }
        assert!(!path.exists());
    }

    #[test]
    fn an_external_volume_must_be_there() {
        let (_base, folders) = folders();
        let path = folders.volumes().join("app_data");
        let held = KeptVolume::hold(&path);
        assert!(matches!(held, Err(KeptError::Missing(_))));
    }

    #[test]
    fn no_name_removes_what_is_no_volume() {
        let (base, folders) = folders();
        fs::create_dir_all(folders.volumes()).unwrap();
        fs::write(base.path().join("root/kept"), "").unwrap();
        for name in ["..", "../kept", "", "."] {
            assert!(remove(&folders, name).is_err(), "{name:?}");
        }
        assert!(base.path().join("root/kept").exists());
    }
}
