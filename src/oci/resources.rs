//! `linux.resources` and `linux.cgroupsPath`: a container's limits, below the pod's.

use oci_spec::runtime::{Linux, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources};

use super::error::SpecError;
use super::host::HostFacts;
use crate::compose::model::{ByteSize, Cpus};
use crate::pod::plan::ContainerPlan;

/// The period that Docker uses, in microseconds; the kernel takes quotas from 1 ms on.
const CPU_PERIOD: u64 = 100_000;
const CPU_QUOTA_MIN: i64 = 1_000;
const NANOS_PER_CPU: u64 = 1_000_000_000;

/// Fills the plan's limits into the base document's.
pub(super) fn fill(
    linux: &mut Linux,
    plan: &ContainerPlan,
    host: &HostFacts,
) -> Result<(), SpecError> {
    let mut resources = linux.resources().clone().unwrap_or_default();
    if let Some(limit) = plan.limits.memory {
        memory(&mut resources, limit, plan, host)?;
    }
    if let Some(cpus) = plan.limits.cpus {
        cpu(&mut resources, cpus, plan)?;
    }
    match plan.limits.pids {
        Some(limit) => pids(&mut resources, limit, plan)?,
        // The pod's limit holds.
        None => _ = resources.set_pids(None),
    }
    linux.set_resources(Some(resources));
    linux.set_cgroups_path(Some(plan.cgroup.as_str().into()));
    Ok(())
}

/// Memory and swap together get the one limit: swap would be memory that Mesos doesn't count.
fn memory(
    resources: &mut LinuxResources,
    limit: ByteSize,
    plan: &ContainerPlan,
    host: &HostFacts,
) -> Result<(), SpecError> {
    let bytes = i64::try_from(limit.0).map_err(|_| SpecError::Memory {
        service: plan.service.value.clone(),
        limit,
        span: plan.service.span,
    })?;
    let mut memory = LinuxMemory::default();
    memory
        .set_limit(Some(bytes))
        .set_swap(host.swap_limit.then_some(bytes));
    resources.set_memory(Some(memory));
    Ok(())
}

fn cpu(resources: &mut LinuxResources, cpus: Cpus, plan: &ContainerPlan) -> Result<(), SpecError> {
    let quota = u128::from(cpus.nanos) * u128::from(CPU_PERIOD) / u128::from(NANOS_PER_CPU);
    let quota = i64::try_from(quota).expect("2^64 billionths of a CPU are 2^51 microseconds");
    if quota < CPU_QUOTA_MIN {
        return Err(SpecError::Cpus {
            service: plan.service.value.clone(),
            cpus: decimal(cpus),
            span: plan.service.span,
        });
    }
    let mut cpu = LinuxCpu::default();
    cpu.set_period(Some(CPU_PERIOD)).set_quota(Some(quota));
    resources.set_cpu(Some(cpu));
    Ok(())
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
        fill(&mut linux, &fixture.plan, &fixture.host)?;
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
        let memory = limited(limits, true).unwrap().memory().unwrap();
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
    fn a_limit_that_the_kernel_can_not_hold_is_refused() {
        let error = |limits| limited(limits, true).unwrap_err();
        let none = LimitsPlan::default();
        let cpus = error(LimitsPlan {
            cpus: Some(Cpus { nanos: 5_000_000 }),
            ..none
        });
        assert_eq!(cpus.span(), SERVICE);
        insta::assert_snapshot!(cpus, @r#"service "web": 0.005 CPUs are less than the kernel can share out (0.01)"#);
        let memory = error(LimitsPlan {
            memory: Some(ByteSize(1 << 63)),
            ..none
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
