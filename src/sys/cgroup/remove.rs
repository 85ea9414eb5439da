//! Cgroups taken away, in every hierarchy, deepest first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::{Error, Hierarchies, below_root};

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Hierarchies {
    /// Removes a cgroup and all below it. Nothing there is success.
    ///
    /// The kernel refuses for a moment after the last process has ended (EBUSY), so it is tried
    /// again for as long as `within`.
    pub fn remove(&self, path: &str, within: Duration) -> Result<(), Error> {
        let below = below_root(path)?;
        let roots: Vec<PathBuf> = self
            .iter()
            .map(|hierarchy| hierarchy.directory(below))
            .collect();
        let deadline = Instant::now() + within;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut busy = Vec::new();
            for root in &roots {
                for directory in subtree(root)? {
                    if !remove_one(&directory)? {
                        busy.push(directory);
                    }
                }
            }
            if busy.is_empty() {
                return Ok(());
            }
            if Instant::now() >= deadline {
                return Err(Error::Busy { directories: busy });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The directories of a cgroup and of those below it, in every hierarchy.
    pub fn directories(&self, path: &str) -> Result<Vec<PathBuf>, Error> {
        let below = below_root(path)?;
        let mut directories = Vec::new();
        for hierarchy in self.iter() {
            directories.extend(subtree(&hierarchy.directory(below))?);
        }
        Ok(directories)
    }

    /// Removes the cgroup that pods are in, but for the hierarchies in `others`, whose directory
    /// belongs to someone else, and but where something is still in it: another pod's turn then.
    /// What is above stays: it is nobody's, or Mesos' own root.
    pub fn remove_base(&self, base: &str, others: &[String]) -> Result<(), Error> {
        let below = below_root(base)?;
        for hierarchy in self.iter() {
            if !others.contains(&hierarchy.name()) {
                remove_one(&hierarchy.directory(below))?;
            }
        }
        Ok(())
    }
}

/// False when something is in it, or was a moment ago.
fn remove_one(directory: &Path) -> Result<bool, Error> {
    match fs::remove_dir(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if is_busy(&error) => Ok(false),
        Err(source) => Err(Error::file("remove", directory, source)),
    }
}

fn is_busy(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ResourceBusy | io::ErrorKind::DirectoryNotEmpty
    )
}

/// A cgroup's directory and those below it, deepest first; none where there is none.
pub(super) fn subtree(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        let entries = match fs::read_dir(&directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(Error::file("read", directory, source)),
        };
        for entry in entries.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                pending.push(entry.path());
            }
        }
        found.push(directory);
    }
    // A directory was found before what is in it.
    found.reverse();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::fake::Host;
    use super::*;

    #[test]
    fn all_below_goes_in_every_hierarchy() {
        let host = Host::new(&[("pids", "/"), ("freezer", "/mesos/c"), ("", "/")]);
        let hierarchies = host.hierarchies();
        hierarchies.create("/mesos/c/pod-1/svc/deep").unwrap();
        hierarchies.create("/mesos/c/pod-1/shim").unwrap();
        assert_eq!(hierarchies.directories("/mesos/c/pod-1").unwrap().len(), 12);
        for _ in 0..2 {
            hierarchies
                .remove("/mesos/c/pod-1", Duration::ZERO)
                .unwrap();
        }
        for controllers in ["pids", "freezer", ""] {
            assert!(host.path(controllers, "/mesos/c").is_dir());
            assert!(!host.path(controllers, "/mesos/c/pod-1").exists());
        }
    }

    #[test]
    fn what_is_busy_is_named() {
        let host = Host::new(&[("pids", "/")]);
        host.write("pids", "pod/svc/keeps", "");
        let error = host.hierarchies().remove("/pod", Duration::ZERO);
        let Err(Error::Busy { directories }) = error else {
            panic!("{error:?}");
        };
        assert_eq!(
            directories,
            [host.path("pids", "/pod/svc"), host.path("pids", "/pod")]
        );
    }

    #[test]
    fn the_base_stays_where_it_is_anothers_or_in_use() {
        let host = Host::new(&[("pids", "/"), ("freezer", "/mesos/c"), ("memory", "/")]);
        let hierarchies = host.hierarchies();
        hierarchies.create("/mesos/c").unwrap();
        host.write("memory", "mesos/c/pod-2/cgroup.procs", "");
        let others = hierarchies.owned_by_launcher("/mesos/c");
        hierarchies.remove_base("/mesos/c", &others).unwrap();
        assert!(!host.path("pids", "/mesos/c").exists());
        assert!(host.path("pids", "/mesos").exists());
        assert!(host.path("freezer", "/mesos/c").exists());
        assert!(host.path("memory", "/mesos/c").exists());
    }
}
