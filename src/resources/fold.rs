//! The fold itself: services to rows, rows to a total, the total to a task.

use std::time::Duration;

use super::amount::{Amounts, MilliCpus};
use super::basis::{Basis, Ceiling};
use super::demand::{self, Demand, Figure, Origin};
use super::disk::{self, SizedVolume};
use super::findings::Findings;
use super::gpus::GpuDemand;
use super::graph::Graph;
use super::overhead;
use super::ports::{self, OfferPort};
use super::shared_memory;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, DeployMode, Project, Service};

/// No host has more ports.
const MOST_PORTS: u64 = 65_535;

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

/// Folds a project into one task.
///
/// Errors are everything that the project states and no engine would take, conflicts between
/// `deploy` and the flat keys, and with `strict` what it does not state. Never an empty list.
pub fn fold(project: &Project, options: &FoldOptions) -> Result<Sum, Vec<Diagnostic>> {
    let mut findings = Findings {
        // What the loader could not take in: a sum without it would be wrong.
        errors: project.deferred.clone(),
        warnings: Vec::new(),
    };
    let sum = Fold::of(project, options, &mut findings).and_then(Fold::sum);
    if options.strict
        && let Some(sum) = &sum
    {
        refuse_defaults(project, sum, &mut findings);
    }
    if sum.is_none() && findings.errors.is_empty() {
        findings.add(Diagnostic::invalid(
            "the services' resources add up to more than 64 bits hold",
        ));
    }
    match sum {
        Some(sum) if findings.errors.is_empty() => Ok(Sum {
            warnings: findings.warnings,
            ..sum
        }),
        _ => Err(findings.errors),
    }
}

fn refuse_defaults(project: &Project, sum: &Sum, findings: &mut Findings) {
    let pod = &project.pod.resources;
    for (name, cpus, mem) in sum.defaulted() {
        let cpus = cpus && pod.cpus.is_none();
        let mem = mem && pod.mem.is_none();
        let (what, keys) = match (cpus, mem) {
            (true, true) => ("neither CPUs nor memory", "`cpus` and `mem_limit`"),
            (true, false) => ("no CPUs", "`cpus`"),
            (false, true) => ("no memory", "`mem_limit`"),
            (false, false) => continue,
        };
        let span = project.service(name).map(|service| service.name.span);
        let help = format!("give it {keys}, or `x-pod: {{resources: {{…}}}}`");
        findings.add(
            Diagnostic::invalid(format!("services.{name} states {what}"))
                .at(span.unwrap_or_default())
                .help(help),
        );
    }
}

/// A service that counts.
struct Part<'p> {
    service: &'p Service,
    replicas: u64,
    cpus: Demand<MilliCpus>,
    mem: Demand<ByteSize>,
    disk: Figure<ByteSize>,
    gpus: GpuDemand,
    pids: Option<u64>,
}

/// What was found out of a project, before anything is added up.
struct Fold<'p> {
    project: &'p Project,
    options: &'p FoldOptions,
    parts: Vec<Part<'p>>,
    graph: Graph,
    not_counted: Vec<NotCounted>,
    volumes: Vec<SizedVolume>,
    shared_memory: ByteSize,
    published: u64,
    ports: Vec<OfferPort>,
}

