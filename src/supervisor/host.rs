//! The host that pods run on: containerd, cgroups, and what they have to offer, asked once.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use tracing::warn;

use crate::containerd::{
    Client, ConnectError, Deadlines, Namespace, RpcError, Runtime, RuntimeOptions, Server,
};
use crate::journal::{Folders, FoldersError, Journal, JournalError, Owner, Record};
use crate::oci::{BaseSpecs, HostFacts};
use crate::pod::context::Kernel;
use crate::pod::plan::PodPlan;
use crate::sys::cgroup::{self, Hierarchies};
use crate::sys::{self, process};

use super::facts;
use super::logs::Outputs;
use super::programs;
use super::runtime::{Candidates, OciRuntime, ProbeMemo, RuntimeChoice};

/// The one namespace of containerd's that all is in.
pub const NAMESPACE: &str = "compose-executor";

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
    /// How long containerd may take to create, start, signal or delete a container.
    pub deadline: Duration,
}

/// A host that is ready to run pods.
#[derive(Debug)]
pub struct Host {
    pub(super) client: Client,
    pub(super) snapshotter: String,
    pub(super) folders: Folders,
    pub(super) base: BaseSpecs,
    pub(super) facts: HostFacts,
    kernel: Kernel,
    pub(super) cgroups: Hierarchies,
    pub(super) pause_root: PathBuf,
    /// What joins a service to its pod's shim; none where containerd does that itself.
    pod_shim: Option<PathBuf>,
    pub(super) memo: ProbeMemo,
    /// Where the containers of all pods write.
    pub(super) outputs: Outputs,
    socket: PathBuf,
    choice: RuntimeChoice,
    has_own_network: bool,
    /// How long containerd may be gone before pods are given up.
    pub(super) lost_after: Duration,
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
    #[error("the standard output can't be written from another thread")]
    Outputs(#[source] std::io::Error),
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
        let client = client.with_deadlines(Deadlines {
            task: options.deadline,
            ..Deadlines::default()
        });
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
        let pause_root =
            programs::ensure_pause_root(root).map_err(|source| HostError::PauseRoot {
                root: root.to_owned(),
                source,
            })?;
        let pod_shim = pod_shim(client.server(), root);
        let memo = ProbeMemo::new(
            options.folders.state(),
            &sys::host::boot_id()?,
            &server.version,
            &search_path(pid),
            &cgroups.unified_controllers(),
        );
        let facts = facts::of_process(pid, &cgroups)?;
        let kernel = facts::kernel(&cgroups);
        client.namespaces().ensure().await?;
        Ok(Self {
            client,
            snapshotter: options.snapshotter,
            folders: options.folders,
            base: BaseSpecs::embedded(),
            facts,
            kernel,
            cgroups,
            pause_root,
            pod_shim,
            memo,
            outputs: Outputs::of_this_process().map_err(HostError::Outputs)?,
            socket: options.containerd,
            choice: options.runtime,
            has_own_network,
            lost_after: options.lost_after,
        })
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

    /// What the machine has.
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// The shim of a service, as containerd calls it: the pod's, told by the quickest way there is.
    pub(super) fn service_runtime(&self, options: RuntimeOptions) -> Runtime {
        match &self.pod_shim {
            Some(program) => Runtime {
                name: program.display().to_string(),
                options,
            },
            None => Runtime {
                options,
                ..Runtime::default()
            },
        }
    }

    pub(super) fn candidates(&self) -> Candidates {
        self.memo.candidates(self.choice)
    }

    /// crun's program, if the pod may be run with it.
    pub(super) fn crun_for(&self, plan: &PodPlan) -> Option<&Path> {
        let mut asked = plan.containers.iter().filter_map(|it| it.runtime);
        let is_asked = asked.any(|name| OciRuntime::from(name) == OciRuntime::Crun);
        let is_tried = self.candidates() != Candidates::One(OciRuntime::Runc);
        self.memo.crun().filter(|_| is_asked || is_tried)
    }

    /// Takes the pod's lock and writes its record.
    pub(super) fn record(&self, plan: &PodPlan, owner: Owner) -> Result<Journal, JournalError> {
        let record = Record::of(plan, owner, &self.socket, NAMESPACE, &self.snapshotter)?;
        Journal::create(&self.folders, record)
    }
}

/// A containerd that knows sandboxes gives a service to the shim of its pod without asking anybody.
/// Others start a shim to be told; they are given a program that tells it at once. Without it they
/// start their own.
fn pod_shim(server: &Server, root: &Path) -> Option<PathBuf> {
    if server.has_sandboxes() {
        return None;
    }
    programs::ensure_pod_shim(root)
        .inspect_err(|error| warn!(%error, "pods start slower: a program can't be placed"))
        .ok()
        .filter(|path| path.to_str().is_some())
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
