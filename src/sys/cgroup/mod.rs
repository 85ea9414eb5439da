//! Control groups, version 1, version 2 and both at once (cgroups(7)).
//!
//! A pod has one path, the same in every hierarchy that the host has mounted. Mesos owns that path
//! in some of them and not in others, and the runtime makes the missing directories in the rest;
//! so whoever creates, kills or removes has to go through all of them. That is what
//! [`Hierarchies`] is for.
//!
//! Paths are absolute within a hierarchy. They are refused if they climb: a runtime that is given
//! `/a/../b` goes to `/b`.

mod create;
mod hierarchy;
mod kill;
mod limit;
mod remove;
mod usage;

use std::io;
use std::path::PathBuf;

use super::{PathError, process};

pub use hierarchy::{Hierarchies, Hierarchy, Version};
pub use limit::Limits;
pub use usage::{Memory, Usage};

/// What can go wrong with cgroups.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("\"{path}\" is no absolute cgroup path without \".\" and \"..\"")]
    Path { path: String },
    #[error("no cgroup hierarchy is mounted whole on this host")]
    NoHierarchy,
    #[error("cannot parse {}", path.display())]
    Parse {
        path: PathBuf,
        #[source]
        source: procfs::ProcError,
    },
    #[error(transparent)]
    File(#[from] PathError),
    #[error(
        "process {pid} is in cgroup {actual} of the hierarchy {hierarchy}, not below {expected}"
    )]
    Elsewhere {
        pid: u32,
        hierarchy: String,
        expected: String,
        actual: String,
    },
    #[error("the processes in this process's own cgroup can't be told from others'")]
    Session(#[source] process::Error),
    #[error("cgroup {path} holds this very process")]
    Own { path: String },
    #[error("cgroup {path} still has processes after SIGKILL: {pids:?}")]
    Survivors { path: String, pids: Vec<u32> },
    #[error("cgroup directories that can't be removed: {}", show(directories))]
    Busy { directories: Vec<PathBuf> },
}

impl Error {
    fn is_not_found(&self) -> bool {
        matches!(self, Self::File(error) if error.source.kind() == io::ErrorKind::NotFound)
    }

    fn file(attempt: &'static str, path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::File(PathError::new(attempt, path.into(), source))
    }
}

fn show(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    paths.join(", ")
}

/// The path's part below a hierarchy's root, once it is known not to climb. `/` is the root itself
/// and nothing that we ever create in, kill or remove: it is refused.
fn below_root(path: &str) -> Result<&str, Error> {
    let good = |segment: &str| !matches!(segment, "" | "." | "..") && !segment.contains('\0');
    path.strip_prefix('/')
        .filter(|below| below.split('/').all(good))
        .ok_or_else(|| Error::Path {
            path: path.to_owned(),
        })
}

/// Whether `path` is `ancestor` or below it.
fn is_within(path: &str, ancestor: &str) -> bool {
    path.strip_prefix(ancestor)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// A made-up host for the tests: files as in /proc, and folders in place of mounted hierarchies.
#[cfg(test)]
pub(crate) mod fake {
    use std::fmt::Write;
    use std::fs;
    use std::path::PathBuf;

    use super::Hierarchies;

    pub(crate) struct Host {
        pub(crate) root: tempfile::TempDir,
    }

    impl Host {
        /// Each hierarchy with its controllers (empty: version 2) and the process's path in it.
        pub(crate) fn new(hierarchies: &[(&str, &str)]) -> Self {
            let root = tempfile::tempdir().unwrap();
            let process = root.path().join("proc/self");
            fs::create_dir_all(&process).unwrap();
            let mut cgroup = String::new();
            let mut mountinfo = String::new();
            for (number, (controllers, own)) in hierarchies.iter().enumerate() {
                let folder = root.path().join("cgroup").join(Self::folder(controllers));
                fs::create_dir_all(&folder).unwrap();
                let (number, kind, options) = if controllers.is_empty() {
                    (0, "cgroup2", "rw")
                } else {
                    (number + 1, "cgroup", *controllers)
                };
                writeln!(cgroup, "{number}:{controllers}:{own}").unwrap();
                let folder = folder.display();
                writeln!(
                    mountinfo,
                    "3{number} 29 0:3{number} / {folder} rw shared:9 - {kind} cgroup rw,{options}"
                )
                .unwrap();
            }
            fs::write(process.join("cgroup"), cgroup).unwrap();
            fs::write(process.join("mountinfo"), mountinfo).unwrap();
            Self { root }
        }

        fn folder(controllers: &str) -> &str {
            match controllers {
                "" => "unified",
                named => named.trim_start_matches("name="),
            }
        }

        /// Where a cgroup of a hierarchy lies, or a file in it.
        pub(crate) fn path(&self, controllers: &str, path: &str) -> PathBuf {
            self.root
                .path()
                .join("cgroup")
                .join(Self::folder(controllers))
                .join(path.trim_start_matches('/'))
        }

        pub(crate) fn read(&self, controllers: &str, path: &str) -> String {
            fs::read_to_string(self.path(controllers, path)).unwrap()
        }

        pub(crate) fn write(&self, controllers: &str, path: &str, text: &str) {
            let path = self.path(controllers, path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        /// What /proc tells of a process.
        pub(crate) fn process(&self, pid: u32, cgroup: &str) {
            let folder = self.root.path().join(format!("proc/{pid}"));
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup"), cgroup).unwrap();
        }

        pub(crate) fn hierarchies(&self) -> Hierarchies {
            Hierarchies::read(&self.root.path().join("proc")).unwrap()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_that_climbs_or_is_the_root_is_refused() {
        for bad in ["", "/", "a", "/a/", "/a//b", "/a/../b", "/.", "/a\0b"] {
            assert!(below_root(bad).is_err(), "{bad:?}");
        }
        assert_eq!(below_root("/mesos/c/pod-1").unwrap(), "mesos/c/pod-1");
    }

    #[test]
    fn a_sibling_with_a_longer_name_is_not_within() {
        assert!(is_within("/a/b", "/a/b"));
        assert!(is_within("/a/b/c", "/a/b"));
        assert!(!is_within("/a/bc", "/a/b"));
    }
}
