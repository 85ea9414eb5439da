//! What all processes below a cgroup may use together.

use std::fs;
use std::time::Duration;

use super::{Error, Hierarchies, Version, below_root};

/// The kernel's default for the time in which a ceiling of CPU time holds, on both versions.
const PERIOD: Duration = Duration::from_millis(100);
/// The least CPU time in a period that the kernel takes.
const QUOTA_MIN: Duration = Duration::from_millis(1);

/// Limits of one cgroup; none is left as the kernel made it. Those but `pids` are written with
/// version 2 alone: with version 1 they are the launcher's to write, further up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// Processes and threads.
    pub pids: Option<u64>,
    /// The share of CPU time among siblings, from 1 to 10,000; 100 is the kernel's default.
    pub cpu_weight: Option<u64>,
    /// The most CPU time, in thousandths of one CPU.
    pub milli_cpus: Option<u64>,
    /// In bytes.
    pub memory: Option<u64>,
    /// What is not taken away while others have some to spare, in bytes.
    pub memory_low: Option<u64>,
}

impl Hierarchies {
    /// Limits a cgroup. What the host has no controller for is left out.
    pub fn limit(&self, path: &str, limits: &Limits) -> Result<(), Error> {
        self.write_limit(
            path,
            "pids",
            "pids.max",
            limits.pids.map(|it| it.to_string()),
        )?;
        if !self.is_v2_only() {
            return Ok(());
        }
        let number = |limit: Option<u64>| limit.map(|it| it.to_string());
        self.write_limit(path, "cpu", "cpu.weight", number(limits.cpu_weight))?;
        self.write_limit(path, "cpu", "cpu.max", limits.milli_cpus.map(cpu_max))?;
        self.write_limit(path, "memory", "memory.low", number(limits.memory_low))?;
        self.write_limit(path, "memory", "memory.max", number(limits.memory))
    }

    fn write_limit(
        &self,
        path: &str,
        controller: &str,
        file: &str,
        limit: Option<String>,
    ) -> Result<(), Error> {
        let below = below_root(path)?;
        let Some((hierarchy, limit)) = self.with(controller).zip(limit) else {
            return Ok(());
        };
        let file = hierarchy.directory(below).join(file);
        // Version 2 tells so that a controller is off.
        if hierarchy.version == Version::V2 && !file.exists() {
            return Ok(());
        }
        fs::write(&file, limit).map_err(|source| Error::file("write", file, source))
    }
}

/// `QUOTA PERIOD`, in microseconds.
fn cpu_max(milli_cpus: u64) -> String {
    let period = u64::try_from(PERIOD.as_micros()).unwrap_or(u64::MAX);
    let least = u64::try_from(QUOTA_MIN.as_micros()).unwrap_or(u64::MAX);
    let quota = (milli_cpus.saturating_mul(period) / 1000).max(least);
    format!("{quota} {period}")
}

#[cfg(test)]
mod tests {
    use super::super::fake::Host;
    use super::*;

    const ALL: Limits = Limits {
        pids: Some(40),
        cpu_weight: Some(50),
        milli_cpus: Some(1500),
        memory: Some(64 << 20),
        memory_low: Some(32 << 20),
    };

    #[test]
    fn version_2_takes_them_all() {
        let host = Host::new(&[("", "/")]);
        let files = [
            "pids.max",
            "cpu.weight",
            "cpu.max",
            "memory.low",
            "memory.max",
        ];
        for file in files {
            host.write("", &format!("pod/{file}"), "max");
        }
        host.hierarchies().limit("/pod", &ALL).unwrap();
        let written = files.map(|file| host.read("", &format!("pod/{file}")));
        assert_eq!(
            written,
            ["40", "50", "150000 100000", "33554432", "67108864"]
        );
    }

    #[test]
    fn what_is_not_limited_stays_as_it_was() {
        let host = Host::new(&[("", "/")]);
        host.write("", "pod/memory.max", "max");
        host.hierarchies()
            .limit("/pod", &Limits::default())
            .unwrap();
        assert_eq!(host.read("", "pod/memory.max"), "max");
    }

    #[test]
    fn a_controller_that_is_off_is_left_out() {
        let host = Host::new(&[("", "/")]);
        host.write("", "pod/memory.max", "max");
        host.hierarchies().limit("/pod", &ALL).unwrap();
        assert_eq!(host.read("", "pod/memory.max"), "67108864");
        assert!(!host.path("", "pod/cpu.max").exists());
    }

    #[test]
    fn with_version_1_processes_alone_are_limited() {
        let host = Host::new(&[("pids", "/"), ("memory", "/mesos/c"), ("", "/")]);
        host.write("pids", "mesos/c/pod/pids.max", "max");
        host.write("memory", "mesos/c/pod/memory.max", "max");
        host.hierarchies().limit("/mesos/c/pod", &ALL).unwrap();
        assert_eq!(host.read("pids", "mesos/c/pod/pids.max"), "40");
        assert_eq!(host.read("memory", "mesos/c/pod/memory.max"), "max");
    }

    #[test]
    fn a_sliver_of_cpu_time_is_what_the_kernel_takes_at_least() {
        assert_eq!(cpu_max(1), "1000 100000");
        assert_eq!(cpu_max(250), "25000 100000");
    }
}
