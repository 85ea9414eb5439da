//! The host that pods run on: containerd, cgroups, and what they have to offer, asked once.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use crate::containerd::{Client, ConnectError, Namespace, RpcError};
use crate::journal::{Folders, FoldersError, Journal, JournalError, Owner, Record};
use crate::oci::{Arch, BaseSpecs, Capability, HostFacts, KernelVersion};
use crate::pod::plan::PodPlan;
use crate::sys::cgroup::{self, Hierarchies};
use crate::sys::{self, process};

use super::exits::{ExitWatcher, Exits};
use super::pause_root;
use super::runtime::{Candidates, ProbeMemo, RuntimeChoice};

/// The one namespace of containerd's that all is in.
pub const NAMESPACE: &str = "compose-executor";
/// `CAP_SYS_RESOURCE`: may raise limits, and lower what the kernel kills by.
const SYS_RESOURCE: u64 = 1 << 24;

/// Where the host's parts are.
#[derive(Clone, Debug)]
pub struct HostOptions {
    /// containerd's socket.
    pub containerd: PathBuf,
    pub runtime: RuntimeChoice,
    pub snapshotter: String,
    pub folders: Folders,
    /// How long containerd may be gone before pods are given up.
    pub lost_after: Duration,
}

/// A host that is ready to run pods.
#[derive(Debug)]
pub struct Host {
    pub(super) client: Client,
    pub(super) snapshotter: String,
    pub(super) folders: Folders,
    pub(super) base: BaseSpecs,
    pub(super) facts: HostFacts,
    pub(super) cgroups: Hierarchies,
    pub(super) pause_root: PathBuf,
    pub(super) memo: ProbeMemo,
    socket: PathBuf,
    choice: RuntimeChoice,
    has_own_network: bool,
    watcher: ExitWatcher,
}

