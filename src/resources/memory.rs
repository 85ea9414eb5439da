//! Memory of a service.

use super::figure::{Demand, Figure, Origin};
use super::findings::Findings;
use super::twins::{limited, refuse_beyond, reserved, twin};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, MountKind, Service};
use crate::compose::source::Spanned;

/// Docker's engine takes no smaller limit.
const LEAST_MEMORY: ByteSize = ByteSize(6 << 20);

/// Memory of one instance. Pages of a tmpfs are its service's: where no limit holds them, they come
/// on top of the default.
pub(super) fn demand(
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
