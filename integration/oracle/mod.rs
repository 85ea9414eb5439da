//! The leak oracle: tells whether a pod left anything on the host.
//!
//! It looks at the host before a test and after, and what is there only after is a leak. It knows
//! nothing of how the executor works: it asks the kernel, containerd's own client and the folders
//! that pods use. It looks while the lab still runs, since stopping the lab sweeps.
//!
//! The kinds have the numbers of the leak list in the design, L1 to L18. Sandboxes and their logs
//! are Mesos' to remove; images that an operator loaded, the pause program's folder below `--root`
//! and what is remembered of the runtime below `--state` are meant to stay.

pub(crate) mod cgroups;
mod containerd;
pub(crate) mod files;
mod mounts;
pub(crate) mod network;
pub(crate) mod processes;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use nix::unistd::Pid;

use crate::lab::host::CGROUPS;
use crate::lab::{Lab, cgroup_name};
use crate::wait;

/// What can be left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// L1: a process in a pod's control group, or one that was told the lab's folders.
    Process,
    /// L2: a shim that serves our containerd, or one of the program's own.
    Shim,
    /// L3
    Container,
    /// L4
    Task,
    /// L5: a snapshot; also an image or a blob that only a pod wanted.
    Snapshot,
    Image,
    Blob,
    /// L6
    Lease,
    /// L7: a blob that somebody has begun to write.
    Ingest,
    /// L8: the folders of a container below containerd's own.
    Bundle,
    /// L9: a socket in /run/containerd/s that nobody listens to.
    DeadSocket,
    /// L10: a FIFO or a socket below `--state`, or below /run/containerd/fifo.
    Io,
    /// L11
    Mount,
    /// L12: a network namespace, an interface, a packet filter rule.
    Network,
    /// L13: what CNI and its address manager remember.
    CniCache,
    /// L14: a control group, in any hierarchy.
    Cgroup,
    /// L15: a record, a lock, a trigger: any file or folder below `--root` and `--state`.
    Record,
    /// L16: a port that a process of ours listens on.
    Port,
    /// L17: descriptors and memory of containerd itself.
    Daemon,
    /// L18: what runc and crun keep of a container.
    RuntimeState,
}

/// One thing that is on the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    pub(crate) kind: Kind,
    pub(crate) what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.what)
    }
}

/// A line for each, the same control group in several hierarchies on one.
pub(crate) fn report(findings: &[Finding]) -> String {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut lines = Vec::new();
    for finding in findings {
        let below = finding
            .what
            .strip_prefix(CGROUPS)
            .and_then(|path| path.get(1..));
        match below.and_then(|path| path.split_once('/')) {
            Some((hierarchy, group)) if finding.kind == Kind::Cgroup => {
                groups.entry(group).or_default().push(hierarchy);
            }
            _ => lines.push(finding.to_string()),
        }
    }
    let group = |(path, hierarchies): (&str, Vec<&str>)| {
        format!("{:?}: /{path} of {}", Kind::Cgroup, hierarchies.join(", "))
    };
    lines.extend(groups.into_iter().map(group));
    lines.join("\n")
}

/// What there was to see at one moment.
#[derive(Debug)]
pub(crate) struct View {
    found: BTreeSet<Finding>,
    daemon: Option<Daemon>,
}

/// What containerd itself uses.
#[derive(Debug, Clone, Copy)]
struct Daemon {
    descriptors: usize,
    memory: u64,
}

impl Daemon {
    /// Descriptors that come and go with the oracle's own questions and the runtime's poller.
    const SPARE_DESCRIPTORS: usize = 8;
    /// A garbage-collected heap breathes; this is about one image import of it.
    const SPARE_MEMORY: u64 = 48 << 20;

