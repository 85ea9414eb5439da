//! `volumes` and `tmpfs` of a service become mounts with a source that is decided.

use std::path::{Component, Path, PathBuf};

use super::configs::Files;
use super::context::PodContext;
use super::plan::{ImageMountPlan, MountPlan, MountSource, Numbered, Submounts, VolumePlan};
use super::verdict;
use super::volumes::Volumes;
use crate::compose::diagnostic::{Diagnostic, Kind};
use crate::compose::model::{BindOptions, Mount, MountKind, Project, Propagation, Service};
use crate::compose::source::{Span, Spanned};

/// Where in the pod's own folder users' files are pinned, and images mounted.
const PINS_FOLDER: &str = "binds";
const IMAGES_FOLDER: &str = "images";

/// Collects the mounts of all services of a pod, and what they share.
#[derive(Debug)]
pub(super) struct Mounts<'a> {
    context: &'a PodContext,
    volumes: Volumes<'a>,
    images: Vec<ImageMountPlan>,
    image_paths: Numbered,
    pub(super) pins: Numbered,
    files: Files<'a>,
}

/// What the collected mounts need.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) volumes: Vec<VolumePlan>,
    pub(super) images: Vec<ImageMountPlan>,
    pub(super) pins: Numbered,
    pub(super) anonymous: Numbered,
}

impl<'a> Mounts<'a> {
    pub(super) fn new(project: &'a Project, context: &'a PodContext) -> Self {
        Self {
            context,
            volumes: Volumes::new(project, context),
            images: Vec::new(),
            image_paths: Numbered::new(context.run_dir.join(IMAGES_FOLDER)),
            pins: Numbered::new(context.run_dir.join(PINS_FOLDER)),
            files: Files::new(project, context),
        }
    }

    pub(super) fn collected(self) -> Collected {
        Collected {
            volumes: self.volumes.planned,
            images: self.images,
            pins: self.pins,
            anonymous: self.volumes.anonymous,
        }
    }

    /// A path comes before what lies below it.
    pub(super) fn of(&mut self, service: &Service, found: &mut Vec<Diagnostic>) -> Vec<MountPlan> {
        let mut mounts = Vec::new();
        for mount in service.volumes.iter().chain(&service.tmpfs) {
            warn_of_labels(service, mount, found);
            match self.source(service, mount) {
                Ok(source) => mounts.push(MountPlan {
                    read_only: mount.read_only || self.is_read_only(&source),
                    source,
                    target: mount.target.clone(),
                }),
                Err(error) => found.push(*error),
            }
        }
        mounts.extend(self.files.of(service, found));
        refuse_doubles(service, &mounts, found);
        mounts.sort_by_key(MountPlan::depth);
        mounts
    }

    fn is_read_only(&self, source: &MountSource) -> bool {
        match source {
            MountSource::Image { .. } => true,
            MountSource::Volume { name, .. } => self.volumes.known(name).is_read_only(),
            MountSource::Bind { .. } | MountSource::Tmpfs { .. } | MountSource::File(_) => false,
        }
    }

    fn source(&mut self, service: &Service, mount: &Mount) -> Result<MountSource, Box<Diagnostic>> {
        let at = format!("services.{}.volumes", service.name.value);
        if !mount.target.is_absolute() {
            let text = format!(
                "{at}: the target \"{}\" is not an absolute path",
                mount.target.display()
            );
            return Err(invalid(text, mount.target.span).into());
        }
        match &mount.kind {
            MountKind::Bind { source, options } => self.bind(&at, mount, source, options),
            MountKind::Volume {
                source,
                nocopy,
                subpath,
            } => {
                let subpath = subpath.as_ref().map(|it| below(&at, it)).transpose()?;
                let name = match source {
                    Some(source) => self.volumes.named(&at, source)?,
                    None => self.volumes.anonymous(),
                };
                let filled = self.volumes.known(&name).is_filled();
                Ok(MountSource::Volume {
                    name,
                    // A part of a volume is not what the image has in its place.
                    copy: !nocopy && subpath.is_none() && filled,
                    subpath,
                    pinned: self.pins.next(),
                })
            }
            MountKind::Tmpfs {
                size,
                mode,
                options,
            } => {
                let mut options = options.clone();
                options.extend(size.as_ref().map(|size| format!("size={}", size.value.0)));
                options.extend(mode.map(|mode| format!("mode={mode:o}")));
                Ok(MountSource::Tmpfs { options })
            }
            MountKind::Image { source, subpath } => {
                let subpath = subpath.as_ref().map(|it| below(&at, it)).transpose()?;
                Ok(MountSource::Image {
                    image: self.image(service, source),
                    subpath,
                    pinned: self.pins.next(),
                })
            }
            MountKind::Other(kind) => {
                let verdict = verdict::of_service(service, "volumes: npipe, cluster", kind.span);
                Err(verdict.expect("the table refuses it").into())
            }
        }
    }

