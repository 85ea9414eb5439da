//! `linux.resources` and `linux.cgroupsPath`: a container's limits, below the pod's.

use std::path::Path;

use oci_spec::runtime::{
    Linux, LinuxBlockIo, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources, LinuxThrottleDevice,
    LinuxThrottleDeviceBuilder, LinuxWeightDevice, LinuxWeightDeviceBuilder,
};

use super::devices::{HostDevice, HostDevices};
use super::error::SpecError;
use super::host::HostFacts;
use crate::compose::model::{ByteSize, Cpus};
use crate::pod::plan::{BlockIoPlan, ContainerPlan, DeviceAmount, LimitsPlan, Swap};

/// The period that Docker uses, in microseconds; the kernel takes quotas from 1 ms on.
const CPU_PERIOD: u64 = 100_000;
const CPU_QUOTA_MIN: i64 = 1_000;
const NANOS_PER_CPU: u64 = 1_000_000_000;

/// Fills the plan's limits into the base document's.
pub(super) fn fill(
    linux: &mut Linux,
    plan: &ContainerPlan,
    devices: &HostDevices,
    host: &HostFacts,
) -> Result<(), SpecError> {
    let mut resources = linux.resources().clone().unwrap_or_default();
    memory(&mut resources, plan, host)?;
    cpu(&mut resources, plan)?;
    match plan.limits.pids {
        Some(limit) => pids(&mut resources, limit, plan)?,
        // The pod's limit holds.
        None => _ = resources.set_pids(None),
    }
    block_io(&mut resources, &plan.limits.block_io, devices);
    linux.set_resources(Some(resources));
    linux.set_cgroups_path(Some(plan.cgroup.as_str().into()));
    Ok(())
}

/// Where the file says nothing of swap, memory and swap together get the one limit: swap would be
/// memory that Mesos doesn't count.
fn memory(
    resources: &mut LinuxResources,
    plan: &ContainerPlan,
    host: &HostFacts,
) -> Result<(), SpecError> {
    let LimitsPlan {
        memory: limit,
        swap,
        memory_reservation: reservation,
        swappiness,
        oom_kill_disable,
        ..
    } = &plan.limits;
    if limit.is_none() && reservation.is_none() && swappiness.is_none() && !oom_kill_disable {
        return Ok(());
    }
    let bytes = |size: ByteSize| {
        i64::try_from(size.0).map_err(|_| SpecError::Memory {
            service: plan.service.value.clone(),
            limit: size,
            span: plan.service.span,
        })
    };
    let mut memory = LinuxMemory::default();
    if let Some(limit) = *limit {
        let total = match *swap {
            None => bytes(limit)?,
            Some(Swap::Total(total)) => bytes(total)?,
            Some(Swap::Unlimited) => -1,
        };
        memory
            .set_limit(Some(bytes(limit)?))
            .set_swap(host.swap_limit.then_some(total));
    }
    memory
        .set_reservation(reservation.map(bytes).transpose()?)
        .set_swappiness(*swappiness);
    if *oom_kill_disable {
        memory.set_disable_oom_killer(Some(true));
    }
    resources.set_memory(Some(memory));
    Ok(())
}

fn cpu(resources: &mut LinuxResources, plan: &ContainerPlan) -> Result<(), SpecError> {
    let limits = &plan.limits;
    let mut cpu = LinuxCpu::default();
    if let Some(cpus) = limits.cpus {
        cpu.set_period(Some(CPU_PERIOD))
            .set_quota(Some(quota(cpus, plan)?));
    }
    if let Some(period) = limits.cpu_period {
        cpu.set_period(Some(period));
    }
    if let Some(quota) = limits.cpu_quota {
        cpu.set_quota(Some(i64::try_from(quota).unwrap_or(i64::MAX)));
    }
    cpu.set_shares(limits.cpu_shares)
        .set_cpus(limits.cpuset.clone())
        .set_realtime_runtime(limits.realtime_runtime)
        .set_realtime_period(limits.realtime_period);
    if cpu != LinuxCpu::default() {
        resources.set_cpu(Some(cpu));
    }
    Ok(())
}

fn quota(cpus: Cpus, plan: &ContainerPlan) -> Result<i64, SpecError> {
    let quota = u128::from(cpus.nanos) * u128::from(CPU_PERIOD) / u128::from(NANOS_PER_CPU);
    let quota = i64::try_from(quota).expect("2^64 billionths of a CPU are 2^51 microseconds");
    if quota < CPU_QUOTA_MIN {
        return Err(SpecError::Cpus {
            service: plan.service.value.clone(),
            cpus: decimal(cpus),
            span: plan.service.span,
        });
    }
    Ok(quota)
}

