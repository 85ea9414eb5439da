//! What a service may use: its own keys and those of `deploy`, as cgroups have them.
//!
//! Zero means unset, as for Docker; what contradicts itself, `compose::engine_checks` has refused.

use std::collections::BTreeSet;

use super::context::{CgroupVersion, Kernel};
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{BlkioConfig, ByteSize, Cpus, SERVICE_PIDS, Service, ThrottleDevice};
use crate::compose::source::Spanned;

const NANOS_PER_CPU: u64 = 1_000_000_000;
/// What one CPU is worth among `cpu_shares`, by Docker's convention and the kernel's default.
const SHARES_PER_CPU: u64 = 1024;
/// The least weight that the kernel takes.
const SHARES_MIN: u64 = 2;

/// A container's own limits, below the pod's. Times are in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LimitsPlan {
    pub memory: Option<ByteSize>,
    /// None: as much as memory, which is no swap at all.
    pub swap: Option<Swap>,
    pub memory_reservation: Option<ByteSize>,
    pub swappiness: Option<u64>,
    pub oom_kill_disable: bool,
    pub cpus: Option<Cpus>,
    pub cpu_quota: Option<u64>,
    pub cpu_period: Option<u64>,
    pub cpu_shares: Option<u64>,
    pub realtime_runtime: Option<i64>,
    pub realtime_period: Option<u64>,
    /// A list of CPUs, as cpuset(7) has it.
    pub cpuset: Option<String>,
    /// None: unlimited, but for the pod's.
    pub pids: Option<u64>,
    pub block_io: BlockIoPlan,
}

/// How much memory and swap together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    Unlimited,
    Total(ByteSize),
}

/// Shares and ceilings of block devices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockIoPlan {
    pub weight: Option<u16>,
    pub weight_device: Vec<DeviceAmount>,
    pub read_bps: Vec<DeviceAmount>,
    pub write_bps: Vec<DeviceAmount>,
    pub read_iops: Vec<DeviceAmount>,
    pub write_iops: Vec<DeviceAmount>,
}

/// A block device by its path, and an amount of it: a weight, bytes or operations a second.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAmount {
    pub path: Spanned<String>,
    pub amount: u64,
}

impl BlockIoPlan {
    /// The lists, all of whose devices must be there.
    pub fn lists(&self) -> [&[DeviceAmount]; 5] {
        [
            &self.weight_device,
            &self.read_bps,
            &self.write_bps,
            &self.read_iops,
            &self.write_iops,
        ]
    }
}

/// The limits of a service, and what of them the machine can't do.
pub(super) fn of(service: &Service, kernel: &Kernel, found: &mut Vec<Diagnostic>) -> LimitsPlan {
    let mut limits = LimitsPlan::default();
    memory(&mut limits, service, kernel, found);
    cpu(&mut limits, service, kernel, found);
    realtime(&mut limits, service, kernel, found);
    cpuset(&mut limits, service, kernel, found);
    let deployed = service.deploy.as_ref();
    let pids = deployed.and_then(|deploy| deploy.limits.pids.as_ref());
    limits.pids = match pids.or(service.pids_limit.as_ref()) {
        None => Some(SERVICE_PIDS),
        // 0 and -1 are Compose's words for unlimited.
        Some(limit) => u64::try_from(limit.value).ok().filter(|&limit| limit > 0),
    };
    if let Some(config) = &service.blkio_config {
        limits.block_io = block_io(config, service, kernel, found);
    }
    limits
}

fn memory(
    limits: &mut LimitsPlan,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) {
    let positive = |size: &Spanned<ByteSize>| Some(size.value).filter(|size| size.0 > 0);
    let deployed = service.deploy.as_ref();
    let limit = deployed.and_then(|deploy| deploy.limits.memory.as_ref());
    limits.memory = limit
        .and_then(positive)
        .or_else(|| service.mem_limit.as_ref().and_then(positive));
    let reserved = deployed.and_then(|deploy| deploy.reservations.memory.as_ref());
    limits.memory_reservation = reserved
        .and_then(positive)
        .or_else(|| service.mem_reservation.as_ref().and_then(positive));
    limits.swap = service
        .memswap_limit
        .as_ref()
        .and_then(|swap| match swap.value {
            0 => None,
            total => {
                Some(u64::try_from(total).map_or(Swap::Unlimited, |it| Swap::Total(ByteSize(it))))
            }
        });
    if let Some(swappiness) = &service.mem_swappiness
        && let Ok(value) = u64::try_from(swappiness.value)
    {
        match kernel.cgroups {
            CgroupVersion::V1 => limits.swappiness = Some(value),
            CgroupVersion::V2 => found.extend(verdict::of_service(
                service,
                "mem_swappiness: cgroup v2",
                swappiness.span,
            )),
        }
    }
    if service
        .oom_kill_disable
        .as_ref()
        .is_some_and(|flag| flag.value)
    {
        // The table's warning tells what it means.
        limits.oom_kill_disable = kernel.cgroups == CgroupVersion::V1;
    }
}

