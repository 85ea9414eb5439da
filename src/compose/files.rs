//! How a load comes to its files: a trait, so that who may open what is decided outside.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// Why a file can't be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    #[error("{} does not exist", path.display())]
    NotFound { path: PathBuf },
    #[error("{} is no regular file", path.display())]
    NotAFile { path: PathBuf },
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// Outside of what the caller may read.
    #[error("{} is outside of {}", path.display(), root.display())]
    Outside { path: PathBuf, root: PathBuf },
    #[error("cannot read {}", path.display())]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// What is at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    File,
    Directory,
    /// A device, a socket, a pipe.
    Other,
}

/// Files, wherever they are. Paths are absolute; `-` is standard input.
pub trait Files {
    /// A file's bytes, never more than the limit on files.
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError>;

    /// What is there; `None` if nothing is, or nothing that the caller may see.
    fn kind(&self, path: &Path) -> Option<FileKind>;
}

/// The machine's files, as the user of this process may open them.
#[derive(Clone, Copy, Debug)]
pub struct DiskFiles {
    limit: u64,
}

impl DiskFiles {
    /// Reads files of at most `limit` bytes.
    pub fn new(limit: u64) -> Self {
        Self { limit }
    }

    fn bounded(self, path: &Path, reader: impl io::Read) -> Result<Vec<u8>, FileError> {
        let mut bytes = Vec::new();
        reader
            .take(self.limit + 1)
            .read_to_end(&mut bytes)
            .map_err(|source| at(path, source))?;
        if bytes.len() as u64 > self.limit {
            return Err(FileError::TooLarge {
                path: path.to_owned(),
                limit: self.limit,
            });
        }
        Ok(bytes)
    }
}

fn at(path: &Path, source: io::Error) -> FileError {
    let path = path.to_owned();
    match source.kind() {
        io::ErrorKind::NotFound => FileError::NotFound { path },
        _ => FileError::Io { path, source },
    }
}

impl Files for DiskFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        if path == Path::new("-") {
            return self.bounded(path, io::stdin().lock());
        }
        // Asked before it is opened: opening a pipe would wait for somebody to write.
        let metadata = std::fs::metadata(path).map_err(|source| at(path, source))?;
        if !metadata.is_file() && path != Path::new("/dev/null") {
            return Err(FileError::NotAFile {
                path: path.to_owned(),
            });
        }
        let file = std::fs::File::open(path).map_err(|source| at(path, source))?;
        self.bounded(path, file)
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(if metadata.is_file() {
            FileKind::File
        } else if metadata.is_dir() {
            FileKind::Directory
        } else {
            FileKind::Other
        })
    }
}

/// A path without `.`, `..` and doubled slashes, by its text alone.
pub fn clean(path: &Path) -> PathBuf {
    use std::path::Component;
    let mut out = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => match out.components().next_back() {
                Some(Component::Normal(_)) => {
                    out.pop();
                }
                Some(Component::RootDir) => {}
                _ => out.push(".."),
            },
            part => out.push(part),
        }
    }
    if out.as_os_str().is_empty() {
        out.push(".");
    }
    out
}

/// `path` as seen from `base`, cleaned.
pub fn resolve(base: &Path, path: impl AsRef<Path>) -> PathBuf {
    clean(&base.join(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_cleaned_by_its_text() {
        for (path, cleaned) in [
            ("/a/./b//c/../d/", "/a/b/d"),
            ("/../a", "/a"),
            ("a/../..", ".."),
            ("", "."),
        ] {
            assert_eq!(clean(Path::new(path)), Path::new(cleaned), "{path}");
        }
        assert_eq!(resolve(Path::new("/p"), "../x"), Path::new("/x"));
        assert_eq!(resolve(Path::new("/p"), "/y"), Path::new("/y"));
    }

    #[test]
    fn a_file_beyond_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        std::fs::write(&path, "12345").unwrap();
        assert_eq!(DiskFiles::new(5).read(&path).unwrap(), b"12345");
        let error = DiskFiles::new(4).read(&path).unwrap_err();
        assert!(matches!(error, FileError::TooLarge { limit: 4, .. }));
        let error = DiskFiles::new(4).read(folder.path()).unwrap_err();
        assert!(matches!(error, FileError::NotAFile { .. }));
    }
}