fn pids(resources: &mut LinuxResources, limit: u64, plan: &ContainerPlan) -> Result<(), SpecError> {
    let limit = i64::try_from(limit).map_err(|_| SpecError::Pids {
        service: plan.service.value.clone(),
        limit,
        span: plan.service.span,
    })?;
    let mut pids = LinuxPids::default();
    pids.set_limit(limit);
    resources.set_pids(Some(pids));
    Ok(())
}

/// The devices' numbers are those of the host's nodes.
fn block_io(resources: &mut LinuxResources, plan: &BlockIoPlan, devices: &HostDevices) {
    if *plan == BlockIoPlan::default() {
        return;
    }
    let of = |device: &DeviceAmount| {
        let nodes = devices.at(Path::new(&device.path.value));
        let amount = device.amount;
        nodes.iter().map(move |node| (node.clone(), amount))
    };
    let throttles = |list: &[DeviceAmount]| {
        let list: Vec<_> = list.iter().flat_map(of).map(throttle).collect();
        (!list.is_empty()).then_some(list)
    };
    let weights: Vec<_> = plan.weight_device.iter().flat_map(of).map(weight).collect();
    let mut block_io = LinuxBlockIo::default();
    block_io
        .set_weight(plan.weight)
        .set_weight_device((!weights.is_empty()).then_some(weights))
        .set_throttle_read_bps_device(throttles(&plan.read_bps))
        .set_throttle_write_bps_device(throttles(&plan.write_bps))
        .set_throttle_read_iops_device(throttles(&plan.read_iops))
        .set_throttle_write_iops_device(throttles(&plan.write_iops));
    resources.set_block_io(Some(block_io));
}

fn throttle((device, rate): (HostDevice, u64)) -> LinuxThrottleDevice {
    LinuxThrottleDeviceBuilder::default()
        .major(i64::from(device.major))
        .minor(i64::from(device.minor))
        .rate(rate)
        .build()
        .expect("every field is given")
}

fn weight((device, weight): (HostDevice, u64)) -> LinuxWeightDevice {
    LinuxWeightDeviceBuilder::default()
        .major(i64::from(device.major))
        .minor(i64::from(device.minor))
        .weight(u16::try_from(weight).unwrap_or(u16::MAX))
        .build()
        .expect("a device and its weight are given")
}