    /// Growth by more than a twentieth, and more than what comes and goes.
    fn grown_since(self, before: Self) -> Option<String> {
        let descriptors =
            before.descriptors + (before.descriptors / 20).max(Self::SPARE_DESCRIPTORS);
        let memory = before.memory + (before.memory / 20).max(Self::SPARE_MEMORY);
        (self.descriptors > descriptors || self.memory > memory)
            .then(|| format!("{before:?} before, {self:?} now"))
    }
}

/// Which part of the host is ours: whatever else runs on the machine is left out of it.
#[derive(Debug)]
pub(crate) struct Oracle<'lab> {
    lab: Option<&'lab Lab>,
}

impl<'lab> Oracle<'lab> {
    /// Looks at a lab that runs.
    pub(crate) fn over(lab: &'lab Lab) -> Self {
        Self { lab: Some(lab) }
    }

    /// Looks at what stays when no lab runs.
    pub(crate) fn over_host() -> Self {
        Self { lab: None }
    }

    /// What there is now.
    pub(crate) fn look(&self) -> View {
        let mut found = BTreeSet::new();
        let mut daemon = None;
        let mut add = |kind, what: Vec<String>| {
            found.extend(what.into_iter().map(|what| Finding { kind, what }));
        };
        let folder = self.folder();
        add(
            Kind::Process,
            processes::ours(cgroups::of_pods, folder.as_deref()),
        );
        add(
            Kind::Port,
            network::listening(cgroups::of_pods, folder.as_deref()),
        );
        let mut groups = cgroups::list(cgroups::of_pods);
        if self.lab.is_some() {
            // Mesos' own root, which it leaves itself; in hierarchies that it has nothing to do
            // with, an executor can't tell whether another one is just about to use it.
            let mesos = format!("/{}", cgroup_name("mesos"));
            groups.retain(|group| !group.ends_with(&mesos));
        }
        add(Kind::Cgroup, groups);
        add(Kind::CniCache, files::cni_caches());
        add(Kind::Network, network::left());
        if let Some(folder) = &folder {
            add(Kind::Mount, mounts::naming(folder));
        }
        if let Some(lab) = self.lab {
            // The lab's own containerd is in it, and so would be one that `up` has started.
            let folder = lab.folder().display().to_string();
            add(
                Kind::Shim,
                processes::described(&["containerd-shim", &folder]),
            );
            add(Kind::Io, files::pipes(&lab.state()));
            add(Kind::Record, files::records(&lab.root(), &lab.state()));
            add(Kind::Bundle, files::bundles(lab.containerd()));
            add(Kind::DeadSocket, files::dead_sockets(lab.containerd()));
            add(Kind::RuntimeState, files::runtime_state(lab.containerd()));
            for (kind, what) in containerd::objects(lab.containerd()) {
                add(kind, what);
            }
            daemon = lab.containerd().pid().and_then(Daemon::of);
        }
        View { found, daemon }
    }

    /// Waits a while for what is on its way out, and returns what stays.
    pub(crate) fn left_since(&self, before: &View, patience: Duration) -> Vec<Finding> {
        let mut left = Vec::new();
        wait::within(patience, || {
            left = self.look().beyond(before);
            left.is_empty().then_some(())
        });
        left
    }

    fn folder(&self) -> Option<PathBuf> {
        self.lab.map(|lab| lab.folder().to_owned())
    }
}

impl View {
    fn beyond(&self, before: &Self) -> Vec<Finding> {
        let mut new: Vec<_> = self.found.difference(&before.found).cloned().collect();
        if let (Some(before), Some(now)) = (before.daemon, self.daemon)
            && let Some(what) = now.grown_since(before)
        {
            new.push(Finding {
                kind: Kind::Daemon,
                what,
            });
        }
        new
    }
}

impl Daemon {
    fn of(pid: Pid) -> Option<Self> {
        let process = procfs::process::Process::new(pid.as_raw()).ok()?;
        Some(Self {
            descriptors: process.fd_count().ok()?,
            memory: process.statm().ok()?.resident * procfs::page_size(),
        })
    }
}
