//! What holds for every project, whatever its services state.

use proptest::prelude::*;

use super::amount::MilliCpus;
use super::basis::Basis;
use super::fold::fold;
use super::sample::{deploy, project, publishing, volume};
use super::sum::{Defaults, FoldOptions, Sum};
use crate::compose::model::{
    ByteSize, Condition, Cpus, Dependency, DeviceRequest, Mount, MountKind, Project, Published,
    Restart, Service,
};
use crate::compose::source::{Span, Spanned};

const MIB: u64 = 1 << 20;
const VOLUMES: [&str; 2] = ["disk", "memory"];

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

fn maybe<T: std::fmt::Debug + Clone + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = Option<T>> {
    prop::option::of(value)
}

/// A limit and a request that is not above it.
fn amounts(least: u64) -> impl Strategy<Value = (Option<u64>, Option<u64>)> {
    (maybe(least..1 << 40), maybe(1_u64..1 << 40)).prop_map(|(limit, request)| {
        let request = match (limit, request) {
            (Some(limit), Some(request)) => Some(request.min(limit)),
            (_, request) => request,
        };
        (limit, request)
    })
}

/// Which services a service waits for, as parts of those before it, and how.
type Waits = Vec<(prop::sample::Index, Condition)>;

fn waits() -> impl Strategy<Value = Waits> {
    let condition = prop_oneof![
        1 => Just(Condition::Started),
        1 => Just(Condition::Healthy),
        3 => Just(Condition::CompletedSuccessfully),
    ];
    prop::collection::vec((any::<prop::sample::Index>(), condition), 0..3)
}

fn service() -> impl Strategy<Value = Service> {
    let figures = (
        amounts(1),
        amounts(6 * MIB),
        maybe(1_i64..10_000),
        maybe(MIB..1 << 30),
    );
    let counts = (
        0_u64..4,
        prop::bool::weighted(0.2),
        prop::collection::vec(1_u16..1000, 0..3),
        prop::collection::vec("[ab]", 0..2),
        0_i64..3,
        prop::sample::subsequence(VOLUMES.to_vec(), 0..=2),
    );
    (figures, counts).prop_map(|(figures, counts)| {
        let ((cpu_limit, cpu_request), (limit, request), shares, shm) = figures;
        let (replicas, always, ports, gpu_ids, gpu_count, volumes) = counts;
        let cpus = |milli: u64| {
            spanned(Cpus {
                nanos: milli * 1_000_000,
            })
        };
        let mut deploy = deploy();
        deploy.limits.cpus = cpu_limit.map(cpus);
        deploy.reservations.cpus = cpu_request.map(cpus);
        deploy.limits.memory = limit.map(|bytes| spanned(ByteSize(bytes)));
        deploy.reservations.memory = request.map(|bytes| spanned(ByteSize(bytes)));
        let ports: Vec<_> = ports
            .into_iter()
            .map(|port| (port, Published::Any))
            .collect();
        let gpus = |count: Option<i64>, device_ids: Vec<String>| DeviceRequest {
            span: Span::default(),
            driver: None,
            count,
            device_ids,
            capabilities: vec!["gpu".to_owned()],
        };
        let mut requests = vec![gpus(Some(gpu_count), Vec::new())];
        if !gpu_ids.is_empty() {
            requests.push(gpus(None, gpu_ids));
        }
        let mounts = volumes.into_iter().map(|volume| Mount {
            span: Span::default(),
            kind: MountKind::Volume {
                source: Some(spanned(volume.to_owned())),
                nocopy: false,
                subpath: None,
            },
            target: spanned("/data".into()),
            read_only: false,
        });
        Service {
            replicas: spanned(replicas),
            restart: always.then(|| spanned(Restart::Always)),
            cpu_shares: shares.map(spanned),
            shm_size: shm.map(|bytes| spanned(ByteSize(bytes))),
            deploy: Some(deploy),
            gpus: requests,
            volumes: mounts.collect(),
            ..publishing("", &ports)
        }
    })
}

/// A project without circles: a service waits for some of those before it.
fn projects() -> impl Strategy<Value = Project> {
    prop::collection::vec((service(), waits()), 1..8).prop_map(|services| {
        let mut out: Vec<Service> = Vec::new();
        for (index, (mut service, waits)) in services.into_iter().enumerate() {
            service.name = spanned(format!("s{index}"));
            for (on, condition) in waits {
                if !out.is_empty() {
                    service.depends_on.push(Dependency {
                        service: on.get(&out).name.clone(),
                        condition: spanned(condition),
                        restart: false,
                        required: true,
                    });
                }
            }
            out.push(service);
        }
        Project {
            volumes: vec![
                volume(VOLUMES[0], &[("size", "1g")]),
                volume(VOLUMES[1], &[("type", "tmpfs"), ("o", "size=64m")]),
            ],
            ..project(out)
        }
    })
}

fn options() -> impl Strategy<Value = FoldOptions> {
    let basis = prop_oneof![
        Just(Basis::Limits),
        Just(Basis::Requests),
        Just(Basis::Split)
    ];
    (basis, any::<bool>(), 0..1000_u64, 0_u64..1 << 30).prop_map(|(basis, peak, cpus, mem)| {
        FoldOptions {
            basis,
            peak,
            defaults: Defaults {
                cpus: MilliCpus(cpus),
                mem: ByteSize(mem),
            },
            ..FoldOptions::default()
        }
    })
}

