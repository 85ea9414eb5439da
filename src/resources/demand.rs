//! What one instance of a service asks for: its limit and its request of CPU and memory, each with
//! the place that says so.
//!
//! The precedence is Docker Compose's: `deploy.resources` and the flat keys mean the same, and may not
//! differ. Zero is as good as nothing. What the engine would refuse is refused here.

use std::fmt;

use super::amount::MilliCpus;
use super::basis::Basis;
use super::findings::Findings;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, Cpus, DeployResources, MountKind, Service};
use crate::compose::source::{Span, Spanned};

/// Docker's `cpu_period` where none is given, in microseconds.
const DEFAULT_PERIOD: u64 = 100_000;
/// The kernel's bounds on a period and a quota, in microseconds.
const PERIODS: std::ops::RangeInclusive<i64> = 1_000..=1_000_000;
const LEAST_QUOTA: i64 = 1_000;
/// `cpu_shares` of one whole CPU.
const SHARES_PER_CPU: u64 = 1024;
/// Docker's engine takes no smaller limit.
const LEAST_MEMORY: ByteSize = ByteSize(6 << 20);

/// Where a number comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Limit,
    Reservation,
    Quota,
    Shares,
    Cpuset,
    /// `storage_opt` and `logging`.
    Options,
    /// A label that kompose reads, too.
    Label,
    /// `x-pod`.
    Override,
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limit => "limit",
            Self::Reservation => "reservation",
            Self::Quota => "quota",
            Self::Shares => "shares",
            Self::Cpuset => "cpuset",
            Self::Options => "options",
            Self::Label => "label",
            Self::Override => "x-pod",
            Self::Default => "default",
        })
    }
}

/// An amount, and where it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure<T> {
    pub amount: T,
    pub origin: Origin,
    /// None for defaults.
    pub span: Option<Span>,
}

impl<T> Figure<T> {
    pub(super) fn new(amount: T, origin: Origin, span: Span) -> Self {
        Self {
            amount,
            origin,
            span: Some(span),
        }
    }

    pub(super) fn default(amount: T) -> Self {
        Self {
            amount,
            origin: Origin::Default,
            span: None,
        }
    }
}

/// What a service states of one resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand<T> {
    pub limit: Option<Figure<T>>,
    pub request: Option<Figure<T>>,
    /// What counts where neither is stated.
    pub default: T,
}

impl<T: Copy> Demand<T> {
    fn overridden(amount: &Spanned<impl Into<T> + Copy>, default: T) -> Self {
        let figure = Figure::new(amount.value.into(), Origin::Override, amount.span);
        Self {
            limit: Some(figure),
            request: Some(figure),
            default,
        }
    }

    /// The number that counts.
    pub fn figure(&self, basis: Basis) -> Figure<T> {
        let stated = match basis {
            Basis::Limits => self.limit.or(self.request),
            Basis::Requests | Basis::Split => self.request.or(self.limit),
        };
        stated.unwrap_or(Figure::default(self.default))
    }
}

/// One of `deploy.resources.limits`.
fn limited<T: Clone>(
    service: &Service,
    of: impl Fn(&DeployResources) -> &Option<Spanned<T>>,
) -> Option<Spanned<T>> {
    of(&service.deploy.as_ref()?.limits).clone()
}

/// One of `deploy.resources.reservations`.
fn reserved<T: Clone>(
    service: &Service,
    of: impl Fn(&DeployResources) -> &Option<Spanned<T>>,
) -> Option<Spanned<T>> {
    of(&service.deploy.as_ref()?.reservations).clone()
}

