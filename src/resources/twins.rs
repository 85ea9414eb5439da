//! Values that a flat key and `deploy.resources` can give: they mean the same, and may not differ.

use super::figure::Figure;
use super::findings::Findings;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{DeployResources, Service};
use crate::compose::source::Spanned;

/// One of `deploy.resources.limits`.
pub(super) fn limited<T: Clone>(
    service: &Service,
    of: impl Fn(&DeployResources) -> &Option<Spanned<T>>,
) -> Option<Spanned<T>> {
    of(&service.deploy.as_ref()?.limits).clone()
}

/// One of `deploy.resources.reservations`.
pub(super) fn reserved<T: Clone>(
    service: &Service,
    of: impl Fn(&DeployResources) -> &Option<Spanned<T>>,
) -> Option<Spanned<T>> {
    of(&service.deploy.as_ref()?.reservations).clone()
}

/// A value that both a flat key and `deploy.resources` can give.
pub(super) fn twin<T: Copy + PartialEq>(
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

/// A request above its limit is one that the engine refuses.
pub(super) fn refuse_beyond<T: PartialOrd>(
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
