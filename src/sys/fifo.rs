//! Named pipes, through which a container's output comes.

use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::PathError;

/// Makes a FIFO that only its owner can open.
pub fn create(path: &Path) -> Result<(), PathError> {
    mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR)
        .map_err(|errno| PathError::new("create the FIFO", path, errno))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{FileTypeExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_fifo_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        create(&path).unwrap();
        let metadata = path.metadata().unwrap();
        assert!(metadata.file_type().is_fifo());
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
        assert_eq!(
            create(&path).unwrap_err().kind(),
            std::io::ErrorKind::AlreadyExists
        );
    }
}
