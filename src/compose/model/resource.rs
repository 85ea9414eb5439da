//! Amounts and limits: sizes, CPUs, ulimits, block I/O, and the `deploy` key.

use std::fmt;
use std::time::Duration;

use crate::compose::source::{Span, Spanned};

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

impl fmt::Display for ByteSize {
    /// The largest unit that divides it: `64MiB`, `1025B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u32); 4] = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let unit = UNITS
            .iter()
            .find(|(_, shift)| self.0 >= 1 << shift && self.0.trailing_zeros() >= *shift);
        match unit {
            Some((name, shift)) => write!(f, "{}{name}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// An amount of CPU time, in billionths of one CPU: exact for every decimal that Docker takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cpus {
    pub nanos: u64,
}

/// `ulimits`: one entry.
#[derive(Clone, Debug)]
pub struct Ulimit {
    /// As setrlimit(2) has it, lower case and without `RLIMIT_`: `nofile`.
    pub name: Spanned<String>,
    pub range: UlimitRange,
}

/// Soft and hard limit; `None` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UlimitRange {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// `blkio_config`.
#[derive(Clone, Debug)]
pub struct BlkioConfig {
    pub span: Span,
    pub weight: Option<Spanned<u16>>,
    pub weight_device: Vec<WeightDevice>,
    pub device_read_bps: Vec<ThrottleDevice>,
    pub device_write_bps: Vec<ThrottleDevice>,
    pub device_read_iops: Vec<ThrottleDevice>,
    pub device_write_iops: Vec<ThrottleDevice>,
}

/// A device and its share.
#[derive(Clone, Debug)]
pub struct WeightDevice {
    pub path: Spanned<String>,
    pub weight: u16,
}

/// A device and its ceiling.
#[derive(Clone, Debug)]
pub struct ThrottleDevice {
    pub path: Spanned<String>,
    pub rate: BlkioRate,
}

/// Bytes or operations a second.
pub type BlkioRate = u64;

/// `deploy`.
#[derive(Clone, Debug)]
pub struct Deploy {
    pub span: Span,
    pub mode: Option<Spanned<DeployMode>>,
    pub replicas: Option<Spanned<u64>>,
    pub limits: DeployResources,
    pub reservations: DeployResources,
    pub restart_policy: Option<RestartPolicy>,
    /// The keys that only a cluster's scheduler could follow (`placement`, `update_config` …).
    pub ignored: Vec<Spanned<String>>,
}

/// `deploy.mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeployMode {
    Replicated,
    Global,
    ReplicatedJob,
    GlobalJob,
}

/// `deploy.resources.limits` or `.reservations`.
#[derive(Clone, Debug, Default)]
pub struct DeployResources {
    pub cpus: Option<Spanned<Cpus>>,
    pub memory: Option<Spanned<ByteSize>>,
    pub pids: Option<Spanned<i64>>,
    pub devices: Vec<DeviceRequest>,
    /// Kind and amount.
    pub generic: Vec<(Spanned<String>, u64)>,
}

/// One of `gpus`, or of `deploy.resources.reservations.devices`.
#[derive(Clone, Debug)]
pub struct DeviceRequest {
    pub span: Span,
    pub driver: Option<String>,
    /// `-1` is all of them.
    pub count: Option<i64>,
    pub device_ids: Vec<String>,
    pub capabilities: Vec<String>,
}

/// `deploy.restart_policy`.
#[derive(Clone, Debug)]
pub struct RestartPolicy {
    pub span: Span,
    pub condition: RestartCondition,
    pub delay: Option<Duration>,
    pub max_attempts: Option<u64>,
    pub window: Option<Duration>,
}

/// When a service is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestartCondition {
    None,
    OnFailure,
    Any,
}
