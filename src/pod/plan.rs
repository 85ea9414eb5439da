//! What will be done: a pod with every id, path and limit decided, before anything is.
//!
//! `plan` prints it, a launch carries it out. What only an image can tell (its command, its user's
//! number) is left for [`crate::oci`].

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::life::LifePlan;
use super::logging::LoggingPlan;
use super::names::{CgroupPath, ContainerId, PodId};
use super::order::StartOrder;
use crate::compose::model::{ByteSize, NfsVolume, Propagation};
use crate::compose::source::{Span, Spanned};

pub use super::context::PodLimits;
pub use super::devices::{DeviceAccess, DeviceKind, DevicePlan, DeviceRule};
pub use super::limits::{BlockIoPlan, DeviceAmount, LimitsPlan, Swap};
pub use super::rights::{CapabilityPlan, RightsPlan};
pub use super::security_opt::{SeccompPlan, SelinuxPlan};
pub use super::sharing::{IpcPlan, NamespacesPlan, Sharing};

/// A pod that is fully decided.
#[derive(Clone, Debug)]
pub struct PodPlan {
    pub id: PodId,
    /// The task's id, or the project's name without Mesos: what people know the pod by.
    pub task: String,
    pub project: String,
    pub sandbox: SandboxPlan,
    /// In the order of the file.
    pub containers: Vec<ContainerPlan>,
    pub order: StartOrder,
    /// Volumes that containers mount, each once.
    pub volumes: Vec<VolumePlan>,
    /// Images that containers mount.
    pub images: Vec<ImageMountPlan>,
    /// Where further mounts are pinned, and further volumes without a name are.
    pub pins: Numbered,
    pub anonymous: Numbered,
    /// The folder of the services' own logs; none where no service keeps one.
    pub logs: Option<PathBuf>,
    /// Archives that hold images. Absolute.
    pub archives: Vec<PathBuf>,
    /// How long a stop takes at most when nothing shortens it: the sum over the levels of the
    /// longest grace in each.
    pub stop_grace: Duration,
}

impl PodPlan {
    pub fn container(&self, service: &str) -> Option<&ContainerPlan> {
        self.containers
            .iter()
            .find(|container| container.service.value == service)
    }
}

/// What the containers share: the pause container with its namespaces, and the cgroups.
#[derive(Clone, Debug)]
pub struct SandboxPlan {
    pub id: ContainerId,
    /// The pod's cgroup; all others are below it.
    pub cgroup: CgroupPath,
    pub network: NetworkPlan,
    pub hostname: String,
    /// One /dev/shm for all.
    pub shm_size: ByteSize,
    /// For all processes of the pod together.
    pub pids_limit: u64,
    /// What else its own cgroup holds it to.
    pub limits: PodLimits,
    /// Settings of the network and IPC namespaces that services share.
    pub sysctls: BTreeMap<String, String>,
}

/// Whose network the pod uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkPlan {
    /// A network namespace of its own, bound to this path, with loopback up.
    Own { netns: PathBuf },
    /// The namespace that Mesos gave the executor: a path below /proc.
    Executor { netns: PathBuf },
    /// The host's: the operator wants it so.
    Host,
}

impl NetworkPlan {
    /// The namespace to join; none for the host's.
    pub fn netns(&self) -> Option<&PathBuf> {
        match self {
            Self::Own { netns } | Self::Executor { netns } => Some(netns),
            Self::Host => None,
        }
    }
}

/// One service's container.
#[derive(Clone, Debug)]
pub struct ContainerPlan {
    pub service: Spanned<String>,
    pub id: ContainerId,
    pub cgroup: CgroupPath,
    pub image: Spanned<String>,
    pub process: ProcessPlan,
    pub hostname: String,
    pub domainname: Option<String>,
    pub dns: DnsPlan,
    /// Address and names, in the order of the hosts file; the standard entries go before.
    pub hosts: Vec<(IpAddr, Vec<String>)>,
    /// In the order in which they are mounted: a path comes before what lies below it.
    pub mounts: Vec<MountPlan>,
    pub volumes_from: Vec<VolumesFrom>,
    pub read_only: bool,
    /// The program that runs it; none for the one that runs the pod.
    pub runtime: Option<RuntimeName>,
    pub namespaces: NamespacesPlan,
    /// Settings of the namespaces that are this container's own.
    pub sysctls: BTreeMap<String, String>,
    pub limits: LimitsPlan,
    pub rights: RightsPlan,
    pub stop: StopPlan,
    pub life: LifePlan,
    pub logging: LoggingPlan,
    /// For our own records; they never become labels of containerd's.
    pub labels: BTreeMap<String, String>,
    /// Of the runtime document.
    pub annotations: BTreeMap<String, String>,
}