    fn bind(
        &mut self,
        at: &str,
        mount: &Mount,
        source: &Spanned<PathBuf>,
        options: &BindOptions,
    ) -> Result<MountSource, Box<Diagnostic>> {
        if !self.context.binds.allow(source) {
            let text = format!(
                "{at}: \"{}\" is outside the task's sandbox",
                source.display()
            );
            let error = Diagnostic::error(Kind::Forbidden, text)
                .at(source.span)
                .help("have the task fetch the file, and name it by a path relative to the Compose file");
            return Err(Box::new(error));
        }
        let submounts = match options
            .recursive
            .as_ref()
            .map(|it| (it.value.as_str(), it.span))
        {
            None | Some(("enabled", _)) => Submounts::AsTop,
            Some(("writable", _)) => Submounts::Writable,
            Some(("disabled", _)) => Submounts::Left,
            Some(("readonly", _)) if mount.read_only => Submounts::AsTop,
            Some(("readonly", span)) => {
                let text = format!("{at}: bind.recursive: readonly needs read_only: true");
                return Err(invalid(text, span).into());
            }
            Some((other, span)) => {
                let text = format!("{at}: bind.recursive: there is no \"{other}\"");
                return Err(invalid(text, span).into());
            }
        };
        let propagation = options.propagation.as_ref();
        Ok(MountSource::Bind {
            path: source.value.clone(),
            create: options.create_host_path,
            submounts,
            propagation: propagation.map_or(Propagation::RPrivate, |given| given.value),
            pinned: self.pins.next(),
        })
    }

    /// The place in the plan of an image that is mounted.
    fn image(&mut self, service: &Service, source: &Spanned<String>) -> usize {
        let known = self.images.iter();
        if let Some(place) = known.clone().position(|it| it.image.value == source.value) {
            return place;
        }
        let place = self.images.len();
        self.images.push(ImageMountPlan {
            service: service.name.value.clone(),
            image: source.clone(),
            // No container's id has a slash: neither is the key of its root.
            key: format!("pod-{}/image-{place}", self.context.id),
            path: self.image_paths.next(),
        });
        place
    }
}

fn invalid(text: String, span: Span) -> Diagnostic {
    Diagnostic::invalid(text).at(span)
}

/// A path within a volume or an image.
fn below(at: &str, subpath: &Spanned<PathBuf>) -> Result<PathBuf, Box<Diagnostic>> {
    let plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
    if subpath.as_os_str().is_empty() || !subpath.components().all(plain) {
        let text = format!("{at}: the subpath \"{}\" leads out", subpath.display());
        return Err(invalid(text, subpath.span).into());
    }
    Ok(Path::new(&subpath.value).components().collect())
}

/// `z` and `Z`.
fn warn_of_labels(service: &Service, mount: &Mount, found: &mut Vec<Diagnostic>) {
    if let MountKind::Bind { options, .. } = &mount.kind
        && let Some(selinux) = &options.selinux
    {
        found.extend(verdict::of_service(service, "volumes: z, Z", selinux.span));
    }
}

