//! What a process takes of its host.

use std::fs;

/// At one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// Resident memory of its own, in KiB.
    pub(crate) memory: u64,
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
}

impl Footprint {
    /// # Panics
    /// If there is no such process.
    pub(crate) fn of(pid: u32) -> Self {
        let path = format!("/proc/{pid}/status");
        let status = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
        let number = |key: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let words = line.unwrap_or_else(|| panic!("no {key} in {path}"));
            let number = words.split_whitespace().next().unwrap_or_default();
            number.parse().expect("the kernel writes a number")
        };
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).expect("it is alive");
        Self {
            memory: number("RssAnon:"),
            descriptors: descriptors.count().try_into().expect("there are few"),
            threads: number("Threads:"),
        }
    }

    /// The most of both, each by itself.
    pub(crate) fn or(self, other: &Self) -> Self {
        Self {
            memory: self.memory.max(other.memory),
            descriptors: self.descriptors.max(other.descriptors),
            threads: self.threads.max(other.threads),
        }
    }

    /// Whether it is not more than another, but for this much memory.
    pub(crate) fn is_within(&self, other: &Self, memory: u64) -> bool {
        self.memory <= other.memory + memory
            && self.descriptors <= other.descriptors
            && self.threads <= other.threads
    }
}