/// A program that runs containers as the OCI's runtime specification has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeName {
    Runc,
    Crun,
}

impl RuntimeName {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Runc => "runc",
            Self::Crun => "crun",
        }
    }
}

/// What is known of a container's process without its image.
#[derive(Clone, Debug)]
pub struct ProcessPlan {
    /// `Some(empty)` clears the image's; a given entrypoint clears the image's command too.
    pub entrypoint: Option<Vec<String>>,
    pub command: Option<Vec<String>>,
    /// The file's, over the image's; no value removes the image's.
    pub environment: Vec<(String, Option<String>)>,
    /// What every container of a task gets (`MESOS_TASK_ID`, `HOST`, `PORT`…), under the file's.
    pub task_environment: Vec<(String, String)>,
    pub working_dir: Option<String>,
    pub user: Option<Spanned<String>>,
    /// Further groups, by name or number.
    pub groups: Vec<Spanned<String>>,
    pub tty: bool,
    /// It runs below an init of ours, which reaps and hands signals on.
    pub init: bool,
    pub rlimits: Vec<RlimitPlan>,
    pub oom_score_adj: Option<i32>,
}

/// A resource limit of a process, setrlimit(2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RlimitPlan {
    /// `RLIMIT_NOFILE`.
    pub name: String,
    /// None is unlimited.
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// What a container's resolver is told. What is empty is left to the host's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DnsPlan {
    pub servers: Vec<String>,
    /// A single `.` stands for no search domain at all.
    pub search: Vec<String>,
    pub options: Vec<String>,
}

/// Whose mounts a container has beside its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VolumesFrom {
    /// The other container's place in the plan.
    pub container: usize,
    pub read_only: bool,
}

/// One mount of a container, beside those that every container has.
#[derive(Clone, Debug)]
pub struct MountPlan {
    pub source: MountSource,
    /// Absolute, in the container.
    pub target: Spanned<PathBuf>,
    pub read_only: bool,
}

impl MountPlan {
    /// The target without doubled and trailing slashes.
    pub(super) fn clean_target(&self) -> PathBuf {
        self.target.components().collect()
    }

    /// What mounts are sorted by: a path comes before what lies below it.
    pub(super) fn depth(&self) -> usize {
        self.target.components().count()
    }
}

/// What is mounted. What others could exchange is opened and bound to `pinned` before the container
/// is made, so that a link put in its place later changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A file or folder of the user's, in executor mode beneath the sandbox.
    Bind {
        path: PathBuf,
        /// Make it, a folder, where it is missing.
        create: bool,
        submounts: Submounts,
        propagation: Propagation,
        pinned: PathBuf,
    },
    /// One of the plan's volumes, or what is in it below `subpath`.
    Volume {
        name: String,
        subpath: Option<PathBuf>,
        /// Whether an empty volume gets what the image has in its place.
        copy: bool,
        pinned: PathBuf,
    },
    /// Options as tmpfs(5) and mount(8) have them; `size=` among them.
    Tmpfs { options: Vec<String> },
    /// One of the plan's images, by its place there, or what is in it below `subpath`. Read-only.
    Image {
        image: usize,
        subpath: Option<PathBuf>,
        pinned: PathBuf,
    },
    /// A config or a secret.
    File(FilePlan),
}

/// What becomes of mounts below a folder that is bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Submounts {
    /// They come along, and are read-only where the folder is.
    AsTop,
    /// They come along, and can be written where they could.
    Writable,
    /// They stay behind.
    Left,
}

/// Paths that are given out one after the other: `<folder>/0`, `<folder>/1`…
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    folder: PathBuf,
    given: usize,
}

impl Numbered {
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, given: 0 }
    }

    pub(super) fn next(&mut self) -> PathBuf {
        let path = self.folder.join(self.given.to_string());
        self.given += 1;
        path
    }
}

