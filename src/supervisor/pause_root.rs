//! The root of every pause container: a read-only folder with the embedded program.
//!
//! It is named by the program's digest, so that another version of the executor brings its own and
//! pods of the old one keep theirs. It holds nothing of any pod, and stays.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/pause"));

/// Makes the folder below `root` where it is missing, and gives its path.
pub(super) fn ensure(root: &Path) -> io::Result<PathBuf> {
    let home = root.join("pause");
    let place = home.join(format!("{:016x}", leading(&Sha256::digest(PROGRAM))));
    if place.join("pause").exists() {
        return Ok(place);
    }
    let folder = |mode| {
        let mut builder = fs::DirBuilder::new();
        builder.mode(mode);
        builder
    };
    folder(0o755).recursive(true).create(&home)?;
    // Another executor may be at it: each makes its own, and the first to rename wins.
    let part = home.join(format!(".part-{}", std::process::id()));
    match fs::remove_dir_all(&part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    folder(0o755).create(&part)?;
    // The runtime mounts here.
    folder(0o555).create(part.join("proc"))?;
    folder(0o555).create(part.join("dev"))?;
    fs::write(part.join("pause"), PROGRAM)?;
    fs::set_permissions(part.join("pause"), Permissions::from_mode(0o555))?;
    fs::set_permissions(&part, Permissions::from_mode(0o555))?;
    match fs::rename(&part, &place) {
        Ok(()) => Ok(place),
        Err(_) if place.join("pause").exists() => {
            fs::set_permissions(&part, Permissions::from_mode(0o700))?;
            fs::remove_dir_all(&part)?;
            Ok(place)
        }
        Err(error) => Err(error),
    }
}

fn leading(digest: &[u8]) -> u64 {
    digest[..8]
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_made_once_and_is_read_only() {
        let root = tempfile::tempdir().unwrap();
        let place = ensure(root.path()).unwrap();
        assert_eq!(ensure(root.path()).unwrap(), place);
        assert_eq!(fs::read(place.join("pause")).unwrap(), PROGRAM);
        assert_eq!(
            place.metadata().unwrap().permissions().mode() & 0o777,
            0o555
        );
        assert_eq!(fs::read_dir(root.path().join("pause")).unwrap().count(), 1);
        // So that the test's folder can be removed by any user.
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    }
}