impl<'p> Fold<'p> {
    /// None where the numbers are beyond what can be.
    fn of(project: &'p Project, options: &'p FoldOptions, findings: &mut Findings) -> Option<Self> {
        let mut not_counted = Vec::new();
        let mut parts = Vec::new();
        for service in &project.services {
            let replicas = replicas(service, findings);
            let reason = match (&service.provider, replicas) {
                (Some(_), _) => Some(Reason::Provider),
                (None, 0) => Some(Reason::NoReplicas),
                (None, _) => None,
            };
            if let Some(reason) = reason {
                let service = service.name.value.clone();
                not_counted.push(NotCounted { service, reason });
                continue;
            }
            parts.push(Part {
                service,
                replicas,
                cpus: demand::cpus(service, options.defaults.cpus, findings),
                mem: demand::memory(service, options.defaults.mem, findings),
                disk: disk::of_service(service, findings),
                gpus: GpuDemand::of(service, options.all_gpus, findings),
                pids: demand::pids(service, findings),
            });
        }
        not_counted.extend(project.disabled.iter().map(|name| NotCounted {
            service: name.clone(),
            reason: Reason::Profile,
        }));

        let counted: Vec<(&Service, u64)> = parts
            .iter()
            .map(|part| (part.service, part.replicas))
            .collect();
        let published = ports::count(&counted)?;
        if published > MOST_PORTS {
            let problem =
                format!("the services publish {published} ports, and no host has so many");
            findings.add(Diagnostic::invalid(problem));
            return None;
        }
        let limited: Vec<(&Service, bool)> = parts
            .iter()
            .map(|part| (part.service, part.mem.limit.is_some()))
            .collect();
        let services: Vec<&Service> = parts.iter().map(|part| part.service).collect();
        Some(Self {
            project,
            options,
            graph: Graph::of(&services),
            not_counted,
            volumes: disk::volumes(project, &limited, findings),
            shared_memory: shared_memory::unbounded(&limited),
            published,
            ports: ports::offer_ports(&counted, findings),
            parts,
        })
    }

    fn sum(self) -> Option<Sum> {
        let rows = self.rows(self.options.basis)?;
        let mut amounts = self.total(&rows)?;
        amounts.disk = self.disk(&rows)?;
        let gpus = self.gpus()?;
        let services: Vec<&Service> = self.parts.iter().map(|part| part.service).collect();
        let mut task = amounts.checked_add(overhead::POD)?;
        task.cpus = task.cpus.max(overhead::LEAST_CPUS);
        task.mem = task.mem.max(overhead::LEAST_MEM);
        let pod = &self.project.pod.resources;
        if let Some(cpus) = &pod.cpus {
            task.cpus = cpus.value.into();
        }
        if let Some(mem) = &pod.mem {
            task.mem = mem.value;
        }
        if let Some(disk) = &pod.disk {
            task.disk = disk.value;
        }
        task.mem = overhead::whole_mebibytes(task.mem)?;
        task.disk = overhead::whole_mebibytes(task.disk)?;
        let limits = match self.options.basis {
            Basis::Split => Some(self.limits(&rows, task)?),
            Basis::Limits | Basis::Requests => None,
        };
        Some(Sum {
            project: self.project.name.clone(),
            basis: self.options.basis,
            peak: self.options.peak,
            defaults: self.options.defaults,
            pids: self.pids(),
            stop_grace: self.graph.stop_grace(&services),
            services_total: Total {
                amounts,
                gpus,
                ports: self.published,
            },
            task: TaskSum {
                amounts: task,
                gpus,
                ports: self.ports,
                limits,
            },
            services: rows,
            volumes: self.volumes,
            shared_memory: self.shared_memory,
            not_counted: self.not_counted,
            warnings: Vec::new(),
        })
    }

    fn rows(&self, basis: Basis) -> Option<Vec<ServiceSum>> {
        let rows = self.parts.iter().enumerate().map(|(index, part)| {
            let (cpus, mem) = (part.cpus.figure(basis), part.mem.figure(basis));
            let each = Amounts {
                cpus: cpus.amount,
                mem: mem.amount,
                disk: part.disk.amount,
            };
            let times = |number: u64| number.checked_mul(part.replicas);
            let ids = u64::try_from(part.gpus.ids.len()).ok()?;
            let ports = u64::try_from(part.service.ports.len()).ok()?;
            Some(ServiceSum {
                name: part.service.name.value.clone(),
                replicas: part.replicas,
                one_shot: self.graph.is_one_shot(index),
                cpus,
                mem,
                disk: part.disk,
                total: each.checked_mul(part.replicas)?,
                cpu_limit: match part.cpus.limit {
                    Some(limit) => Some(MilliCpus(times(limit.amount.0)?)),
                    None => None,
                },
                mem_limit: match part.mem.limit {
                    Some(limit) => Some(ByteSize(times(limit.amount.0)?)),
                    None => None,
                },
                gpus: times(part.gpus.count)?.checked_add(ids)?,
                ports: times(ports)?,
            })
        });
        rows.collect()
    }