/// Why a host can't run pods. Nothing has been made for one yet.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("the executor does not run as root: containers can't be placed below its cgroup")]
    NotRoot,
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("containerd can't be used")]
    Containerd(#[from] RpcError),
    #[error("containerd does not tell which process it is, so its limits can't be known")]
    Peer,
    #[error(
        "containerd is in another {0} namespace than the executor, so paths and processes don't mean the same to both"
    )]
    Namespace(&'static str),
    #[error("containerd's process can't be looked at")]
    Process(#[source] process::Error),
    #[error(transparent)]
    Path(#[from] sys::PathError),
    #[error("the cgroups of this host can't be used")]
    Cgroups(#[from] cgroup::Error),
    #[error("containerd has no snapshotter \"{0}\"")]
    Snapshotter(String),
    #[error(transparent)]
    Folders(#[from] FoldersError),
    #[error("pods are not run on this kind of machine: the pause program is not written for it")]
    Architecture,
    #[error("the root of the pause container can't be made below {root}")]
    PauseRoot {
        root: PathBuf,
        source: std::io::Error,
    },
}

impl Host {
    /// Connects to containerd and looks at the host.
    ///
    /// # Panics
    /// Never: the namespace's name is a good one.
    pub async fn open(options: HostOptions) -> Result<Self, HostError> {
        if !sys::host::is_root() {
            return Err(HostError::NotRoot);
        }
        options.folders.ensure()?;
        let namespace = Namespace::from_str(NAMESPACE).expect("the name is an identifier");
        let client = Client::connect(&options.containerd, namespace).await?;
        let server = client.server();
        let pid = server
            .pid
            .and_then(|pid| u32::try_from(pid).ok())
            .ok_or(HostError::Peer)?;
        let has_own_network = check_namespaces(pid)?;
        if !server
            .snapshotters()
            .any(|name| name == options.snapshotter)
        {
            return Err(HostError::Snapshotter(options.snapshotter));
        }
        let cgroups = Hierarchies::of_this_process()?;
        let root = options.folders.root();
        let pause_root = pause_root::ensure(root).map_err(|source| HostError::PauseRoot {
            root: root.to_owned(),
            source,
        })?;
        let memo = ProbeMemo::new(
            options.folders.state(),
            &sys::host::boot_id()?,
            &server.version,
            &search_path(pid),
            &cgroups.unified_controllers(),
        );
        let facts = facts(pid, &cgroups)?;
        client.namespaces().ensure().await?;
        let watcher = ExitWatcher::start(client.clone(), options.lost_after).await?;
        Ok(Self {
            client,
            snapshotter: options.snapshotter,
            folders: options.folders,
            base: BaseSpecs::embedded(),
            facts,
            cgroups,
            pause_root,
            memo,
            socket: options.containerd,
            choice: options.runtime,
            has_own_network,
            watcher,
        })
    }

    /// The cgroup of this process, below which pods are put; none where it is in the root.
    pub fn cgroup_base(&self) -> Option<&str> {
        self.cgroups.base()
    }

    /// Whether Mesos has put this process in a network namespace of its own.
    pub fn has_own_network(&self) -> bool {
        self.has_own_network
    }

    pub fn cgroups(&self) -> &Hierarchies {
        &self.cgroups
    }

    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn folders(&self) -> &Folders {
        &self.folders
    }

    /// What the host lets containers have.
    pub fn facts(&self) -> &HostFacts {
        &self.facts
    }

    /// Ends what was started with the host.
    pub async fn close(self) {
        self.watcher.stop().await;
    }

    pub(super) fn listen(&self) -> Exits {
        self.watcher.listen()
    }

    pub(super) fn candidates(&self) -> Candidates {
        self.memo.candidates(self.choice)
    }

    /// Takes the pod's lock and writes its record.
    pub(super) fn record(&self, plan: &PodPlan, owner: Owner) -> Result<Journal, JournalError> {
        let record = Record::of(plan, owner, &self.socket, NAMESPACE, &self.snapshotter)?;
        Journal::create(&self.folders, record)
    }
}

/// Whether this process has another network than containerd, whose is the host's. Mounts and
/// processes must be the same for both.
fn check_namespaces(containerd: u32) -> Result<bool, HostError> {
    let theirs = process::Namespaces::of(containerd)?;
    let ours = process::Namespaces::of_this_process()?;
    if theirs.mount != ours.mount {
        return Err(HostError::Namespace("mount"));
    }
    if theirs.pid != ours.pid {
        return Err(HostError::Namespace("PID"));
    }
    Ok(theirs.network != ours.network)
}

/// What containerd's process has: its children, the containers, can't have more.
fn facts(containerd: u32, cgroups: &Hierarchies) -> Result<HostFacts, HostError> {
    let bounding = process::capability_bounding_set(containerd).map_err(HostError::Process)?;
    let limits = process::rlimits(containerd).map_err(HostError::Process)?;
    let nofile = limits
        .iter()
        .find(|(name, _)| *name == "RLIMIT_NOFILE")
        .map(|(_, limit)| limit.hard);
    let named = |capability: caps::Capability| {
        Capability::from_str(capability.to_string().trim_start_matches("CAP_")).ok()
    };
    let oom_score_floor = if bounding & SYS_RESOURCE == 0 {
        oom_score(containerd)
    } else {
        -1000
    };
    Ok(HostFacts {
        arch: Arch::current().ok_or(HostError::Architecture)?,
        kernel: KernelVersion::parse(&sys::host::kernel_release()?)
            .unwrap_or(KernelVersion { major: 0, minor: 0 }),
        cgroup_namespace: Path::new("/proc/self/ns/cgroup").exists(),
        swap_limit: swap_limit(cgroups),
        bounding: caps::all()
            .into_iter()
            .filter(|cap| bounding & cap.bitmask() != 0)
            .filter_map(named)
            .collect(),
        nofile_hard: nofile.flatten().unwrap_or(u64::MAX),
        oom_score_floor,
        masked_paths: thermal_throttles(),
    })
}

fn oom_score(pid: u32) -> i32 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/oom_score_adj")).unwrap_or_default();
    text.trim().parse().unwrap_or_default()
}

fn swap_limit(cgroups: &Hierarchies) -> bool {
    cgroups.with("memory").is_some_and(|memory| {
        let own = memory.mount.join(memory.own.trim_start_matches('/'));
        memory.mount.join("memory.memsw.limit_in_bytes").exists()
            || own.join("memory.swap.max").exists()
    })
}

/// Only some machines have them; the mask must name each.
fn thermal_throttles() -> Vec<String> {
    let cpus = std::fs::read_dir("/sys/devices/system/cpu")
        .into_iter()
        .flatten()
        .flatten();
    let mut paths: Vec<String> = cpus
        .map(|cpu| cpu.path().join("thermal_throttle"))
        .filter(|path| path.exists())
        .map(|path| path.display().to_string())
        .collect();
    paths.sort();
    paths
}

/// PATH of another process: what it would find programs by.
fn search_path(pid: u32) -> String {
    const DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    let path = environment
        .split(|&byte| byte == 0)
        .find_map(|entry| entry.strip_prefix(b"PATH="));
    path.map_or_else(
        || DEFAULT.to_owned(),
        |path| String::from_utf8_lossy(path).into_owned(),
    )
}
