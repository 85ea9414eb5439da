//! Limits that contradict each other, or that no kernel takes.

use super::Check;
use crate::compose::model::{ByteSize, Service};
use crate::compose::source::Spanned;

/// Below it the engine starts nothing: a container could not even report that it ran out.
const LEAST_MEMORY: ByteSize = ByteSize(6 << 20);

/// getrlimit(2)
const LIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

pub(super) fn check(check: &mut Check<'_>) {
    memory(check);
    cpu(check);
    block_io(check);
    for limit in &check.service.ulimits {
        if !LIMITS.contains(&limit.name.as_str()) {
            let problem = format!("there is no limit `{}`", limit.name.value);
            let near = crate::compose::near::nearest(&limit.name, LIMITS);
            check.fail("ulimits", limit.name.span, &problem).help =
                near.map(|near| format!("did you mean {near}?"));
        }
        let (soft, hard) = (limit.range.soft, limit.range.hard);
        if hard.is_some_and(|hard| soft.is_none_or(|soft| soft > hard)) {
            let key = format!("ulimits.{}", limit.name.value);
            check.fail(
                &key,
                limit.name.span,
                "the soft limit is above the hard one",
            );
        }
    }
}

/// The limit that counts: `deploy`'s, else the service's own.
fn memory_limit(service: &Service) -> Option<&Spanned<ByteSize>> {
    let deployed = service.deploy.as_ref();
    set(deployed.and_then(|deploy| deploy.limits.memory.as_ref()))
        .or(set(service.mem_limit.as_ref()))
}

/// Zero is unset, as for the engine.
fn set(size: Option<&Spanned<ByteSize>>) -> Option<&Spanned<ByteSize>> {
    size.filter(|size| size.0 > 0)
}

fn memory(check: &mut Check<'_>) {
    let service = check.service;
    let limit = memory_limit(service);
    if let Some(limit) = limit
        && limit.value < LEAST_MEMORY
    {
        let problem = format!("{} is too little; the least is {LEAST_MEMORY}", limit.value);
        check.fail("mem_limit", limit.span, &problem);
    }
    let deployed = service.deploy.as_ref();
    let reserved = deployed
        .and_then(|deploy| deploy.reservations.memory.as_ref())
        .or(service.mem_reservation.as_ref());
    if let (Some(limit), Some(reserved)) = (limit, reserved)
        && reserved.value > limit.value
    {
        let error = check.fail(
            "mem_reservation",
            reserved.span,
            "more is reserved than the limit allows",
        );
        *error = error.clone().label(limit.span, "the limit");
    }
    match (&service.memswap_limit, limit) {
        (Some(swap), None) if swap.value > 0 => {
            check.fail("memswap_limit", swap.span, "this needs a mem_limit as well");
        }
        (Some(swap), Some(limit))
            if u64::try_from(swap.value).is_ok_and(|swap| swap > 0 && swap < limit.value.0) =>
        {
            let problem = "memory and swap together can't be less than memory";
            let error = check.fail("memswap_limit", swap.span, problem);
            *error = error.clone().label(limit.span, "the limit");
        }
        _ => {}
    }
    if let Some(swappiness) = &service.mem_swappiness
        && !(-1..=100).contains(&swappiness.value)
    {
        check.fail("mem_swappiness", swappiness.span, "this goes from 0 to 100");
    }
}

fn cpu(check: &mut Check<'_>) {
    let service = check.service;
    let deployed = service.deploy.as_ref();
    let cpus = deployed
        .and_then(|deploy| deploy.limits.cpus.as_ref())
        .filter(|cpus| cpus.nanos > 0)
        .or(service.cpus.as_ref().filter(|cpus| cpus.nanos > 0));
    // Zero is unset, as for the engine.
    let set = |number: &'_ Option<Spanned<i64>>| number.clone().filter(|number| number.value != 0);
    let (quota, period) = (set(&service.cpu_quota), set(&service.cpu_period));
    for (key, value) in [("cpu_quota", &quota), ("cpu_period", &period)] {
        if let (Some(cpus), Some(value)) = (cpus, value) {
            let error = check.fail(key, value.span, "this and `cpus` say the same thing twice");
            *error = error.clone().label(cpus.span, "the other");
        }
    }
    if let Some(period) = &period
        && !(1_000..=1_000_000).contains(&period.value)
    {
        check.fail(
            "cpu_period",
            period.span,
            "this goes from 1000 to 1000000 µs",
        );
    }
    if let Some(quota) = &quota
        && (1..1_000).contains(&quota.value)
    {
        check.fail("cpu_quota", quota.span, "this is 1000 µs at least");
    }
    if let Some(shares) = &service.cpu_shares
        && shares.value < 0
    {
        check.fail("cpu_shares", shares.span, "this is not below zero");
    }
}

fn block_io(check: &mut Check<'_>) {
    let Some(blkio) = &check.service.blkio_config else {
        return;
    };
    let outside = |weight: u16| weight != 0 && !(10..=1000).contains(&weight);
    if let Some(weight) = &blkio.weight
        && outside(weight.value)
    {
        check.fail(
            "blkio_config.weight",
            weight.span,
            "this goes from 10 to 1000",
        );
    }
    for device in &blkio.weight_device {
        if outside(device.weight) {
            let key = "blkio_config.weight_device";
            check.fail(key, device.path.span, "a weight goes from 10 to 1000");
        }
    }
}
