//! A pod as the kernel shows it: processes, control groups, namespaces.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::host::CGROUPS;
use crate::wait::{self, PATIENCE};

/// A pod that was found by its control group.
#[derive(Debug)]
pub(crate) struct Pod {
    cgroup: String,
}

/// A process of a pod at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) pid: i32,
    /// `pause`, `shim` or `svc-<service>`: the last part of its control group's path.
    pub(crate) leaf: String,
    /// The words of its command line.
    pub(crate) command: Vec<String>,
    /// Controller list to path, as in /proc/<pid>/cgroup.
    pub(crate) cgroups: BTreeMap<String, String>,
}

impl Pod {
    /// The one pod below a control group of the freezer hierarchy.
    ///
    /// # Panics
    /// If there is none, or more than one.
    pub(crate) fn below(base: &str) -> Self {
        let mut pods = Self::all_below(base);
        assert_eq!(pods.len(), 1, "pods below {base}: {pods:?}");
        pods.pop().expect("there is one")
    }

    /// The pods below a control group; none if that is gone.
    pub(crate) fn all_below(base: &str) -> Vec<Self> {
        let folder = freezer(base);
        let Ok(entries) = fs::read_dir(folder) else {
            return Vec::new();
        };
        entries
            .flatten()
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.starts_with("pod-"))
            .map(|name| Self {
                cgroup: format!("{base}/{name}"),
            })
            .collect()
    }

    /// Its path in each hierarchy, as in /proc/<pid>/cgroup.
    pub(crate) fn cgroup(&self) -> &str {
        &self.cgroup
    }

    /// The 12 digits of its id.
    pub(crate) fn id(&self) -> &str {
        self.cgroup.rsplit_once("/pod-").expect("it ends so").1
    }

    /// Every process in it, by the freezer hierarchy.
    pub(crate) fn processes(&self) -> Vec<Process> {
        let mut found = Vec::new();
        collect(&freezer(&self.cgroup), &mut found);
        found
    }

    /// The processes of one service.
    pub(crate) fn service(&self, name: &str) -> Vec<Process> {
        let leaf = format!("svc-{name}");
        self.processes()
            .into_iter()
            .filter(|process| process.leaf == leaf)
            .collect()
    }

    /// Waits until no process is left in it.
    pub(crate) fn until_dead(&self) {
        wait::until("the death of the pod", PATIENCE, || {
            self.processes().is_empty().then_some(())
        });
    }
}

impl Process {
    fn read(pid: i32, leaf: String) -> Option<Self> {
        let cgroups = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()?;
        let cgroups = cgroups.lines().filter_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            Some((controllers.to_owned(), path.to_owned()))
        });
        Some(Self {
            pid,
            leaf,
            command: command.split_terminator('\0').map(str::to_owned).collect(),
            cgroups: cgroups.collect(),
        })
    }

    /// The identity of its namespace of this kind: `net`, `ipc`, `pid`, `mnt`, `cgroup`, `uts`.
    pub(crate) fn namespace(&self, kind: &str) -> PathBuf {
        let link = format!("/proc/{}/ns/{kind}", self.pid);
        fs::read_link(&link).unwrap_or_else(|error| panic!("{link}: {error}"))
    }
}

fn collect(folder: &Path, found: &mut Vec<Process>) {
    let leaf = folder
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    // A folder that goes while it is read had nothing in it any more.
    let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    let pids = procs.lines().filter_map(|line| line.parse().ok());
    found.extend(pids.filter_map(|pid| Process::read(pid, leaf.clone())));
    let Ok(entries) = fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), found);
        }
    }
}

/// The processes in a control group itself, none of those below.
pub(crate) fn processes_in(cgroup: &str) -> Vec<Process> {
    let procs = fs::read_to_string(freezer(cgroup).join("cgroup.procs")).unwrap_or_default();
    let pids = procs.lines().filter_map(|line| line.parse().ok());
    pids.filter_map(|pid| Process::read(pid, String::new()))
        .collect()
}

/// The folder of a control group in the freezer hierarchy, or in the only one.
fn freezer(cgroup: &str) -> PathBuf {
    let hierarchy = Path::new(CGROUPS).join("freezer");
    let top = if hierarchy.is_dir() {
        hierarchy
    } else {
        CGROUPS.into()
    };
    top.join(cgroup.trim_start_matches('/'))
}
