//! How large a project is.

use super::Check;
use crate::compose::model::{Project, Service};

pub(super) fn project(check: &mut Check<'_>, project: &Project) {
    let max = &check.policy.limits.services;
    let count = project.services.len() as u64;
    if let Some(service) = project.services.last().filter(|_| !max.allows(count)) {
        let what = format!("a pod of {count} services");
        check.forbid(
            max,
            "services",
            service.name.span,
            what,
            "make it several tasks",
        );
    }
}

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let limits = &check.policy.limits;
    let bytes = service
        .environment
        .iter()
        .map(|(name, value)| name.len() + 1 + value.as_ref().map_or(0, String::len))
        .sum::<usize>() as u64;
    if let Some((name, _)) = service.environment.first()
        && !limits.env_bytes.allows(bytes)
    {
        let what = format!("an environment of {bytes} bytes");
        let hint = "hand large values over as a file";
        check.forbid(&limits.env_bytes, "environment", name.span, what, hint);
    }
    let labels = (service.labels.len() + service.annotations.len()) as u64;
    if let Some((name, _)) = service.labels.iter().chain(&service.annotations).next()
        && !limits.labels.allows(labels)
    {
        let what = format!("a service with {labels} labels");
        check.forbid(&limits.labels, "labels", name.span, what, "leave some out");
    }
}