/// The folder in the pod's own that holds configs and secrets: it is in memory.
pub const SECRETS_FOLDER: &str = "secrets";

/// A config or a secret as one container gets it: a file in memory, which no disk ever sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilePlan {
    /// What it is in the file: `secrets.token`.
    pub name: String,
    pub origin: FileOrigin,
    pub uid: u32,
    pub gid: u32,
    /// Permission bits.
    pub mode: u32,
    /// Where it is written, in a folder of the pod's that is in memory.
    pub path: PathBuf,
}

/// Where the content of a config or a secret comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileOrigin {
    /// A file of the user's, read at the launch.
    File(PathBuf),
    /// A variable, whose value this is.
    Environment(String, FileContent),
    /// The Compose file itself.
    Content(FileContent),
}

/// A content that is shown by its length alone.
#[derive(Clone, PartialEq, Eq)]
pub struct FileContent(pub String);

impl fmt::Debug for FileContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} bytes)", self.0.len())
    }
}

/// A volume: one that the file names, or one without a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumePlan {
    /// No other of the plan's has it. One that the file does not give begins with a plus sign.
    pub name: String,
    pub place: VolumePlace,
    /// Where the file declares it; none for one without a name.
    pub declared: Option<Span>,
}

/// Where a volume is, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumePlace {
    /// A folder that ends with the pod, or with its sandbox. It is made.
    Pod { path: PathBuf },
    /// A folder that `up` keeps. It is made where it is missing.
    Kept { path: PathBuf },
    /// One that `up` has kept, and that must be there.
    External { path: PathBuf },
    /// A tmpfs of the pod's, with options as [`MountSource::Tmpfs`] has them.
    Tmpfs { path: PathBuf, options: Vec<String> },
    /// A folder of the user's, which must be there.
    Bind { path: PathBuf, read_only: bool },
    /// A folder that the operator has given this name, and that must be there. Nothing is made in it.
    Operators { path: PathBuf, read_only: bool },
    /// A folder of a server's, mounted for the pod.
    Nfs { path: PathBuf, volume: NfsVolume },
}

impl VolumePlan {
    /// The next volume without a name.
    pub(super) fn anonymous(places: &mut Numbered) -> Self {
        let name = format!("+{}", places.given);
        let path = places.next();
        Self {
            name,
            place: VolumePlace::Pod { path },
            declared: None,
        }
    }

    pub fn path(&self) -> &Path {
        match &self.place {
            VolumePlace::Pod { path }
            | VolumePlace::Kept { path }
            | VolumePlace::External { path }
            | VolumePlace::Tmpfs { path, .. }
            | VolumePlace::Bind { path, .. }
            | VolumePlace::Operators { path, .. }
            | VolumePlace::Nfs { path, .. } => path,
        }
    }

    /// Whether no container may write in it.
    pub fn is_read_only(&self) -> bool {
        match &self.place {
            VolumePlace::Bind { read_only, .. } | VolumePlace::Operators { read_only, .. } => {
                *read_only
            }
            VolumePlace::Nfs { volume, .. } => volume.read_only,
            VolumePlace::Pod { .. }
            | VolumePlace::Kept { .. }
            | VolumePlace::External { .. }
            | VolumePlace::Tmpfs { .. } => false,
        }
    }

    /// Whether what a pod's images and mounts want of it is made in it: a volume is a pod's to fill,
    /// but for what is the operator's.
    pub fn is_filled(&self) -> bool {
        !self.is_read_only() && !matches!(self.place, VolumePlace::Operators { .. })
    }
}

/// An image that is mounted, and not run.
#[derive(Clone, Debug)]
pub struct ImageMountPlan {
    pub service: String,
    pub image: Spanned<String>,
    /// The key of its snapshot.
    pub key: String,
    /// Where it is mounted on the host.
    pub path: PathBuf,
}

/// How a container is stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopPlan {
    /// None: the image's, else SIGTERM.
    pub signal: Option<Signal>,
    pub grace: Duration,
}

/// The number of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signal(pub i32);

impl Signal {
    pub const TERM: Self = Self(15);
    pub const KILL: Self = Self(9);
}