/// The loader has merged what it knows to be on one path; the rest are two wishes for one place.
fn refuse_doubles(service: &Service, mounts: &[MountPlan], found: &mut Vec<Diagnostic>) {
    for (place, mount) in mounts.iter().enumerate() {
        let mut others = mounts[..place].iter();
        if let Some(other) = others.find(|it| it.clean_target() == mount.clean_target()) {
            let text = format!(
                "services.{}: two mounts have the target \"{}\"",
                service.name.value,
                mount.target.display()
            );
            found.push(
                Diagnostic::invalid(text)
                    .at(mount.target.span)
                    .label(other.target.span, "the other"),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::context::testing::context;
    use super::super::planner;
    use super::*;
    use crate::compose::testing::project_of;

    /// The mounts of the service `a`, with what its image declares, or what is wrong.
    fn planned(text: &str, image: &[&str]) -> String {
        let project = project_of(text);
        let mut plan = match planner::plan(&project, &context()) {
            Ok(planned) => planned.plan,
            Err(errors) => {
                let lines = errors.iter().map(|error| error.message.clone());
                return lines.collect::<Vec<_>>().join("\n");
            }
        };
        let declared: Vec<String> = image.iter().map(ToString::to_string).collect();
        let lists: Vec<&[String]> = plan
            .containers
            .iter()
            .map(|_| declared.as_slice())
            .collect();
        plan.add_image_volumes(&lists);
        let line = |mount: &MountPlan| {
            let access = if mount.read_only { "ro" } else { "rw" };
            format!("{} {access} {:?}", mount.target.display(), mount.source)
        };
        let mounts = plan.container("a").unwrap().mounts.iter().map(line);
        let volumes = plan
            .volumes
            .iter()
            .map(|it| format!("{}: {:?}", it.name, it.place));
        let images = plan
            .images
            .iter()
            .map(|it| format!("{}: {}", it.image.value, it.key));
        mounts
            .chain(volumes)
            .chain(images)
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn binds_have_their_options() {
        let text = "
services:
  a:
    image: i
    volumes:
      - ./x:/x:ro,rslave
      - {type: bind, source: ./y, target: /y, bind: {create_host_path: false, recursive: disabled}}
";
        insta::assert_snapshot!(planned(text, &[]), @r#"
        /x ro Bind { path: "/p/x", create: true, submounts: AsTop, propagation: RSlave, pinned: "/run/pod/binds/0" }
        /y rw Bind { path: "/p/y", create: false, submounts: Left, propagation: RPrivate, pinned: "/run/pod/binds/1" }
        "#);
    }

    #[test]
    fn an_image_declares_volumes_where_nothing_is_mounted() {
        let text = "
services:
  a:
    image: i
    volumes: [data:/data, /own]
volumes: {data: {}}
";
        insta::assert_snapshot!(planned(text, &["/data/", "/other/", "own"]), @r#"
        own rw Volume { name: "+2", subpath: None, copy: true, pinned: "/run/pod/binds/3" }
        /data rw Volume { name: "p_data", subpath: None, copy: true, pinned: "/run/pod/binds/0" }
        /own rw Volume { name: "+0", subpath: None, copy: true, pinned: "/run/pod/binds/1" }
        /other rw Volume { name: "+1", subpath: None, copy: true, pinned: "/run/pod/binds/2" }
        p_data: Pod { path: "/p/own/volumes/data" }
        +0: Pod { path: "/p/own/anonymous/0" }
        +1: Pod { path: "/p/own/anonymous/1" }
        +2: Pod { path: "/p/own/anonymous/2" }
        "#);
    }

    #[test]
    fn parts_of_volumes_and_images_are_mounted() {
        let text = "
services:
  a:
    image: i
    volumes:
      - {type: volume, source: data, target: /a, volume: {subpath: deep/./er}}
      - {type: image, source: other, target: /b, image: {subpath: etc}}
      - {type: image, source: other, target: /c}
volumes: {data: {}}
";
        insta::assert_snapshot!(planned(text, &[]), @r#"
        /a rw Volume { name: "p_data", subpath: Some("deep/er"), copy: false, pinned: "/run/pod/binds/0" }
        /b ro Image { image: 0, subpath: Some("etc"), pinned: "/run/pod/binds/1" }
        /c ro Image { image: 0, subpath: None, pinned: "/run/pod/binds/2" }
        p_data: Pod { path: "/p/own/volumes/data" }
        other: pod-0123456789ab/image-0
        "#);
    }

    #[test]
    fn one_service_mounts_what_another_does() {
        let text = "
services:
  a: {image: i, volumes_from: ['b:ro'], volumes: [./mine:/conf], tmpfs: /scratch}
  b: {image: i, volumes_from: [c], volumes: [./theirs:/conf], tmpfs: /cache}
  c: {image: i, volumes: [data:/data]}
volumes: {data: {}}
";
        insta::assert_snapshot!(planned(text, &["/declared"]), @r#"
        /conf rw Bind { path: "/p/mine", create: true, submounts: AsTop, propagation: RPrivate, pinned: "/run/pod/binds/0" }
        /scratch rw Tmpfs { options: [] }
        /data ro Volume { name: "p_data", subpath: None, copy: true, pinned: "/run/pod/binds/4" }
        /declared ro Volume { name: "+0", subpath: None, copy: true, pinned: "/run/pod/binds/7" }
        p_data: Pod { path: "/p/own/volumes/data" }
        +0: Pod { path: "/p/own/anonymous/0" }
        "#);
    }

    #[test]
    fn what_can_not_be_mounted_is_refused() {
        let text = "
services:
  a:
    image: i
    volumes_from: ['container:x', 'b:exec']
    volumes:
      - {type: npipe, source: x, target: /x}
      - {type: volume, source: data, target: /a, volume: {subpath: ../../etc}}
      - {type: image, source: other, target: /b, image: {subpath: /etc}}
      - {type: bind, source: ./y, target: /y, bind: {recursive: readonly}}
      - /etc:/etc
      - ./z:/run/secrets/token
    secrets: [token]
  b: {image: i}
volumes: {data: {}}
secrets: {token: {file: ./token}}
";
        insta::assert_snapshot!(planned(text, &[]), @r#"
        services.a.volumes: npipe, cluster: this is nothing that Linux mounts
        services.a.volumes: the subpath "../../etc" leads out
        services.a.volumes: the subpath "/etc" leads out
        services.a.volumes: bind.recursive: readonly needs read_only: true
        services.a.volumes: "/etc" is outside the task's sandbox
        services.a: two mounts have the target "/run/secrets/token"
        services.a.volumes_from: container:…: a container that is not of this file is none of the pod's
        services.a.volumes_from: "exec" is neither ro nor rw
        "#);
    }
}