/// CPU time of one instance.
pub(super) fn cpus(
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

/// Memory of one instance. Pages of a tmpfs are its service's: where no limit holds them, they come
/// on top of the default.
pub(super) fn memory(
    service: &Service,
    default: ByteSize,
    findings: &mut Findings,
) -> Demand<ByteSize> {
    let set = |size: &Spanned<ByteSize>| size.0 > 0;
    let own = service.mem_limit.clone().filter(set);
    let theirs = limited(service, |limits| &limits.memory).filter(set);
    let limit = twin(
        service,
        ("mem_limit", own),
        ("limits.memory", theirs),
        findings,
    );
    let own = service.mem_reservation.clone().filter(set);
    let theirs = reserved(service, |reserved| &reserved.memory).filter(set);
    let request = twin(
        service,
        ("mem_reservation", own),
        ("reservations.memory", theirs),
        findings,
    );
    if let Some(limit) = &limit
        && limit.value < LEAST_MEMORY
    {
        let problem = format!(
            "services.{} has a memory limit of {}, below the least, {LEAST_MEMORY}",
            service.name.value, limit.value
        );
        findings.add(Diagnostic::invalid(problem).at(limit.span));
    }
    note_swap(service, limit.as_ref(), findings);
    let limit = limit.map(|size| Figure::new(size.value, Origin::Limit, size.span));
    let request = request.map(|size| Figure::new(size.value, Origin::Reservation, size.span));
    refuse_beyond(
        service,
        "memory",
        request.as_ref(),
        limit.as_ref(),
        findings,
    );
    let default = ByteSize(default.0.saturating_add(tmpfs(service)));
    match &service.pod.resources.mem {
        Some(size) => Demand::overridden(size, default),
        None => Demand {
            limit,
            request: request.or(limit),
            default,
        },
    }
}

/// The most processes of one instance; none where they are unlimited.
pub(super) fn pids(service: &Service, findings: &mut Findings) -> Option<u64> {
    let set = |pids: &Spanned<i64>| pids.value > 0;
    let own = service.pids_limit.clone().filter(set);
    let theirs = limited(service, |limits| &limits.pids).filter(set);
    let pids = twin(
        service,
        ("pids_limit", own),
        ("limits.pids", theirs),
        findings,
    )?;
    u64::try_from(pids.value).ok()
}

/// A value that both a flat key and `deploy.resources` can give.
fn twin<T: Copy + PartialEq>(
    service: &Service,
    (flat, own): (&str, Option<Spanned<T>>),
    (deployed, theirs): (&str, Option<Spanned<T>>),
    findings: &mut Findings,
) -> Option<Spanned<T>> {
    if let (Some(own), Some(theirs)) = (&own, &theirs)
        && own != theirs
    {
        let problem = format!(
            "services.{} has a `{flat}` that differs from `deploy.resources.{deployed}`",
            service.name.value
        );
        findings.add(
            Diagnostic::invalid(problem)
                .at(own.span)
                .label(theirs.span, "the other value"),
        );
    }
    theirs.or(own)
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

fn refuse_beyond<T: PartialOrd>(
    service: &Service,
    what: &str,
    request: Option<&Figure<T>>,
    limit: Option<&Figure<T>>,
    findings: &mut Findings,
) {
    let (Some(request), Some(limit)) = (request, limit) else {
        return;
    };
    if request.amount > limit.amount {
        let problem = format!(
            "services.{} reserves more {what} than its limit",
            service.name.value
        );
        findings.add(
            Diagnostic::invalid(problem)
                .at(request.span.unwrap_or_default())
                .label(limit.span.unwrap_or_default(), "the limit"),
        );
    }
}

/// The sizes of a service's tmpfs mounts, where they have one.
fn tmpfs(service: &Service) -> u64 {
    let mounts = service.tmpfs.iter().chain(&service.volumes);
    let sizes = mounts.filter_map(|mount| match &mount.kind {
        MountKind::Tmpfs { size, .. } => size.as_ref().map(|size| size.0),
        _ => None,
    });
    sizes.fold(0, u64::saturating_add)
}

fn note_swap(service: &Service, limit: Option<&Spanned<ByteSize>>, findings: &mut Findings) {
    let (Some(swap), Some(limit)) = (&service.memswap_limit, limit) else {
        return;
    };
    let beyond = swap.value < 0 || u64::try_from(swap.value).is_ok_and(|swap| swap > limit.value.0);
    if beyond && swap.value != 0 {
        let problem = format!(
            "services.{} may swap, which is not counted: Mesos has no such resource",
            service.name.value
        );
        findings.add(Diagnostic::warning(problem).at(swap.span));
    }
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
