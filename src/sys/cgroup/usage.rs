//! What a cgroup uses, and whether the kernel has killed in it for want of memory.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::remove::subtree;
use super::{Error, Hierarchies, Version, below_root};

/// From this on version 1 means "no limit": the largest number that fits, in whole pages.
const UNLIMITED: u64 = (i64::MAX as u64) & !0xf_ffff;

/// A cgroup's memory, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub current: Option<u64>,
    /// `current` less the files' pages that the kernel could drop at once.
    pub working_set: Option<u64>,
    /// The most that was ever used. Version 2 tells it from Linux 5.19 on.
    pub peak: Option<u64>,
    /// None: unlimited, or not known.
    pub limit: Option<u64>,
}

/// What a cgroup uses. What a host's controllers don't tell is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub cpu: Option<Duration>,
    pub memory: Memory,
    pub pids: Option<u64>,
}

impl Hierarchies {
    /// How many processes the kernel has killed in a cgroup and below it because memory ran out:
    /// at a limit of its own, or at one above. None without a memory controller.
    ///
    /// This is the truth about "out of memory": an exit status of 137 is not, and the runtime's
    /// event may come late or never.
    pub fn oom_kills(&self, path: &str) -> Result<Option<u64>, Error> {
        let below = below_root(path)?;
        let Some(hierarchy) = self.with("memory") else {
            return Ok(None);
        };
        // Both count in the cgroup of the one that was killed alone. Version 2's memory.events has
        // what is below too, unless it was mounted with memory_localevents: so it isn't asked.
        let file = match hierarchy.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events.local",
        };
        let counts = subtree(&hierarchy.directory(below))?;
        let counts = counts
            .iter()
            .filter_map(|cgroup| entry(&cgroup.join(file), "oom_kill"));
        Ok(counts.reduce(|sum, count| sum + count))
    }

    pub fn memory(&self, path: &str) -> Result<Memory, Error> {
        let below = below_root(path)?;
        let Some(hierarchy) = self.with("memory") else {
            return Ok(Memory::default());
        };
        let directory = hierarchy.directory(below);
        let [current, peak, limit, inactive] = match hierarchy.version {
            Version::V1 => [
                "memory.usage_in_bytes",
                "memory.max_usage_in_bytes",
                "memory.limit_in_bytes",
                "total_inactive_file",
            ],
            Version::V2 => [
                "memory.current",
                "memory.peak",
                "memory.max",
                "inactive_file",
            ],
        };
        let current = number(&directory.join(current));
        let inactive = entry(&directory.join("memory.stat"), inactive);
        Ok(Memory {
            current,
            working_set: current
                .zip(inactive)
                .map(|(current, inactive)| current.saturating_sub(inactive)),
            peak: number(&directory.join(peak)),
            limit: number(&directory.join(limit)).filter(|limit| *limit < UNLIMITED),
        })
    }

    pub fn usage(&self, path: &str) -> Result<Usage, Error> {
        let below = below_root(path)?;
        let directory = |controller| {
            self.with(controller)
                .map(|hierarchy| hierarchy.directory(below))
        };
        let cpu = if self.is_v2_only() {
            directory("cpu")
                .and_then(|cgroup| entry(&cgroup.join("cpu.stat"), "usage_usec"))
                .map(Duration::from_micros)
        } else {
            directory("cpuacct")
                .and_then(|cgroup| number(&cgroup.join("cpuacct.usage")))
                .map(Duration::from_nanos)
        };
        Ok(Usage {
            cpu,
            memory: self.memory(path)?,
            pids: directory("pids").and_then(|cgroup| number(&cgroup.join("pids.current"))),
        })
    }
}

fn number(file: &Path) -> Option<u64> {
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// The value of a line `key value`.
fn entry(file: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(file).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(' '));
    let (_, value) = pairs.find(|(name, _)| *name == key)?;
    value.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::super::fake::Host;
    use super::*;

    #[test]
    fn version_1_tells_oom_kills_per_cgroup() {
        let host = Host::new(&[("memory", "/"), ("cpu,cpuacct", "/")]);
        let control = |kills| format!("oom_kill_disable 0\nunder_oom 0\noom_kill {kills}\n");
        host.write("memory", "pod/memory.oom_control", &control(0));
        host.write("memory", "pod/a/memory.oom_control", &control(2));
        host.write("memory", "pod/b/memory.oom_control", &control(0));
        let hierarchies = host.hierarchies();
        assert_eq!(hierarchies.oom_kills("/pod").unwrap(), Some(2));
        assert_eq!(hierarchies.oom_kills("/pod/b").unwrap(), Some(0));
        assert_eq!(hierarchies.oom_kills("/none").unwrap(), None);
    }

    #[test]
    fn version_2_tells_oom_kills_per_cgroup_too() {
        let host = Host::new(&[("", "/")]);
        let events = |kills| format!("low 0\noom 1\noom_kill {kills}\n");
        host.write("", "pod/memory.events", &events(3));
        host.write("", "pod/memory.events.local", &events(0));
        host.write("", "pod/a/memory.events.local", &events(3));
        assert_eq!(host.hierarchies().oom_kills("/pod").unwrap(), Some(3));
    }

    #[test]
    fn version_1_has_a_number_for_no_limit() {
        let host = Host::new(&[("memory", "/")]);
        host.write("memory", "a/memory.limit_in_bytes", "9223372036854771712\n");
        host.write("memory", "a/memory.usage_in_bytes", "5000\n");
        host.write(
            "memory",
            "a/memory.stat",
            "cache 1\ntotal_inactive_file 1000\n",
        );
        host.write("memory", "b/memory.limit_in_bytes", "1048576\n");
        let hierarchies = host.hierarchies();
        let memory = hierarchies.memory("/a").unwrap();
        assert_eq!((memory.limit, memory.working_set), (None, Some(4000)));
        let limited = hierarchies.memory("/b").unwrap();
        assert_eq!(limited.limit, Some(1 << 20));
    }

    #[test]
    fn version_2_usage_comes_from_one_directory() {
        let host = Host::new(&[("", "/")]);
        host.write("", "pod/cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
        host.write("", "pod/memory.max", "max\n");
        host.write("", "pod/memory.peak", "77\n");
        host.write("", "pod/pids.current", "4\n");
        let usage = host.hierarchies().usage("/pod").unwrap();
        assert_eq!(usage.cpu, Some(Duration::from_millis(1500)));
        assert_eq!((usage.memory.limit, usage.memory.peak), (None, Some(77)));
        assert_eq!(usage.pids, Some(4));
    }
}
