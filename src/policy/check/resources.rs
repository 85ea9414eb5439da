//! What a container may use.

use super::super::profile::Ports;
use super::Check;
use crate::compose::model::{BlkioConfig, POD_PIDS, SERVICE_PIDS, Service};

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    memory(check, service);
    limits(check, service);
    let resources = &check.policy.resources;
    if let Some(port) = service.ports.first()
        && *resources.ports == Ports::None
    {
        let hint = "leave ports out: services of a pod reach each other without";
        check.forbid(
            &resources.ports,
            "ports",
            port.span,
            "to publish a port",
            hint,
        );
    }
    let attached = service.networks.iter();
    let addresses = attached.filter_map(|network| network.mac_address.as_ref());
    if let Some(address) = service.mac_address.iter().chain(addresses).next()
        && !*resources.mac_address
    {
        let what = "to choose a MAC address";
        let setting = &resources.mac_address;
        check.forbid(setting, "mac_address", address.span, what, "leave it out");
    }
}

fn memory(check: &mut Check<'_>, service: &Service) {
    let resources = &check.policy.resources;
    let deployed = service.deploy.as_ref();
    let deployed = deployed.and_then(|deploy| deploy.limits.memory.as_ref());
    let limit = service
        .mem_limit
        .as_ref()
        .or(deployed)
        .map(|limit| limit.value.0)
        .filter(|limit| *limit > 0);
    if *resources.mem_limit && limit.is_none() {
        let what = "a service without a limit on its memory";
        let hint = "give it a mem_limit";
        check.forbid(
            &resources.mem_limit,
            "mem_limit",
            service.name.span,
            what,
            hint,
        );
    }
    if let Some(swap) = &service.memswap_limit
        && !*resources.swap
        // Memory and swap together; 0 is as good as not given.
        && swap.value != 0
        && u64::try_from(swap.value).ok().is_none_or(|swap| limit.is_none_or(|limit| swap > limit))
    {
        let hint = "write the same as mem_limit, or leave it out";
        check.forbid(&resources.swap, "memswap_limit", swap.span, "to swap", hint);
    }
    if let Some(disable) = service.oom_kill_disable.as_ref().filter(|it| it.value)
        && !*resources.oom_kill_disable
    {
        let what = "to stop where memory is short, rather than to be killed,";
        let setting = &resources.oom_kill_disable;
        check.forbid(
            setting,
            "oom_kill_disable",
            disable.span,
            what,
            "leave it out",
        );
    }
    if let Some(score) = &service.oom_score_adj
        && score.value < *resources.oom_score_adj_min
    {
        let what = format!("an oom_score_adj of {}", score.value);
        let setting = &resources.oom_score_adj_min;
        check.forbid(
            setting,
            "oom_score_adj",
            score.span,
            what,
            "write 0 or more",
        );
    }
}

fn limits(check: &mut Check<'_>, service: &Service) {
    let resources = &check.policy.resources;
    for (key, value) in [
        ("cpu_rt_runtime", &service.cpu_rt_runtime),
        ("cpu_rt_period", &service.cpu_rt_period),
    ] {
        if let Some(value) = value.as_ref().filter(|value| value.value != 0)
            && !*resources.realtime
        {
            let what = "real-time scheduling";
            check.forbid(&resources.realtime, key, value.span, what, "leave it out");
        }
    }
    if let Some(blkio) = service.blkio_config.as_ref().filter(|it| names_devices(it))
        && !*resources.blkio_devices
    {
        let what = "a limit for a single device of the host's";
        let setting = &resources.blkio_devices;
        check.forbid(
            setting,
            "blkio_config",
            blkio.span,
            what,
            "leave devices out",
        );
    }
    pids(check, service);
    for ulimit in &service.ulimits {
        let name = &ulimit.name.value;
        let Some(most) = resources.ulimits.most(name) else {
            continue;
        };
        let beyond = |value: Option<u64>| value.is_none_or(|value| value > most);
        if beyond(ulimit.range.hard) || beyond(ulimit.range.soft) {
            let what = format!("a {name} above {most}");
            let key = format!("ulimits.{name}");
            let setting = &resources.ulimits;
            check.forbid(setting, &key, ulimit.name.span, what, "ask for less");
        }
    }
}

/// What counts is what the planner makes of it: a service that says nothing has a limit, too, and the
/// pod's own holds where one is unlimited.
fn pids(check: &mut Check<'_>, service: &Service) {
    let max = &check.policy.resources.pids_max;
    let deployed = service.deploy.as_ref();
    let (key, asked) = match deployed.and_then(|deploy| deploy.limits.pids.as_ref()) {
        Some(deployed) => ("deploy.resources.limits.pids", Some(deployed)),
        None => ("pids_limit", service.pids_limit.as_ref()),
    };
    let pids = match asked {
        None => SERVICE_PIDS,
        Some(asked) => match u64::try_from(asked.value) {
            Ok(pids) if pids > 0 => pids,
            _ => POD_PIDS,
        },
    };
    if !max.allows(pids) {
        let what = format!("{pids} processes");
        let (span, hint) = match asked {
            Some(asked) => (asked.span, "ask for less"),
            None => (service.name.span, "give it a pids_limit"),
        };
        check.forbid(max, key, span, what, hint);
    }
}

fn names_devices(blkio: &BlkioConfig) -> bool {
    !(blkio.weight_device.is_empty()
        && blkio.device_read_bps.is_empty()
        && blkio.device_write_bps.is_empty()
        && blkio.device_read_iops.is_empty()
        && blkio.device_write_iops.is_empty())
}
