//! CPU time of a service: as a number, as quota and period, as a weight, as a set of CPUs.
//!
//! The precedence is Docker Compose's; zero is as good as nothing. What the engine would refuse is
//! refused here.

use super::amount::MilliCpus;
use super::figure::{Demand, Figure, Origin};
use super::findings::Findings;
use super::twins::{limited, refuse_beyond, reserved, twin};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Cpus, Service};
use crate::compose::source::Spanned;

/// Docker's `cpu_period` where none is given, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;
/// The kernel's bounds on a period and a quota, in microseconds.
const PERIODS: std::ops::RangeInclusive<i64> = 1_000..=1_000_000;
const LEAST_QUOTA: i64 = 1_000;
/// `cpu_shares` of one whole CPU.
const SHARES_PER_CPU: u64 = 1024;

/// CPU time of one instance.
pub(super) fn demand(
    service: &Service,
    default: MilliCpus,
    findings: &mut Findings,
) -> Demand<MilliCpus> {
    note_without_effect(service, findings);
    let set = |cpus: &Spanned<Cpus>| cpus.nanos > 0;
    let own = service.cpus.clone().filter(set);
    let theirs = limited(service, |limits| &limits.cpus).filter(set);
    let stated = twin(service, ("cpus", own), ("limits.cpus", theirs), findings);
    let quota = quota(service, stated.as_ref(), findings);
    let stated = stated.map(|cpus| Figure::new(cpus.value.into(), Origin::Limit, cpus.span));
    let pinned = pinned(service, findings);
    let limit = match (stated.or(quota), pinned) {
        (Some(limit), Some(pinned)) if pinned.amount < limit.amount => Some(pinned),
        (limit, pinned) => limit.or(pinned),
    };
    let reserved = reserved(service, |reserved| &reserved.cpus).filter(set);
    let reserved =
        reserved.map(|cpus| Figure::new(cpus.value.into(), Origin::Reservation, cpus.span));
    refuse_beyond(service, "CPUs", reserved.as_ref(), limit.as_ref(), findings);
    let shares = shares(service, findings).map(|shares| match limit {
        // A weight and no promise: it may well be above what the service can use.
        Some(limit) if limit.amount < shares.amount => limit,
        _ => shares,
    });
    match &service.pod.resources.cpus {
        Some(cpus) => Demand::overridden(cpus, default),
        None => Demand {
            limit,
            request: reserved.or(shares).or(limit),
            default,
        },
    }
}

fn quota(
    service: &Service,
    stated: Option<&Spanned<Cpus>>,
    findings: &mut Findings,
) -> Option<Figure<MilliCpus>> {
    let name = &service.name.value;
    let quota = service.cpu_quota.as_ref().filter(|quota| quota.value > 0);
    let period = service
        .cpu_period
        .as_ref()
        .filter(|period| period.value != 0);
    if let (Some(stated), Some(other)) = (stated, quota.or(period)) {
        let problem = format!("services.{name} has `cpus` as well as a CFS quota or period");
        findings.add(
            Diagnostic::invalid(problem)
                .at(other.span)
                .label(stated.span, "here they are given as a number"),
        );
    }
    if let Some(period) = period
        && !PERIODS.contains(&period.value)
    {
        let problem = format!("services.{name}.cpu_period is no period of 1 ms to 1 s");
        let help = "it counts microseconds: 1000 to 1000000";
        findings.add(Diagnostic::invalid(problem).at(period.span).help(help));
        return None;
    }
    let quota = quota?;
    if quota.value < LEAST_QUOTA {
        let problem = format!("services.{name}.cpu_quota is less than 1 ms");
        let help = "it counts microseconds: 1000 at least";
        findings.add(Diagnostic::invalid(problem).at(quota.span).help(help));
        return None;
    }
    let micros = |number: i64| u64::try_from(number).ok();
    let period = period.map_or(Some(DEFAULT_PERIOD), |period| micros(period.value))?;
    let milli = (u128::from(micros(quota.value)?) * 1000).div_ceil(u128::from(period));
    let milli = u64::try_from(milli).unwrap_or(u64::MAX);
    Some(Figure::new(MilliCpus(milli), Origin::Quota, quota.span))
}

fn shares(service: &Service, findings: &mut Findings) -> Option<Figure<MilliCpus>> {
    let shares = service
        .cpu_shares
        .as_ref()
        .filter(|shares| shares.value != 0)?;
    let Ok(count) = u64::try_from(shares.value) else {
        let problem = format!("services.{}.cpu_shares is below zero", service.name.value);
        findings.add(Diagnostic::invalid(problem).at(shares.span));
        return None;
    };
    let milli = (u128::from(count) * 1000).div_ceil(u128::from(SHARES_PER_CPU));
    let milli = u64::try_from(milli).unwrap_or(u64::MAX);
    Some(Figure::new(MilliCpus(milli), Origin::Shares, shares.span))
}

/// The CPUs that a service is pinned to.
fn pinned(service: &Service, findings: &mut Findings) -> Option<Figure<MilliCpus>> {
    let cpuset = service.cpuset.as_ref().filter(|list| !list.is_empty())?;
    let Some(count) = count_cpus(cpuset) else {
        let problem = format!(
            "services.{}.cpuset: `{}` is no list of CPUs",
            service.name.value, cpuset.value
        );
        let help = "a list of numbers and ranges, as in 0-3,6";
        findings.add(Diagnostic::invalid(problem).at(cpuset.span).help(help));
        return None;
    };
    let amount = MilliCpus(count * 1000);
    Some(Figure::new(amount, Origin::Cpuset, cpuset.span))
}

/// How many different CPUs a list like `0-3,6` has.
fn count_cpus(cpuset: &str) -> Option<u64> {
    let mut ranges = Vec::new();
    for part in cpuset.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last) = (number(first)?, number(last)?);
        if last < first {
            return None;
        }
        ranges.push((first, last));
    }
    ranges.sort_unstable();
    let mut count = 0;
    let mut beyond = 0;
    for (first, last) in ranges {
        let first = first.max(beyond);
        if last >= first {
            count += u64::from(last - first) + 1;
            beyond = last + 1;
        }
    }
    Some(count)
}

/// A CPU's number: of more than 2¹⁶ no kernel knows.
fn number(text: &str) -> Option<u32> {
    let digits = text.trim();
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u16>().ok().map(u32::from)
}

fn note_without_effect(service: &Service, findings: &mut Findings) {
    for key in &service.keys {
        if matches!(
            key.as_str(),
            "cpu_rt_runtime" | "cpu_rt_period" | "cpu_count" | "cpu_percent"
        ) {
            let name = &service.name.value;
            let problem = format!("services.{name}.{} changes no sum", key.value);
            findings.add(Diagnostic::warning(problem).at(key.span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpusets_are_counted_once() {
        for (list, count) in [
            ("0", Some(1)),
            ("0-3,6", Some(5)),
            ("0-3,2-5,5", Some(6)),
            ("3-0", None),
            ("a", None),
            ("", None),
            ("0-99999999", None),
            ("-1", None),
        ] {
            assert_eq!(count_cpus(list), count, "{list}");
        }
    }
}
