//! Which images run.

use super::Check;
use crate::compose::model::{MountKind, Project, Service};
use crate::compose::source::{Span, Spanned};
use crate::image::ImageRef;

pub(super) fn project(check: &mut Check<'_>, project: &Project) {
    let archives = &check.policy.images.archives;
    if **archives {
        return;
    }
    let what = "an image from an archive of the task's own";
    let hint = "push the image to a registry, and name it there";
    if let Some(path) = project.pod.images.first() {
        check.forbid(archives, "x-pod.images", path.span, what, hint);
    } else if !check.place.archives.is_empty() {
        // The task's label has no place in a file.
        check.forbid(archives, "compose.images", Span::default(), what, hint);
    }
}

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    if let Some(image) = &service.image {
        one(check, "image", image);
    }
    for (i, mount) in service.volumes.iter().enumerate() {
        if let MountKind::Image { source, .. } = &mount.kind {
            one(check, &format!("volumes[{i}].source"), source);
        }
    }
}

fn one(check: &mut Check<'_>, key: &str, image: &Spanned<String>) {
    let images = &check.policy.images;
    let name: Option<ImageRef> = image.value.parse().ok();
    // With or without tag and digest; what is no name is no name of a list either.
    let names = match &name {
        Some(name) => vec![name.to_string(), name.repository()],
        None => vec![image.value.clone()],
    };
    let shown = &names[0];
    let allowed = images.allowed.has_all()
        || (name.is_some() && names.iter().any(|name| images.allowed.has(name)));
    if !allowed {
        let what = format!("the image {shown:?}");
        let hint = "take one that the list has; `compose-executor policy show` prints it";
        check.forbid(&images.allowed, key, image.span, what, hint);
    }
    if names.iter().any(|name| images.denied.has(name)) {
        let what = format!("the image {shown:?}");
        check.forbid(&images.denied, key, image.span, what, "take another one");
    }
    if *images.digest && name.is_none_or(|name| name.digest().is_none()) {
        let what = format!("the image {shown:?} without a digest");
        let hint = "name what is meant: image@sha256:…";
        check.forbid(&images.digest, key, image.span, what, hint);
    }
}
