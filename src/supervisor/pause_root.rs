//! The root of every pause container: a read-only folder with the embedded programs, pause and the
//! init that a service may have.
//!
//! It is named by the programs' digest, so that another version of the executor brings its own and
//! pods of the old one keep theirs. It holds nothing of any pod, and stays.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

const PROGRAMS: [(&str, &[u8]); 2] = [
    ("pause", include_bytes!(concat!(env!("OUT_DIR"), "/pause"))),
    ("init", include_bytes!(concat!(env!("OUT_DIR"), "/init"))),
];

/// Where the folder is, or would be.
pub(super) fn place(root: &Path) -> PathBuf {
    let digest = PROGRAMS.iter().fold(Sha256::new(), |digest, (_, program)| {
        digest.chain_update(program)
    });
    let name = format!("{:016x}", leading(&digest.finalize()));
    root.join("pause").join(name)
}

/// Makes the folder below `root` where it is missing, and gives its path.
pub(super) fn ensure(root: &Path) -> io::Result<PathBuf> {
    let home = root.join("pause");
    let place = place(root);
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
    for (name, program) in PROGRAMS {
        fs::write(part.join(name), program)?;
        fs::set_permissions(part.join(name), Permissions::from_mode(0o555))?;
    }
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
    fn the_init_ends_as_its_command_does() {
        let root = tempfile::tempdir().unwrap();
        let place = ensure(root.path()).unwrap();
        let code = |words: &[&str]| {
            let mut command = std::process::Command::new(place.join("init"));
            let ended = command.args(words).stderr(std::process::Stdio::null());
            ended.status().unwrap().code()
        };
        assert_eq!(code(&["sh", "-c", "exit 7"]), Some(7));
        assert_eq!(code(&["/bin/sh", "-c", "kill -TERM $$"]), Some(128 + 15));
        // What is left to it does not keep it.
        assert_eq!(code(&["sh", "-c", "sleep 1 & exit 3"]), Some(3));
        assert_eq!(code(&["no-such-command"]), Some(127));
        assert_eq!(code(&["/etc/passwd"]), Some(126));
        assert_eq!(code(&[]), Some(127));
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    }

    #[test]
    fn the_folder_is_made_once_and_is_read_only() {
        let root = tempfile::tempdir().unwrap();
        let place = ensure(root.path()).unwrap();
        assert_eq!(ensure(root.path()).unwrap(), place);
        for (name, program) in PROGRAMS {
            assert_eq!(fs::read(place.join(name)).unwrap(), program);
        }
        assert_eq!(
            place.metadata().unwrap().permissions().mode() & 0o777,
            0o555
        );
        assert_eq!(fs::read_dir(root.path().join("pause")).unwrap().count(), 1);
        // So that the test's folder can be removed by any user.
        fs::set_permissions(&place, Permissions::from_mode(0o755)).unwrap();
    }
}
