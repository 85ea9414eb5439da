//! What the host lets a container have: asked once by the caller, and handed in.

use oci_spec::runtime::{Capabilities, PosixRlimitType};

/// The facts that decide what may stand in a document. A runtime fails on a document that asks for
/// more than its own process has, so limits and capabilities are clamped to these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFacts {
    pub arch: Arch,
    pub kernel: KernelVersion,
    /// The kernel has cgroup namespaces: `/proc/self/ns/cgroup` exists.
    pub cgroup_namespace: bool,
    /// Swap can be limited: `memory.memsw.limit_in_bytes` or `memory.swap.max` exists.
    pub swap_limit: bool,
    /// The bounding set of containerd's process.
    pub bounding: Capabilities,
    /// How far the limits of a process can go, where they can't go all the way: the hard limits of
    /// containerd's process, unless it may raise them.
    pub rlimits: Vec<(PosixRlimitType, u64)>,
    /// The lowest `oom_score_adj` that containerd's process may give to another: −1000 with
    /// `CAP_SYS_RESOURCE`, else its own.
    pub oom_score_floor: i32,
    /// Paths to mask that only some hosts have: `/sys/devices/system/cpu/cpu*/thermal_throttle`.
    pub masked_paths: Vec<String>,
}

impl HostFacts {
    /// What of `wanted` the host can give.
    pub(super) fn clamp(&self, wanted: &Capabilities) -> Capabilities {
        wanted.intersection(&self.bounding).copied().collect()
    }

    /// How far a limit can go.
    pub(super) fn rlimit_max(&self, kind: PosixRlimitType) -> u64 {
        let known = self.rlimits.iter().find(|(known, _)| *known == kind);
        known.map_or(u64::MAX, |(_, most)| *most)
    }
}

/// A machine's architecture, one of those that the pause program is written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
pub enum Arch {
    #[serde(rename = "x86_64")]
    X86_64,
    #[serde(rename = "aarch64")]
    Aarch64,
}

impl Arch {
    /// The one this program is built for.
    pub const fn current() -> Option<Self> {
        if cfg!(target_arch = "x86_64") {
            Some(Self::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Self::Aarch64)
        } else {
            None
        }
    }
}

/// The first two numbers of `uname -r`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(try_from = "String")]
pub struct KernelVersion {
    pub major: u32,
    pub minor: u32,
}

/// Not two numbers and what follows them.
#[derive(Debug, thiserror::Error)]
#[error("\"{0}\" is no version of a kernel")]
pub struct KernelVersionError(String);

impl TryFrom<String> for KernelVersion {
    type Error = KernelVersionError;

    fn try_from(release: String) -> Result<Self, KernelVersionError> {
        Self::parse(&release).ok_or(KernelVersionError(release))
    }
}

impl KernelVersion {
    /// From a release such as `6.1.0-18-amd64`.
    pub fn parse(release: &str) -> Option<Self> {
        let mut numbers = release.split(|c: char| !c.is_ascii_digit());
        Some(Self {
            major: numbers.next()?.parse().ok()?,
            minor: numbers.next()?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_release_is_read_up_to_its_second_number() {
        let version = |major, minor| Some(KernelVersion { major, minor });
        assert_eq!(KernelVersion::parse("6.1.0-18-amd64"), version(6, 1));
        assert_eq!(KernelVersion::parse("4.8"), version(4, 8));
        assert_eq!(KernelVersion::parse("5.15-rc1"), version(5, 15));
        assert_eq!(KernelVersion::parse("linux"), None);
        assert!(KernelVersion::parse("4.19.0") > KernelVersion::parse("4.8.0"));
    }
}
