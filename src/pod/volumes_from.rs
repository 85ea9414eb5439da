//! `volumes_from`: a service mounts what another one does.

use super::plan::{ContainerPlan, MountPlan, MountSource, Numbered, VolumesFrom};
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, Service};
use crate::compose::source::Spanned;

/// Gives each container the mounts of those that its service names.
pub(super) fn apply(
    project: &Project,
    containers: &mut [ContainerPlan],
    pins: &mut Numbered,
    found: &mut Vec<Diagnostic>,
) {
    for (service, container) in project.services.iter().zip(containers.iter_mut()) {
        for text in &service.volumes_from {
            match sibling(project, service, text) {
                Ok(from) => container.volumes_from.push(from),
                Err(error) => found.push(*error),
            }
        }
    }
    for container in in_order(containers) {
        inherit(containers, container, pins);
    }
}

/// `SERVICE[:ro|rw]`.
fn sibling(
    project: &Project,
    service: &Service,
    text: &Spanned<String>,
) -> Result<VolumesFrom, Box<Diagnostic>> {
    let at = format!("services.{}.volumes_from", service.name.value);
    if text.starts_with("container:") {
        let verdict = verdict::of_service(service, "volumes_from: container:…", text.span);
        return Err(verdict.expect("the table refuses it").into());
    }
    let (name, mode) = text.split_once(':').unwrap_or((text, "rw"));
    let read_only = match mode {
        "ro" => true,
        "rw" => false,
        other => {
            let problem = format!("{at}: \"{other}\" is neither ro nor rw");
            return Err(Box::new(Diagnostic::invalid(problem).at(text.span)));
        }
    };
    let mut services = project.services.iter();
    let Some(container) = services.position(|it| it.name.value == name) else {
        let problem = format!("{at}: there is no active service \"{name}\"");
        return Err(Diagnostic::invalid(problem).at(text.span).into());
    };
    Ok(VolumesFrom {
        container,
        read_only,
    })
}

/// The containers, each behind those whose mounts it takes. The loader has refused circles.
pub(super) fn in_order(containers: &[ContainerPlan]) -> Vec<usize> {
    fn visit(containers: &[ContainerPlan], container: usize, order: &mut Vec<usize>, depth: usize) {
        if order.contains(&container) || depth > containers.len() {
            return;
        }
        for from in &containers[container].volumes_from {
            visit(containers, from.container, order, depth + 1);
        }
        if !order.contains(&container) {
            order.push(container);
        }
    }
    let mut order = Vec::with_capacity(containers.len());
    for container in 0..containers.len() {
        visit(containers, container, &mut order, 0);
    }
    order
}

/// What a container has on a path itself comes before what another has there. A tmpfs is a
/// container's own, and so are configs and secrets: Docker does not pass them on either.
pub(super) fn inherit(containers: &mut [ContainerPlan], container: usize, pins: &mut Numbered) {
    for from in containers[container].volumes_from.clone() {
        let theirs = containers[from.container].mounts.clone();
        let own = &mut containers[container].mounts;
        for mut mount in theirs {
            if own
                .iter()
                .any(|own| own.clean_target() == mount.clean_target())
            {
                continue;
            }
            match &mut mount.source {
                MountSource::Bind { pinned, .. }
                | MountSource::Volume { pinned, .. }
                | MountSource::Image { pinned, .. } => *pinned = pins.next(),
                MountSource::Tmpfs { .. } | MountSource::File(_) => continue,
            }
            mount.read_only |= from.read_only;
            own.push(mount);
        }
        own.sort_by_key(MountPlan::depth);
    }
}
