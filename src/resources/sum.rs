//! How to fold, and what a project comes to.

use std::time::Duration;

use super::amount::{Amounts, MilliCpus};
use super::basis::{Basis, Ceiling};
use super::disk::SizedVolume;
use super::figure::{Figure, Origin};
use super::ports::OfferPort;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::ByteSize;

/// What a service counts as that states nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    pub cpus: MilliCpus,
    pub mem: ByteSize,
}

impl Default for Defaults {
    /// Of 700 services in public files none states a limit of CPUs, and one in five one of memory:
    /// the defaults decide the answer. Memory is Marathon's default; its CPU is too much to sum.
    fn default() -> Self {
        Self {
            cpus: MilliCpus(100),
            mem: ByteSize(128 << 20),
        }
    }
}

/// How to fold.
#[derive(Clone, Copy, Debug, Default)]
pub struct FoldOptions {
    pub basis: Basis,
    pub defaults: Defaults,
    /// Refuse a service that states nothing.
    pub strict: bool,
    /// Count the most that runs at once in the stead of all: CPU and memory alone, since disk stays
    /// full, and ports and GPUs are the task's from its start to its end.
    pub peak: bool,
    /// How many GPUs `all` of them are.
    pub all_gpus: Option<u64>,
}

/// A service, with all its replicas.
#[derive(Clone, Debug)]
pub struct ServiceSum {
    pub name: String,
    pub replicas: u64,
    /// It ends before others begin.
    pub one_shot: bool,
    /// Of one instance, with the place that says so.
    pub cpus: Figure<MilliCpus>,
    pub mem: Figure<ByteSize>,
    pub disk: Figure<ByteSize>,
    /// Of all instances.
    pub total: Amounts,
    /// Of all instances, by `limits`; none where the service has no limit.
    pub cpu_limit: Option<MilliCpus>,
    pub mem_limit: Option<ByteSize>,
    pub gpus: u64,
    pub ports: u64,
}

/// A service that is not part of the sum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotCounted {
    pub service: String,
    pub reason: Reason,
}

/// Why a service is not part of the sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// No active profile has it.
    Profile,
    /// A plug-in provides it: it is no container.
    Provider,
    /// It is scaled to none.
    NoReplicas,
}

/// What the parts come to, before the pod's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub amounts: Amounts,
    pub gpus: u64,
    /// Published ports, each as often as its service runs.
    pub ports: u64,
}

/// The most that a task may use, by `--basis split`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskLimits {
    pub cpus: Ceiling<MilliCpus>,
    pub mem: Ceiling<ByteSize>,
}

/// What to ask Mesos for. Memory and disk are whole mebibytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskSum {
    pub amounts: Amounts,
    pub gpus: u64,
    pub ports: Vec<OfferPort>,
    /// With [`Basis::Split`] alone.
    pub limits: Option<TaskLimits>,
}

/// A project as one task.
#[derive(Clone, Debug)]
pub struct Sum {
    pub project: String,
    pub basis: Basis,
    pub peak: bool,
    pub defaults: Defaults,
    pub services: Vec<ServiceSum>,
    /// Parts of the total beside the services.
    pub volumes: Vec<SizedVolume>,
    pub shared_memory: ByteSize,
    pub not_counted: Vec<NotCounted>,
    pub services_total: Total,
    pub task: TaskSum,
    /// The sum of the services' limits on processes; none where one has no limit.
    pub pids: Option<u64>,
    /// What an orderly stop may take.
    pub stop_grace: Duration,
    pub warnings: Vec<Diagnostic>,
}

impl Sum {
    /// The services for which a default stands in, with whether it does for CPU and for memory.
    pub fn defaulted(&self) -> impl Iterator<Item = (&str, bool, bool)> {
        self.services.iter().filter_map(|service| {
            let cpus = service.cpus.origin == Origin::Default;
            let mem = service.mem.origin == Origin::Default;
            (cpus || mem).then_some((service.name.as_str(), cpus, mem))
        })
    }
}