    /// CPU and memory of all services, or of those that run at once.
    fn total(&self, rows: &[ServiceSum]) -> Option<Amounts> {
        let cpus = self.together(rows.iter().map(|row| row.total.cpus.0))?;
        let mem = self.together(rows.iter().map(|row| row.total.mem.0))?;
        let in_memory = self.volumes.iter().filter(|volume| volume.in_memory);
        let beside = in_memory.map(|volume| volume.size.0);
        let beside = checked_sum(beside.chain([self.shared_memory.0]))?;
        Some(Amounts {
            cpus: MilliCpus(cpus),
            mem: ByteSize(mem.checked_add(beside)?),
            disk: ByteSize(0),
        })
    }

    fn together(&self, weights: impl Iterator<Item = u64>) -> Option<u64> {
        let weights: Vec<u128> = weights.map(u128::from).collect();
        let sum = if self.options.peak {
            self.graph.peak(&weights)
        } else {
            weights.iter().sum()
        };
        u64::try_from(sum).ok()
    }

    fn disk(&self, rows: &[ServiceSum]) -> Option<ByteSize> {
        let services = rows.iter().map(|row| row.total.disk.0);
        let volumes = self.volumes.iter().filter(|volume| !volume.in_memory);
        let sum = checked_sum(services.chain(volumes.map(|volume| volume.size.0)))?;
        Some(ByteSize(sum))
    }

    fn gpus(&self) -> Option<u64> {
        let counts = self
            .parts
            .iter()
            .map(|part| part.gpus.count.checked_mul(part.replicas));
        let ids = self.parts.iter().flat_map(|part| &part.gpus.ids);
        let ids: std::collections::BTreeSet<&String> = ids.collect();
        let counts = counts.collect::<Option<Vec<u64>>>()?;
        checked_sum(counts)?.checked_add(u64::try_from(ids.len()).ok()?)
    }

    /// The limits of all services, if all have one; never below what is asked for.
    fn limits(&self, rows: &[ServiceSum], task: Amounts) -> Option<TaskLimits> {
        let cpus: Option<Vec<u64>> = rows.iter().map(|row| Some(row.cpu_limit?.0)).collect();
        let mem: Option<Vec<u64>> = rows.iter().map(|row| Some(row.mem_limit?.0)).collect();
        Some(TaskLimits {
            cpus: match cpus {
                None => Ceiling::Unlimited,
                Some(limits) => {
                    let sum = self.together(limits.into_iter())?;
                    let sum = MilliCpus(sum.checked_add(overhead::POD.cpus.0)?);
                    Ceiling::At(sum.max(task.cpus))
                }
            },
            mem: match mem {
                None => Ceiling::Unlimited,
                Some(limits) => {
                    let sum = self.together(limits.into_iter())?;
                    let sum = ByteSize(sum.checked_add(overhead::POD.mem.0)?);
                    Ceiling::At(overhead::whole_mebibytes(sum)?.max(task.mem))
                }
            },
        })
    }

    fn pids(&self) -> Option<u64> {
        let limits = self
            .parts
            .iter()
            .map(|part| part.pids?.checked_mul(part.replicas));
        checked_sum(limits.collect::<Option<Vec<u64>>>()?)
    }
}

fn checked_sum(numbers: impl IntoIterator<Item = u64>) -> Option<u64> {
    numbers.into_iter().try_fold(0_u64, u64::checked_add)
}

/// How many instances of a service there are.
fn replicas(service: &Service, findings: &mut Findings) -> u64 {
    let name = &service.name.value;
    let mode = service
        .deploy
        .as_ref()
        .and_then(|deploy| deploy.mode.as_ref());
    if let Some(mode) = mode
        && matches!(mode.value, DeployMode::Global | DeployMode::GlobalJob)
    {
        let problem = format!("services.{name} is global: one of it counts, for this pod");
        findings.add(Diagnostic::warning(problem).at(mode.span));
        return 1;
    }
    let replicas = &service.replicas;
    if replicas.value > 1 {
        let problem = format!(
            "services.{name} runs {} times, which the executor refuses",
            replicas.value
        );
        let help = "several copies share one network: scale the Mesos task instead";
        findings.add(Diagnostic::warning(problem).at(replicas.span).help(help));
    }
    replicas.value
}
