//! What a plan needs to know beside the project: whose pod it is, and where it may put what.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use super::names::{CgroupPath, PodId};
use super::plan::NetworkPlan;

/// The surroundings of one pod.
#[derive(Clone, Debug)]
pub struct PodContext {
    pub id: PodId,
    /// The task's id, or the project's name without Mesos.
    pub task: String,
    /// The cgroup that the pod's own goes below.
    pub cgroup_base: CgroupPath,
    pub network: NetworkPlan,
    pub ports: PortsRule,
    /// What `ports` may mean where the file asks for the host's network.
    pub host_ports: PortsRule,
    pub kernel: Kernel,
    /// The pod's folder in `--state`.
    pub run_dir: PathBuf,
    pub binds: BindsRule,
    pub volumes: VolumesRule,
    /// Variables for every container, under those of the file.
    pub environment: Vec<(String, String)>,
    /// Archives of images that the task names, beside those of the file. Absolute.
    pub archives: Vec<PathBuf>,
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
    /// Those beneath the sandbox.
    Beneath(PathBuf),
    /// What the user who types `up` names.
    Anywhere,
}

/// Where named volumes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumesRule {
    /// `<sandbox>/compose-executor/volumes`: they end with the sandbox.
    Sandbox(PathBuf),
    /// `<root>/volumes`, under the project's name: they are kept.
    Kept(PathBuf),
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
