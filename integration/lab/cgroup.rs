//! Control groups that a test makes for what it starts.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::host::CGROUPS;
use crate::oracle::cgroups;
use crate::wait;

/// A control group, in every hierarchy. It goes with its test.
#[derive(Debug)]
pub(crate) struct CgroupParent {
    name: String,
}

impl CgroupParent {
    pub(crate) fn make(name: &str) -> Self {
        for hierarchy in cgroups::hierarchies() {
            let path = hierarchy.join(name);
            fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        Self {
            name: name.to_owned(),
        }
    }

    /// As in /proc/<pid>/cgroup.
    pub(crate) fn path(&self) -> String {
        format!("/{}", self.name)
    }

    /// The files by which a process gets to where Mesos' launcher and isolators would put it.
    pub(crate) fn of_a_launcher(&self) -> Vec<PathBuf> {
        let places = ["freezer", "memory", "."].map(|place| Path::new(CGROUPS).join(place));
        places
            .iter()
            .map(|place| place.join(&self.name).join("cgroup.procs"))
            .filter(|procs| procs.exists())
            .collect()
    }
}

impl Drop for CgroupParent {
    fn drop(&mut self) {
        for hierarchy in cgroups::hierarchies() {
            let path = hierarchy.join(&self.name);
            // What an executor has made for itself is for who has made its group to remove.
            let _ = fs::remove_dir(path.join("executor"));
            // A process that has just died may hold it for a moment. What stays is for the oracle.
            wait::within(Duration::from_secs(5), || match fs::remove_dir(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => None,
                _ => Some(()),
            });
        }
    }
}