fn cpu(limits: &mut LimitsPlan, service: &Service, kernel: &Kernel, found: &mut Vec<Diagnostic>) {
    let positive =
        |number: &Spanned<i64>| u64::try_from(number.value).ok().filter(|&value| value > 0);
    let deployed = service.deploy.as_ref();
    let cpus = deployed
        .and_then(|deploy| deploy.limits.cpus.as_ref())
        .filter(|cpus| cpus.nanos > 0)
        .or_else(|| service.cpus.as_ref().filter(|cpus| cpus.nanos > 0));
    if let Some(cpus) = cpus
        && cpus.nanos > kernel.cpus.len() as u64 * NANOS_PER_CPU
    {
        let text = format!(
            "services.{}.cpus: the machine has {} CPUs, and more are asked for",
            service.name.value,
            kernel.cpus.len()
        );
        found.push(Diagnostic::invalid(text).at(cpus.span));
    }
    limits.cpus = cpus.map(|cpus| cpus.value);
    limits.cpu_quota = service.cpu_quota.as_ref().and_then(positive);
    limits.cpu_period = service.cpu_period.as_ref().and_then(positive);
    let reserved = deployed
        .and_then(|deploy| deploy.reservations.cpus.as_ref())
        .filter(|cpus| cpus.nanos > 0)
        .map(|cpus| shares_of(cpus.value));
    limits.cpu_shares = service.cpu_shares.as_ref().and_then(positive).or(reserved);
}

fn shares_of(cpus: Cpus) -> u64 {
    let shares = u128::from(cpus.nanos) * u128::from(SHARES_PER_CPU) / u128::from(NANOS_PER_CPU);
    u64::try_from(shares).unwrap_or(u64::MAX).max(SHARES_MIN)
}

fn realtime(
    limits: &mut LimitsPlan,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) {
    for (key, number) in [
        ("cpu_rt_runtime", &service.cpu_rt_runtime),
        ("cpu_rt_period", &service.cpu_rt_period),
    ] {
        let Some(number) = number.as_ref().filter(|number| number.value != 0) else {
            continue;
        };
        let key = match (kernel.cgroups, kernel.realtime) {
            (CgroupVersion::V2, _) => format!("{key}: cgroup v2"),
            (CgroupVersion::V1, false) => format!("{key}: a kernel without it"),
            (CgroupVersion::V1, true) => continue,
        };
        found.extend(verdict::of_service(service, &key, number.span));
    }
    if kernel.realtime && kernel.cgroups == CgroupVersion::V1 {
        let set = |number: &Option<Spanned<i64>>| {
            let number = number.as_ref().map(|number| number.value);
            number.filter(|&number| number != 0)
        };
        limits.realtime_runtime = set(&service.cpu_rt_runtime);
        limits.realtime_period =
            set(&service.cpu_rt_period).and_then(|period| u64::try_from(period).ok());
    }
}

fn cpuset(
    limits: &mut LimitsPlan,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) {
    let Some(list) = service.cpuset.as_ref().filter(|list| !list.is_empty()) else {
        return;
    };
    let at = format!("services.{}.cpuset", service.name.value);
    match cpu_list(list) {
        None => {
            let text = format!("{at}: \"{}\" is no list of CPUs", list.value);
            found.push(
                Diagnostic::invalid(text)
                    .at(list.span)
                    .help("a list is of numbers and ranges, as in 0-2,5"),
            );
        }
        Some(cpus) => match cpus.difference(&kernel.cpus).next() {
            Some(missing) => {
                let text = format!("{at}: the task can't have CPU {missing} of this machine");
                found.push(Diagnostic::invalid(text).at(list.span));
            }
            None => limits.cpuset = Some(list.value.clone()),
        },
    }
}