fn sum(project: &Project, options: &FoldOptions) -> Sum {
    fold(project, options).expect("nothing that is generated is refused")
}

/// CPU, memory, disk, GPUs and ports of the parts that are not one resource's alone.
fn numbers(sum: &Sum) -> [u64; 5] {
    let total = &sum.services_total;
    let amounts = total.amounts;
    [
        amounts.cpus.0,
        amounts.mem.0,
        amounts.disk.0,
        total.gpus,
        total.ports,
    ]
}

fn task_numbers(sum: &Sum) -> [u64; 5] {
    let task = &sum.task;
    let ports = u64::try_from(task.ports.len()).unwrap();
    let amounts = task.amounts;
    [
        amounts.cpus.0,
        amounts.mem.0,
        amounts.disk.0,
        task.gpus,
        ports,
    ]
}

proptest! {
    #[test]
    fn the_parts_are_the_whole(project in projects(), options in options()) {
        let sum = sum(&project, &FoldOptions { peak: false, ..options });
        let total = &sum.services_total.amounts;
        let cpus: u64 = sum.services.iter().map(|row| row.total.cpus.0).sum();
        prop_assert_eq!(cpus, total.cpus.0);
        let of_volumes = |in_memory: bool| -> u64 {
            let volumes = sum.volumes.iter().filter(|volume| volume.in_memory == in_memory);
            volumes.map(|volume| volume.size.0).sum()
        };
        let mem: u64 = sum.services.iter().map(|row| row.total.mem.0).sum();
        prop_assert_eq!(mem + of_volumes(true) + sum.shared_memory.0, total.mem.0);
        let disk: u64 = sum.services.iter().map(|row| row.total.disk.0).sum();
        prop_assert_eq!(disk + of_volumes(false), total.disk.0);
        let ports: u64 = sum.services.iter().map(|row| row.ports).sum();
        prop_assert_eq!(ports, sum.services_total.ports);
        // A service's replicas weigh as much as so many services.
        for row in &sum.services {
            prop_assert_eq!(row.total.cpus.0, row.cpus.amount.0 * row.replicas);
            prop_assert_eq!(row.total.mem.0, row.mem.amount.0 * row.replicas);
        }
    }

    #[test]
    fn the_order_of_services_changes_nothing(
        project in projects(),
        options in options(),
        seed in any::<prop::sample::Index>(),
    ) {
        let before = sum(&project, &options);
        let mut other = project.clone();
        let by = seed.index(other.services.len());
        other.services.rotate_left(by);
        other.services.reverse();
        let after = sum(&other, &options);
        prop_assert_eq!(numbers(&before), numbers(&after));
        prop_assert_eq!(task_numbers(&before), task_numbers(&after));
        prop_assert_eq!(before.task.limits, after.task.limits);
        prop_assert_eq!(before.stop_grace, after.stop_grace);
    }

    /// Of sums. A peak is a bound from above, and a service more can tell more of who runs beside
    /// whom: one that waits for another's start says that this other stays.
    #[test]
    fn a_service_more_lowers_nothing(project in projects(), options in options()) {
        let options = FoldOptions { peak: false, ..options };
        let mut fewer = project.clone();
        fewer.services.pop();
        let (fewer, more) = (sum(&fewer, &options), sum(&project, &options));
        for (less, more) in numbers(&fewer).into_iter().zip(numbers(&more)) {
            prop_assert!(less <= more, "{} > {}", less, more);
        }
        for (less, more) in task_numbers(&fewer).into_iter().zip(task_numbers(&more)) {
            prop_assert!(less <= more, "{} > {}", less, more);
        }
    }

    #[test]
    fn the_peak_is_between_the_largest_part_and_the_sum(
        project in projects(),
        options in options(),
    ) {
        let all = sum(&project, &FoldOptions { peak: false, ..options });
        let peak = sum(&project, &FoldOptions { peak: true, ..options });
        for (peak, all) in numbers(&peak).into_iter().zip(numbers(&all)) {
            prop_assert!(peak <= all, "{} > {}", peak, all);
        }
        let most = peak.services.iter().map(|row| row.total.cpus).max();
        prop_assert!(most <= Some(peak.services_total.amounts.cpus) || most.is_none());
        let most = peak.services.iter().map(|row| row.total.mem).max();
        prop_assert!(most <= Some(peak.services_total.amounts.mem) || most.is_none());
    }

    #[test]
    fn a_tasks_limit_is_never_below_what_it_asks_for(project in projects(), options in options()) {
        use super::basis::Ceiling;
        let sum = sum(&project, &FoldOptions { basis: Basis::Split, ..options });
        let limits = sum.task.limits.expect("split has limits");
        if let Ceiling::At(cpus) = limits.cpus {
            prop_assert!(cpus >= sum.task.amounts.cpus);
        }
        if let Ceiling::At(mem) = limits.mem {
            prop_assert!(mem >= sum.task.amounts.mem);
        }
    }
}
