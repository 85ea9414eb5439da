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