/// The CPUs of a list as cpuset(7) has it: `0-2,5`.
pub(crate) fn cpu_list(text: &str) -> Option<BTreeSet<u32>> {
    /// More than any machine has.
    const MOST: u32 = 1 << 16;
    let mut cpus = BTreeSet::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if first > last || last > MOST {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

fn block_io(
    config: &BlkioConfig,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) -> BlockIoPlan {
    let throttles = |devices: &[ThrottleDevice]| {
        let throttle = |device: &ThrottleDevice| DeviceAmount {
            path: device.path.clone(),
            amount: device.rate,
        };
        devices.iter().map(throttle).collect()
    };
    let mut plan = BlockIoPlan {
        read_bps: throttles(&config.device_read_bps),
        write_bps: throttles(&config.device_write_bps),
        read_iops: throttles(&config.device_read_iops),
        write_iops: throttles(&config.device_write_iops),
        ..BlockIoPlan::default()
    };
    let weight = config.weight.as_ref().filter(|weight| weight.value > 0);
    let weighed = weight.map(|weight| weight.span).or_else(|| {
        let device = config.weight_device.first();
        device.map(|device| device.path.span)
    });
    match weighed {
        Some(span) if !kernel.block_weight => found.extend(verdict::of_service(
            service,
            "blkio_config: weights without a scheduler",
            span,
        )),
        _ => {
            plan.weight = weight.map(|weight| weight.value);
            let devices = config.weight_device.iter().map(|device| DeviceAmount {
                path: device.path.clone(),
                amount: device.weight.into(),
            });
            plan.weight_device = devices.collect();
        }
    }
    for device in plan.lists().into_iter().flatten() {
        if !super::devices::is_device_path(&device.path) {
            let text = format!(
                "services.{}.blkio_config: \"{}\" is no path of a device below /dev",
                service.name.value, device.path.value
            );
            found.push(Diagnostic::invalid(text).at(device.path.span));
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kernel, messages, service};
    use super::*;

    fn limits(text: &str) -> LimitsPlan {
        let mut found = Vec::new();
        let limits = of(&service(text), &kernel(), &mut found);
        assert!(found.is_empty(), "{text}: {:?}", messages(&found));
        limits
    }

    fn told(text: &str, kernel: &Kernel) -> Vec<String> {
        let mut found = Vec::new();
        of(&service(text), kernel, &mut found);
        messages(&found)
    }

    #[test]
    fn zero_is_unset() {
        let zeros = "mem_limit: 0, mem_reservation: 0, memswap_limit: 0, cpus: 0, cpu_quota: 0, cpu_period: 0, cpu_shares: 0, cpuset: ''";
        let unset = LimitsPlan {
            pids: Some(SERVICE_PIDS),
            ..LimitsPlan::default()
        };
        assert_eq!(limits(zeros), unset);
        assert_eq!(limits("pids_limit: 0").pids, None);
        assert_eq!(limits("pids_limit: -1").pids, None);
    }

    #[test]
    fn deploy_goes_over_the_services_own() {
        let text = "deploy: {resources: {limits: {cpus: '0.5', memory: 64m, pids: 7}, reservations: {cpus: '0.25', memory: 32m}}}";
        let limits = limits(text);
        assert_eq!(limits.cpus.map(|cpus| cpus.nanos), Some(500_000_000));
        assert_eq!(limits.memory, Some(ByteSize(64 << 20)));
        assert_eq!(limits.memory_reservation, Some(ByteSize(32 << 20)));
        assert_eq!(limits.pids, Some(7));
        assert_eq!(limits.cpu_shares, Some(256));
    }

    #[test]
    fn swap_is_a_total_or_unlimited() {
        let swap = |text: &str| limits(&format!("mem_limit: 64m, memswap_limit: {text}")).swap;
        assert_eq!(swap("-1"), Some(Swap::Unlimited));
        assert_eq!(swap("128m"), Some(Swap::Total(ByteSize(128 << 20))));
    }

    #[test]
    fn what_the_machine_lacks_is_told() {
        let mut v2 = kernel();
        v2.cgroups = CgroupVersion::V2;
        v2.block_weight = false;
        assert_eq!(told("mem_swappiness: 10", &v2).len(), 1);
        assert_eq!(told("cpu_rt_runtime: 1000", &v2).len(), 1);
        assert_eq!(told("blkio_config: {weight: 100}", &v2).len(), 1);
        assert_eq!(told("cpus: 4.5", &kernel()).len(), 1);
        assert_eq!(told("cpuset: 0-9", &kernel()).len(), 1);
        assert_eq!(told("cpuset: 0-x", &kernel()).len(), 1);
        let mut plain = kernel();
        plain.realtime = false;
        assert_eq!(told("cpu_rt_period: 1000", &plain).len(), 1);
    }

    #[test]
    fn a_list_of_cpus_is_read_as_the_kernel_reads_it() {
        let list = |text| cpu_list(text).map(|cpus| cpus.into_iter().collect::<Vec<_>>());
        assert_eq!(list("0-2,5"), Some(vec![0, 1, 2, 5]));
        assert_eq!(list("3"), Some(vec![3]));
        for bad in ["", "a", "2-1", "0-", "0-99999999", "-1"] {
            assert_eq!(list(bad), None, "{bad}");
        }
    }
}
