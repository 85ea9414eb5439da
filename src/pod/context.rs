//! What a plan needs to know beside the project: whose pod it is, and where it may put what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::logging::LogsRule;
use super::names::{CgroupPath, PodId};
use super::plan::NetworkPlan;
use crate::compose::model::{ByteSize, Cpus};

/// The surroundings of one pod.
#[derive(Clone, Debug)]
pub struct PodContext {
    pub id: PodId,
    /// The task's id, or the project's name without Mesos.
    pub task: String,
    /// The cgroup that the pod's own goes below.
    pub cgroup_base: CgroupPath,
    pub limits: PodLimits,
    pub network: NetworkPlan,
    pub ports: PortsRule,
    /// What `ports` may mean where the file asks for the host's network.
    pub host_ports: PortsRule,
    pub kernel: Kernel,
    /// The pod's folder in `--state`.
    pub run_dir: PathBuf,
    pub binds: BindsRule,
    pub volumes: VolumesRule,
    pub logs: LogsRule,
    /// Variables for every container, under those of the file.
    pub environment: Vec<(String, String)>,
    /// What `environment` of a config or a secret is looked up in.
    pub variables: Variables,
    /// The host as its pods reach it: what `host-gateway` stands for. None where it is not known.
    pub host_address: Option<IpAddr>,
    /// Archives of images that the task names, beside those of the file. Absolute.
    pub archives: Vec<PathBuf>,
}

/// What the pod's own cgroup holds it to, beside a number of processes: none of it where cgroups
/// above the pod's do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PodLimits {
    /// Its share of CPU time among its siblings.
    pub cpu_shares: Option<Cpus>,
    /// The most CPU time.
    pub cpus: Option<Cpus>,
    pub memory: Option<ByteSize>,
    /// What is left to it while others have some to spare.
    pub memory_reservation: Option<ByteSize>,
}

/// The variables that the project was loaded with. Their values are not for logs.
#[derive(Clone, Default)]
pub struct Variables(pub BTreeMap<String, String>);

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What `ports` may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortsRule {
    /// Publishing is not there yet, and a framework counts on it: refuse.
    Refused,
    /// Publishing is not there yet: say so, and go on.
    NotPublished,
    /// The pod has the executor's network to itself: nothing to map.
    Reachable,
    /// The pod has the host's network: a port must be in the task's offer.
    Offered(Vec<RangeInclusive<u16>>),
}

/// Which of the host's files may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BindsRule {
    /// Those beneath the sandbox, and beneath what the operator has opened.
    Beneath(Vec<PathBuf>),
    /// What the user who types `up` names.
    Anywhere,
}

impl BindsRule {
    /// Whether a path may be named, by its text: what it stands for is the kernel's to say.
    pub(super) fn allow(&self, path: &Path) -> bool {
        match self {
            Self::Beneath(places) => places.iter().any(|place| path.starts_with(place)),
            Self::Anywhere => true,
        }
    }
}

/// Where volumes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumesRule {
    pub life: VolumeLife,
    /// The folder of those with a name.
    pub named: PathBuf,
    /// The folder of those without. They end with the pod.
    pub anonymous: PathBuf,
    /// Those that the operator has, for files that call them external.
    pub external: Vec<ExternalVolume>,
}

/// A folder of the host's that its operator has given a volume's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExternalVolume {
    pub name: String,
    pub path: PathBuf,
    pub read_only: bool,
}

/// How long a named volume lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VolumeLife {
    /// It ends with the task's sandbox, in which it is.
    Sandbox,
    /// It is kept, under the project's name.
    Kept,
}

/// What the machine and its kernel have, as far as a file can ask for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    pub cgroups: CgroupVersion,
    /// As the OCI has it: `amd64`.
    pub architecture: String,
    /// The CPUs that containers can be given, by number.
    pub cpus: BTreeSet<u32>,
    /// Block devices can be shared by weight.
    pub block_weight: bool,
    /// CPU time can be given to realtime processes by cgroup.
    pub realtime: bool,
    pub security_modules: BTreeSet<SecurityModule>,
}

/// What a kernel may have to confine processes by their labels or profiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SecurityModule {
    AppArmor,
    Selinux,
}

impl Kernel {
    pub(super) fn has(&self, module: SecurityModule) -> bool {
        self.security_modules.contains(&module)
    }
}

/// The version of the cgroup interface that limits are set by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupVersion {
    V1,
    V2,
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A task's pod in the sandbox of [`crate::compose::testing::FOLDER`].
    pub(crate) fn context() -> PodContext {
        PodContext {
            id: PodId::try_from("0123456789ab").unwrap(),
            task: "task".to_owned(),
            cgroup_base: CgroupPath::try_from("/mesos/4f0a").unwrap(),
            limits: PodLimits::default(),
            network: NetworkPlan::Host,
            ports: PortsRule::Reachable,
            host_ports: PortsRule::Reachable,
            kernel: crate::pod::testing::kernel(),
            run_dir: "/run/pod".into(),
            binds: BindsRule::Beneath(vec!["/p".into()]),
            volumes: VolumesRule {
                life: VolumeLife::Sandbox,
                named: "/p/own/volumes".into(),
                anonymous: "/p/own/anonymous".into(),
                external: Vec::new(),
            },
            logs: LogsRule {
                folder: "/p/own/logs".into(),
                max_size: ByteSize(50 << 20),
                max_files: 5,
            },
            environment: Vec::new(),
            variables: Variables::default(),
            host_address: None,
            archives: Vec::new(),
        }
    }
}