/// `0.005`, without zeros at the end.
fn decimal(cpus: Cpus) -> String {
    let (whole, rest) = (cpus.nanos / NANOS_PER_CPU, cpus.nanos % NANOS_PER_CPU);
    let text = format!("{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::{Fixture, SERVICE};
    use super::*;
    use crate::pod::plan::LimitsPlan;

    fn limited(limits: LimitsPlan, swap_limit: bool) -> Result<LinuxResources, SpecError> {
        let mut fixture = Fixture::new();
        fixture.plan.limits = limits;
        fixture.host.swap_limit = swap_limit;
        let mut linux = BaseSpecs::embedded().container.linux;
        fill(&mut linux, &fixture.plan, &fixture.devices, &fixture.host)?;
        Ok(linux.resources().clone().unwrap())
    }

    #[test]
    fn no_limit_is_none() {
        let resources = limited(LimitsPlan::default(), true).unwrap();
        assert_eq!(resources.memory(), &None);
        assert_eq!(resources.cpu(), &None);
        assert_eq!(resources.pids(), &None);
    }

    #[test]
    fn a_memory_limit_leaves_no_swap() {
        let memory = Some(ByteSize(64 << 20));
        let limits = LimitsPlan {
            memory,
            ..LimitsPlan::default()
        };
        let memory = limited(limits.clone(), true).unwrap().memory().unwrap();
        assert_eq!(memory.limit(), Some(64 << 20));
        assert_eq!(memory.swap(), Some(64 << 20));
        let memory = limited(limits, false).unwrap().memory().unwrap();
        assert_eq!(memory.swap(), None);
    }

    #[test]
    fn cpus_become_a_quota_of_a_tenth_of_a_second() {
        for (nanos, quota) in [
            (1_000_000_000, 100_000),
            (1_500_000_000, 150_000),
            (10_000_000, 1_000),
            (333_333_333, 33_333),
        ] {
            let limits = LimitsPlan {
                cpus: Some(Cpus { nanos }),
                ..LimitsPlan::default()
            };
            let resources = limited(limits, true).unwrap();
            let cpu = resources.cpu().as_ref().unwrap();
            assert_eq!(cpu.quota(), Some(quota));
            assert_eq!(cpu.period(), Some(100_000));
        }
    }

    #[test]
    fn every_limit_has_its_field() {
        let size = |mib: u64| Some(ByteSize(mib << 20));
        let limits = LimitsPlan {
            memory: size(64),
            swap: Some(Swap::Total(ByteSize(96 << 20))),
            memory_reservation: size(32),
            swappiness: Some(10),
            oom_kill_disable: true,
            cpu_quota: Some(20_000),
            cpu_period: Some(50_000),
            cpu_shares: Some(512),
            cpuset: Some("0-1".into()),
            realtime_runtime: Some(1_000),
            realtime_period: Some(10_000),
            ..LimitsPlan::default()
        };
        let resources = limited(limits, true).unwrap();
        let resources = super::super::fixture::lines(&serde_json::json!({
            "memory": resources.memory(),
            "cpu": resources.cpu(),
        }));
        insta::assert_snapshot!(resources, @r#"
        {
          "memory": {"limit":67108864,"reservation":33554432,"swap":100663296,"swappiness":10,"disableOOMKiller":true},
          "cpu": {"shares":512,"quota":20000,"period":50000,"realtimeRuntime":1000,"realtimePeriod":10000,"cpus":"0-1"}
        }
        "#);
    }

    #[test]
    fn swap_may_have_no_end() {
        let limits = LimitsPlan {
            memory: Some(ByteSize(64 << 20)),
            swap: Some(Swap::Unlimited),
            ..LimitsPlan::default()
        };
        let memory = limited(limits, true).unwrap().memory().unwrap();
        assert_eq!(memory.swap(), Some(-1));
    }

    #[test]
    fn block_devices_are_named_by_their_numbers() {
        let mut fixture = Fixture::new();
        let device = |path: &str, amount| DeviceAmount {
            path: super::super::fixture::spanned(path.to_owned(), 40),
            amount,
        };
        fixture.plan.limits.block_io = BlockIoPlan {
            weight: Some(300),
            weight_device: vec![device("/dev/vda", 200)],
            read_bps: vec![device("/dev/vda", 1 << 20)],
            write_iops: vec![device("/dev/vda", 50)],
            ..BlockIoPlan::default()
        };
        let node = HostDevice {
            path: "/dev/vda".into(),
            block: true,
            major: 254,
            minor: 0,
            mode: 0o660,
            uid: 0,
            gid: 6,
        };
        fixture.devices.named.insert("/dev/vda".into(), vec![node]);
        let mut linux = BaseSpecs::embedded().container.linux;
        fill(&mut linux, &fixture.plan, &fixture.devices, &fixture.host).unwrap();
        let resources = linux.resources().clone().unwrap();
        let block_io = serde_json::to_value(resources.block_io()).unwrap();
        insta::assert_snapshot!(super::super::fixture::lines(&block_io), @r#"
        {
          "weight": 300,
          "weightDevice": [{"major":254,"minor":0,"weight":200}],
          "throttleReadBpsDevice": [{"major":254,"minor":0,"rate":1048576}],
          "throttleWriteIOPSDevice": [{"major":254,"minor":0,"rate":50}]
        }
        "#);
    }

    #[test]
    fn a_limit_that_the_kernel_can_not_hold_is_refused() {
        let error = |limits| limited(limits, true).unwrap_err();
        let none = LimitsPlan::default();
        let cpus = error(LimitsPlan {
            cpus: Some(Cpus { nanos: 5_000_000 }),
            ..none.clone()
        });
        assert_eq!(cpus.span(), SERVICE);
        insta::assert_snapshot!(cpus, @r#"service "web": 0.005 CPUs are less than the kernel can share out (0.01)"#);
        let memory = error(LimitsPlan {
            memory: Some(ByteSize(1 << 63)),
            ..none.clone()
        });
        insta::assert_snapshot!(memory, @r#"service "web": a memory limit of 8388608TiB is more than the kernel can count"#);
        let pids = error(LimitsPlan {
            pids: Some(u64::MAX),
            ..none
        });
        insta::assert_snapshot!(pids, @r#"service "web": a limit of 18446744073709551615 processes is more than the kernel can count"#);
    }

    #[test]
    fn a_container_has_the_standard_devices_and_no_others() {
        let resources = limited(LimitsPlan::default(), true).unwrap();
        let rules: Vec<String> = resources
            .devices()
            .iter()
            .flatten()
            .map(ToString::to_string)
            .collect();
        insta::assert_snapshot!(rules.join("\n"), @r"
        a *:* rwm
        c 1:3 rwm
        c 1:5 rwm
        c 1:7 rwm
        c 1:8 rwm
        c 1:9 rwm
        c 5:0 rwm
        c 5:2 rwm
        c 136:* rwm
        ");
    }
}
