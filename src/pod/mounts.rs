//! `volumes` and `tmpfs` of a service become mounts with a source that is decided.

use std::path::{Path, PathBuf};

use super::configs::Files;
use super::context::{PodContext, VolumesRule};
use super::plan::{MountPlan, MountSource, VolumePlan};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Mount, MountKind, Project, Service};
use crate::compose::source::{Span, Spanned};

/// Collects the mounts of all services of a pod, and the volumes that they share.
#[derive(Debug)]
pub(super) struct Mounts<'a> {
    project: &'a Project,
    context: &'a PodContext,
    pub(super) volumes: Vec<VolumePlan>,
    /// How many binds were planned: each is pinned at a path of its own.
    binds: usize,
    files: Files<'a>,
}

impl<'a> Mounts<'a> {
    pub(super) fn new(project: &'a Project, context: &'a PodContext) -> Self {
        Self {
            project,
            context,
            volumes: Vec::new(),
            binds: 0,
            files: Files::new(project, context),
        }
    }

    /// A path comes before what lies below it.
    pub(super) fn of(&mut self, service: &Service, errors: &mut Vec<Diagnostic>) -> Vec<MountPlan> {
        let mut mounts = Vec::new();
        for mount in service.volumes.iter().chain(&service.tmpfs) {
            match self.source(service, mount) {
                Ok(source) => {
                    mounts.push(MountPlan {
                        source,
                        target: mount.target.clone(),
                        read_only: mount.read_only,
                    });
                }
                Err(error) => errors.push(*error),
            }
        }
        mounts.extend(self.files.of(service, errors));
        refuse_doubles(service, &mounts, errors);
        mounts.sort_by_key(|mount| mount.target.components().count());
        mounts
    }

    fn source(&mut self, service: &Service, mount: &Mount) -> Result<MountSource, Box<Diagnostic>> {
        let at = format!("services.{}.volumes", service.name.value);
        let not_yet = |what: &str, span: Span| {
            Err(Box::new(
                Diagnostic::unsupported(format!("{at}: {what} is not supported yet")).at(span),
            ))
        };
        if !mount.target.is_absolute() {
            let text = format!(
                "{at}: the target \"{}\" is not an absolute path",
                mount.target.display()
            );
            return Err(Box::new(Diagnostic::invalid(text).at(mount.target.span)));
        }
        match &mount.kind {
            MountKind::Bind { source, options } => {
                if let Some(propagation) = &options.propagation {
                    return not_yet("mount propagation", propagation.span);
                }
                if let Some(recursive) = &options.recursive {
                    return not_yet("bind.recursive", recursive.span);
                }
                self.bind(&at, source, options.create_host_path)
            }
            MountKind::Volume { source: None, .. } => not_yet("an anonymous volume", mount.span),
            MountKind::Volume {
                subpath: Some(subpath),
                ..
            } => not_yet("volume.subpath", subpath.span),
            MountKind::Volume {
                source: Some(source),
                ..
            } => self.volume(&at, source),
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
            MountKind::Image { source, .. } => not_yet("an image as a volume", source.span),
            MountKind::Other(kind) => {
                let text = format!(
                    "{at}: a mount of type \"{}\" does not exist on Linux",
                    kind.value
                );
                Err(Box::new(Diagnostic::invalid(text).at(kind.span)))
            }
        }
    }

    fn bind(
        &mut self,
        at: &str,
        source: &Spanned<PathBuf>,
        create: bool,
    ) -> Result<MountSource, Box<Diagnostic>> {
        if !self.context.binds.allow(source) {
            let text = format!(
                "{at}: \"{}\" is outside the task's sandbox",
                source.display()
            );
            let error = Diagnostic::error(crate::compose::diagnostic::Kind::Forbidden, text)
                .at(source.span)
                .help("have the task fetch the file, and name it by a path relative to the Compose file");
            return Err(Box::new(error));
        }
        let pinned = self
            .context
            .run_dir
            .join("binds")
            .join(self.binds.to_string());
        self.binds += 1;
        Ok(MountSource::Bind {
            path: source.value.clone(),
            create,
            pinned,
        })
    }

    fn volume(
        &mut self,
        at: &str,
        source: &Spanned<String>,
    ) -> Result<MountSource, Box<Diagnostic>> {
        let declared = self
            .project
            .volumes
            .iter()
            .find(|volume| volume.key.value == source.value);
        let Some(volume) = declared else {
            let text = format!("{at}: the volume \"{}\" is not declared", source.value);
            return Err(Box::new(Diagnostic::invalid(text).at(source.span)));
        };
        if let Some(external) = &volume.external {
            let text = format!(
                "volumes.{}: an external volume is not supported yet",
                volume.key.value
            );
            return Err(Box::new(Diagnostic::unsupported(text).at(external.span)));
        }
        let foreign = volume
            .driver
            .as_ref()
            .filter(|driver| driver.value != "local")
            .map(|driver| driver.span);
        let options = volume.driver_opts.first().map(|(key, _)| key.span);
        if let Some(span) = foreign.or(options) {
            let text = format!(
                "volumes.{}: driver and driver_opts are not supported yet",
                volume.key.value
            );
            return Err(Box::new(Diagnostic::unsupported(text).at(span)));
        }
        let path = match &self.context.volumes {
            // The sandbox is the task's own: there the short name is enough.
            VolumesRule::Sandbox(home) => folder(home, &volume.key.value),
            VolumesRule::Kept(home) => folder(home, &volume.name),
        };
        let Some(path) = path else {
            let text = format!(
                "volumes.{}: \"{}\" can't be a folder's name",
                volume.key.value, volume.name
            );
            return Err(Box::new(Diagnostic::invalid(text).at(volume.key.span)));
        };
        if !self.volumes.iter().any(|known| known.path == path) {
            self.volumes.push(VolumePlan {
                name: volume.name.clone(),
                path: path.clone(),
            });
        }
        Ok(MountSource::Volume { path })
    }
}

/// The loader has merged what it knows to be on one path; the rest are two wishes for one place.
fn refuse_doubles(service: &Service, mounts: &[MountPlan], errors: &mut Vec<Diagnostic>) {
    let clean = |mount: &MountPlan| -> PathBuf { mount.target.components().collect() };
    for (place, mount) in mounts.iter().enumerate() {
        let other = mounts[..place].iter().find(|it| clean(it) == clean(mount));
        if let Some(other) = other {
            let text = format!(
                "services.{}: two mounts have the target \"{}\"",
                service.name.value,
                mount.target.display()
            );
            errors.push(
                Diagnostic::invalid(text)
                    .at(mount.target.span)
                    .label(other.target.span, "the other"),
            );
        }
    }
}

/// A folder of that name in `home`; a name may not climb out of it.
fn folder(home: &Path, name: &str) -> Option<PathBuf> {
    let plain = !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']);
    plain.then(|| home.join(name))
}
