//! What a host lets containers have: asked of containerd's process, whose children they are, and of
//! the kernel.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use super::host::HostError;
use crate::containerd::{Client, Namespace};
use crate::image::Platform;
use crate::oci::{Arch, Capability, HostFacts, KernelVersion, PosixRlimitType};
use crate::pod::context::{CgroupVersion, Kernel, SecurityModule};
use crate::sys::cgroup::{Hierarchies, Hierarchy};
use crate::sys::{self, process};

/// `CAP_SYS_RESOURCE`: may raise limits, and lower what the kernel kills by.
const SYS_RESOURCE: u64 = 1 << 24;

/// What containerd's process has: its children, the containers, can't have more.
pub(super) fn of_process(containerd: u32, cgroups: &Hierarchies) -> Result<HostFacts, HostError> {
    let bounding = process::capability_bounding_set(containerd).map_err(HostError::Process)?;
    let named = |capability: caps::Capability| {
        Capability::from_str(capability.to_string().trim_start_matches("CAP_")).ok()
    };
    let may_raise = bounding & SYS_RESOURCE != 0;
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
        rlimits: rlimits(containerd, may_raise)?,
        oom_score_floor: if may_raise {
            -1000
        } else {
            oom_score(containerd)
        },
        masked_paths: thermal_throttles(),
    })
}

/// What a pod's documents would be made from, and whom it was asked of.
#[derive(Debug)]
pub struct Asked {
    pub facts: HostFacts,
    /// None where no containerd answers: then the facts are those of this process.
    pub client: Option<Client>,
}

/// Asks the containerd at this socket, if one answers.
///
/// # Panics
/// Never: the namespace's name is a good one.
pub async fn look(containerd: &Path) -> Result<Asked, HostError> {
    let namespace = Namespace::from_str(super::host::NAMESPACE).expect("the name is an identifier");
    let client = Client::connect(containerd, namespace).await.ok();
    let pid = client.as_ref().and_then(|client| client.server().pid);
    let pid = pid.and_then(|pid| u32::try_from(pid).ok());
    let cgroups = Hierarchies::of_this_process()?;
    let facts = of_process(pid.unwrap_or_else(std::process::id), &cgroups)?;
    let client = client.filter(|_| pid.is_some());
    Ok(Asked { facts, client })
}

/// Who may raise limits is held by the kernel's own on open files alone.
fn rlimits(containerd: u32, may_raise: bool) -> Result<Vec<(PosixRlimitType, u64)>, HostError> {
    if may_raise {
        let most = read(Path::new("/proc/sys/fs/nr_open"));
        let most = most.and_then(|text| text.parse().ok());
        let nofile = most.map(|most| (PosixRlimitType::RlimitNofile, most));
        return Ok(nofile.into_iter().collect());
    }
    let limits = process::rlimits(containerd).map_err(HostError::Process)?;
    let limit = |(name, limit): (&str, process::Rlimit)| {
        let kind = serde_json::from_value(name.into()).ok()?;
        Some((kind, limit.hard?))
    };
    Ok(limits.into_iter().filter_map(limit).collect())
}

/// What the machine has, as far as a file can ask for it.
pub fn kernel(cgroups: &Hierarchies) -> Kernel {
    let cgroup_file = |controller: &str, names: &[&str]| {
        let folder = cgroups.with(controller).map(own_folder);
        folder.is_some_and(|folder| names.iter().any(|name| folder.join(name).exists()))
    };
    Kernel {
        cgroups: if cgroups.is_v2_only() {
            CgroupVersion::V2
        } else {
            CgroupVersion::V1
        },
        architecture: Platform::host().architecture,
        cpus: cpus(cgroups),
        // With version 1, BFQ's own file is not known to every runtime.
        block_weight: cgroup_file("blkio", &["blkio.weight"])
            || cgroup_file("io", &["io.weight", "io.bfq.weight"]),
        realtime: cgroup_file("cpu", &["cpu.rt_runtime_us"]),
        security_modules: security_modules(),
    }
}

fn security_modules() -> BTreeSet<SecurityModule> {
    let enabled = read(Path::new("/sys/module/apparmor/parameters/enabled"));
    let apparmor = (enabled.as_deref() == Some("Y")).then_some(SecurityModule::AppArmor);
    let enforces = Path::new("/sys/fs/selinux/enforce").exists();
    let selinux = enforces.then_some(SecurityModule::Selinux);
    apparmor.into_iter().chain(selinux).collect()
}

/// This process's own cgroup.
fn own_folder(hierarchy: &Hierarchy) -> PathBuf {
    hierarchy.mount.join(hierarchy.own.trim_start_matches('/'))
}

/// Those that this process's cgroup may use; all that run, where it does not say.
fn cpus(cgroups: &Hierarchies) -> BTreeSet<u32> {
    let folder = cgroups.with("cpuset").map(own_folder);
    let named = [
        "cpuset.effective_cpus",
        "cpuset.cpus.effective",
        "cpuset.cpus",
    ];
    let files = folder
        .iter()
        .flat_map(|folder| named.iter().map(|name| folder.join(name)));
    let online = PathBuf::from("/sys/devices/system/cpu/online");
    let lists = files.chain([online]).filter_map(|path| read(&path));
    let mut lists = lists.filter_map(|text| crate::pod::cpu_list(&text));
    lists.next().unwrap_or_else(|| [0].into())
}

/// A file of one line.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim().to_owned())
}

fn oom_score(pid: u32) -> i32 {
    let score = read(&PathBuf::from(format!("/proc/{pid}/oom_score_adj")));
    score
        .and_then(|score| score.parse().ok())
        .unwrap_or_default()
}

fn swap_limit(cgroups: &Hierarchies) -> bool {
    cgroups.with("memory").is_some_and(|memory| {
        memory.mount.join("memory.memsw.limit_in_bytes").exists()
            || own_folder(memory).join("memory.swap.max").exists()
    })
}

/// Only some machines have them; the mask must name each.
fn thermal_throttles() -> Vec<String> {
    let cpus = fs::read_dir("/sys/devices/system/cpu")
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
