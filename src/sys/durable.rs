//! Files that are on the disk when the call returns, whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::PathError;

/// Replaces a file's content: after a crash the file holds the old content or the new.
///
/// The new content is written beside it (`.<name>.new`) and renamed, so one writer at a time.
pub fn write(path: &Path, content: &[u8], mode: u32) -> Result<(), PathError> {
    let beside = beside(path);
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(mode)
        .open(&beside)
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        });
    written.map_err(|source| PathError::new("write", &beside, source))?;
    fs::rename(&beside, path).map_err(|source| PathError::new("replace", path, source))?;
    sync_folder_of(path)
}

/// Puts a file's appearance, renaming or removal on the disk: that is the folder's content.
pub fn sync_folder_of(path: &Path) -> Result<(), PathError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|source| PathError::new("sync", folder, source))
}

fn beside(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".new");
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        write(&path, b"a longer one", 0o600).unwrap();
        write(&path, b"short", 0o600).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_error_names_the_file() {
        let error = write(Path::new("/nonexistent/x"), b"", 0o600).unwrap_err();
        assert_eq!(error.to_string(), "cannot write /nonexistent/.x.new");
    }
}
