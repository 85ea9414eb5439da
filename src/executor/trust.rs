//! What root may rely on: files and folders that nobody else can have written or swapped.
//!
//! Under Marathon an executor's arguments are the user's. A path that they name may stand for the
//! operator's will only if it is root's, is no link, and nobody else can write to it or to any
//! folder above it.

use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

/// Why a path can't be relied on.
#[derive(Debug, thiserror::Error)]
pub enum Untrusted {
    #[error("{0} is not an absolute path without \"..\"")]
    NotAbsolute(PathBuf),
    #[error("{path} can't be looked at")]
    Stat {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} is a link")]
    Link(PathBuf),
    #[error("{0} is not root's")]
    NotRoots(PathBuf),
    #[error("{path} can be written by others than root (mode {mode:o})")]
    Writable { path: PathBuf, mode: u32 },
    #[error("{0} is not a regular file")]
    NotRegular(PathBuf),
    #[error("{0} is not a folder")]
    NotFolder(PathBuf),
    #[error("{path} is inside {forbidden}, where tasks write")]
    Inside { path: PathBuf, forbidden: PathBuf },
}

/// A regular file of root's.
pub fn file(path: &Path) -> Result<(), Untrusted> {
    let kind = chain(path)?;
    match kind {
        Some(kind) if kind.is_file() => Ok(()),
        Some(_) => Err(Untrusted::NotRegular(path.to_owned())),
        None => Err(Untrusted::Stat {
            path: path.to_owned(),
            source: std::io::ErrorKind::NotFound.into(),
        }),
    }
}

/// A folder of root's, or a place where only root could make one.
pub fn folder(path: &Path) -> Result<(), Untrusted> {
    match chain(path)? {
        Some(kind) if !kind.is_dir() => Err(Untrusted::NotFolder(path.to_owned())),
        _ => Ok(()),
    }
}

/// Refuses a path beneath a folder that tasks can write to.
pub fn outside(path: &Path, forbidden: &Path) -> Result<(), Untrusted> {
    if path.starts_with(forbidden) {
        return Err(Untrusted::Inside {
            path: path.to_owned(),
            forbidden: forbidden.to_owned(),
        });
    }
    Ok(())
}

/// Checks the path and all above it, and gives its kind; none where it is missing.
fn chain(path: &Path) -> Result<Option<std::fs::FileType>, Untrusted> {
    let plain = path.is_absolute()
        && path
            .components()
            .all(|part| !matches!(part, Component::ParentDir));
    if !plain {
        return Err(Untrusted::NotAbsolute(path.to_owned()));
    }
    let mut kind = None;
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    for part in ancestors {
        let stat = match part.symlink_metadata() {
            Ok(stat) => stat,
            // Nobody but root can make what is missing: all above it has been checked.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(Untrusted::Stat {
                    path: part.to_owned(),
                    source,
                });
            }
        };
        if stat.file_type().is_symlink() {
            return Err(Untrusted::Link(part.to_owned()));
        }
        if stat.uid() != 0 {
            return Err(Untrusted::NotRoots(part.to_owned()));
        }
        if stat.mode() & 0o022 != 0 {
            return Err(Untrusted::Writable {
                path: part.to_owned(),
                mode: stat.mode() & 0o7777,
            });
        }
        kind = Some(stat.file_type());
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_can_write_is_refused() {
        assert!(matches!(
            folder(Path::new("/tmp/anything")),
            Err(Untrusted::Writable { .. })
        ));
        assert!(matches!(
            file(Path::new("etc/passwd")),
            Err(Untrusted::NotAbsolute(_))
        ));
        assert!(matches!(
            file(Path::new("/etc/../etc/passwd")),
            Err(Untrusted::NotAbsolute(_))
        ));
        assert!(matches!(
            file(Path::new("/proc/self/exe")),
            Err(Untrusted::Link(_) | Untrusted::NotRoots(_))
        ));
    }

    #[test]
    fn what_is_roots_alone_is_taken() {
        file(Path::new("/etc/passwd")).unwrap();
        folder(Path::new("/etc/no-such-folder/below")).unwrap();
        assert!(matches!(
            file(Path::new("/etc")),
            Err(Untrusted::NotRegular(_))
        ));
    }

    #[test]
    fn a_folder_of_tasks_holds_nothing_of_ours() {
        assert!(outside(Path::new("/var/lib/mesos/x"), Path::new("/var/lib/mesos")).is_err());
        assert!(outside(Path::new("/var/lib/mesos2"), Path::new("/var/lib/mesos")).is_ok());
    }
}
