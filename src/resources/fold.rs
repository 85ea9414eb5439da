//! The fold itself: services to rows, rows to a total, the total to a task.

use std::collections::BTreeSet;

use super::amount::{Amounts, MilliCpus};
use super::basis::{Basis, Ceiling};
use super::cpus;
use super::disk::{self, SizedVolume};
use super::figure::{Demand, Figure};
use super::findings::Findings;
use super::gpus::GpuDemand;
use super::graph::Graph;
use super::memory;
use super::overhead;
use super::pids;
use super::ports::{self, OfferPort};
use super::shared_memory;
use super::sum::{FoldOptions, NotCounted, Reason, ServiceSum, Sum, TaskLimits, TaskSum, Total};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, DeployMode, Project, Service};

/// No host has more ports.
const MOST_PORTS: u64 = 65_535;

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
                cpus: cpus::demand(service, options.defaults.cpus, findings),
                mem: memory::demand(service, options.defaults.mem, findings),
                disk: disk::of_service(service, findings),
                gpus: GpuDemand::of(service, options.all_gpus, findings),
                pids: pids::most(service, findings),
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
        let ids: BTreeSet<&String> = ids.collect();
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
