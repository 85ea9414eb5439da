//! What a pod mounts from the host: its volumes, made and held; and everything that containers
//! bind, pinned, so that what is put in its place later changes nothing.

use std::fs;
use std::path::Path;

use super::kept::KeptVolume;
use super::launch_error::LaunchError;
use super::user_files::UserFiles;
use crate::compose::model::Propagation;
use crate::journal::{Journal, Step};
use crate::pod::plan::{ContainerPlan, MountPlan, MountSource, PodPlan, Submounts, VolumePlace};
use crate::sys::beneath::{self, Entry, Folder, Kind};
use crate::sys::mount;
use crate::sys::pin::{self, Pinning};

/// The permissions of a volume that no image has filled.
const FOLDER_MODE: u32 = 0o755;

/// The volumes of a pod, open as long as the pod is there.
#[derive(Debug, Default)]
pub(super) struct Storage {
    volumes: Vec<Volume>,
}

#[derive(Debug)]
struct Volume {
    name: String,
    folder: Folder,
    /// Whether parts of it that are missing are made.
    filled: bool,
    /// What keeps `down -v` from removing it.
    _held: Option<KeptVolume>,
}

impl Storage {
    /// Makes and opens the plan's volumes, and pins the user's files and the images that containers
    /// mount.
    pub(super) fn set_up(
        plan: &PodPlan,
        files: &UserFiles,
        journal: &Journal,
    ) -> Result<Self, LaunchError> {
        let mut storage = Self::default();
        for volume in &plan.volumes {
            let failed = |source| LaunchError::Volume {
                name: volume.name.clone(),
                span: volume.declared,
                source,
            };
            let (folder, held) = open(&volume.place, files, journal).map_err(failed)?;
            storage.volumes.push(Volume {
                name: volume.name.clone(),
                folder,
                filled: volume.is_filled(),
                _held: held,
            });
        }
        storage.pin_all(plan, files, journal, |source| !is_volume(source))?;
        Ok(storage)
    }

    /// Pins the volumes, once they are filled: a part of one that is missing is made, and one with
    /// something in it would not be filled.
    pub(super) fn pin_volumes(
        &self,
        plan: &PodPlan,
        files: &UserFiles,
        journal: &Journal,
    ) -> Result<(), LaunchError> {
        self.pin_all(plan, files, journal, is_volume)
    }

    fn pin_all(
        &self,
        plan: &PodPlan,
        files: &UserFiles,
        journal: &Journal,
        which: impl Fn(&MountSource) -> bool,
    ) -> Result<(), LaunchError> {
        for container in &plan.containers {
            for mount in container.mounts.iter().filter(|it| which(&it.source)) {
                self.pin(plan, container, mount, files, journal)?;
            }
        }
        Ok(())
    }

    /// A volume by the plan's name.
    ///
    /// # Panics
    /// If the plan does not have it.
    pub(super) fn volume(&self, name: &str) -> &Folder {
        &self.known(name).folder
    }

    fn known(&self, name: &str) -> &Volume {
        let volume = self.volumes.iter().find(|volume| volume.name == name);
        volume.expect("the plan has the volume")
    }

    fn pin(
        &self,
        plan: &PodPlan,
        container: &ContainerPlan,
        mount: &MountPlan,
        files: &UserFiles,
        journal: &Journal,
    ) -> Result<(), LaunchError> {
        let failed = |source| LaunchError::Bind {
            service: container.service.value.clone(),
            span: mount.target.span,
            source,
        };
        let mut how = Pinning {
            read_only: mount.read_only,
            ..Pinning::default()
        };
        let (entry, pinned) = match &mount.source {
            MountSource::Bind {
                path,
                create,
                submounts,
                propagation,
                pinned,
            } => {
                how.submounts = match submounts {
                    Submounts::AsTop => pin::Submounts::AsTop,
                    Submounts::Writable => pin::Submounts::Writable,
                    Submounts::Left => pin::Submounts::Left,
                };
                how.shared = !matches!(propagation, Propagation::Private | Propagation::RPrivate);
                let entry = files.bound(path, *create, !mount.read_only);
                let entry = entry.map_err(failed)?;
                let whole = how.submounts != pin::Submounts::Left;
                files.check_kernels(path, whole).map_err(failed)?;
                (entry, pinned)
            }
            MountSource::Volume {
                name,
                subpath,
                pinned,
                ..
            } => {
                let entry = within(self.known(name), subpath.as_deref());
                (entry.map_err(failed)?, pinned)
            }
            MountSource::Image {
                image,
                subpath,
                pinned,
            } => {
                let root = Folder::open_root(&plan.images[*image].path).map_err(failed)?;
                let subpath = subpath.as_deref().unwrap_or(Path::new("."));
                (root.entry(subpath).map_err(failed)?, pinned)
            }
            MountSource::Tmpfs { .. } | MountSource::File(_) => return Ok(()),
        };
        journal.intent(&Step::Mount {
            path: pinned.clone(),
        })?;
        pin::pin(&entry, pinned, how)?;
        if how.shared && !pin::is_shared(pinned)? {
            return Err(LaunchError::NotShared {
                service: container.service.value.clone(),
                span: mount.target.span,
            });
        }
        Ok(())
    }
}

fn is_volume(source: &MountSource) -> bool {
    matches!(source, MountSource::Volume { .. })
}

/// Something in a volume; a folder that is missing is made, as Kubernetes makes it.
fn within(volume: &Volume, subpath: Option<&Path>) -> Result<Entry, beneath::Error> {
    let folder = &volume.folder;
    let Some(subpath) = subpath else {
        return folder.entry(Path::new("."));
    };
    match folder.entry(subpath) {
        Err(error) if error.is_not_found() && volume.filled => {
            folder.create_folder(subpath, FOLDER_MODE)?;
            folder.entry(subpath)
        }
        found => found,
    }
}

fn open(
    place: &VolumePlace,
    files: &UserFiles,
    journal: &Journal,
) -> Result<(Folder, Option<KeptVolume>), VolumeError> {
    Ok(match place {
        VolumePlace::Pod { path } => (files.own_folder(path)?, None),
        VolumePlace::Kept { path } => {
            let kept = KeptVolume::ensure(path)?;
            (Folder::open(path)?, Some(kept))
        }
        VolumePlace::External { path } => {
            let kept = KeptVolume::hold(path)?;
            (Folder::open(path)?, Some(kept))
        }
        VolumePlace::Tmpfs { path, options } => {
            fs::create_dir_all(path).map_err(|source| beneath::Error::Open {
                path: path.clone(),
                source,
            })?;
            journal.intent(&Step::Mount { path: path.clone() })?;
            mount::tmpfs_with(path, options)?;
            (Folder::open(path)?, None)
        }
        VolumePlace::Bind { path, read_only } => {
            check_folder(path, *read_only, files)?;
            (files.folder(path)?, None)
        }
        VolumePlace::Operators { path, .. } => {
            (operators(path).map_err(VolumeError::Operators)?, None)
        }
        // Mounted before.
        VolumePlace::Nfs { path, .. } => (Folder::open(path)?, None),
    })
}

/// A folder of the user's that is to be a volume.
fn check_folder(path: &Path, read_only: bool, files: &UserFiles) -> Result<(), beneath::Error> {
    match files.bound(path, false, !read_only)?.kind() {
        Kind::Folder => files.check_kernels(path, true),
        _ => Err(beneath::Error::NotFolder {
            path: path.to_owned(),
        }),
    }
}

/// A folder that the operator has named. No part of its path may be a link: whoever could change one
/// would say what the name stands for.
fn operators(path: &Path) -> Result<Folder, beneath::Error> {
    Folder::open(Path::new("/"))?.folder(path)
}

/// What of the user's that the plan mounts is not there, or not to be had. Nothing is made.
pub(super) fn problems(plan: &PodPlan, files: &UserFiles) -> Vec<LaunchError> {
    let mut problems = Vec::new();
    for volume in &plan.volumes {
        let looked_at = match &volume.place {
            VolumePlace::Bind { path, read_only } => {
                check_folder(path, *read_only, files).map_err(VolumeError::from)
            }
            VolumePlace::Operators { path, .. } => {
                operators(path).map(drop).map_err(VolumeError::Operators)
            }
            VolumePlace::External { path } => {
                KeptVolume::hold(path).map(drop).map_err(VolumeError::from)
            }
            VolumePlace::Pod { .. }
            | VolumePlace::Kept { .. }
            | VolumePlace::Tmpfs { .. }
            | VolumePlace::Nfs { .. } => Ok(()),
        };
        problems.extend(looked_at.err().map(|source| LaunchError::Volume {
            name: volume.name.clone(),
            span: volume.declared,
            source,
        }));
    }
    for container in &plan.containers {
        for mount in &container.mounts {
            let MountSource::Bind {
                path,
                create,
                submounts,
                ..
            } = &mount.source
            else {
                continue;
            };
            let found = files.bindable(path, *create, !mount.read_only);
            let found =
                found.and_then(|_| files.check_kernels(path, *submounts != Submounts::Left));
            problems.extend(found.err().map(|source| LaunchError::Bind {
                service: container.service.value.clone(),
                span: mount.target.span,
                source,
            }));
        }
    }
    problems
}

/// Why there is no volume.
#[derive(Debug, thiserror::Error)]
pub enum VolumeError {
    #[error(transparent)]
    Open(#[from] beneath::Error),
    #[error("the folder that the operator's policy names for it can't be used")]
    Operators(#[source] beneath::Error),
    #[error(transparent)]
    Remote(#[from] super::remote_volumes::RemoteError),
    #[error(transparent)]
    Kept(#[from] super::kept::KeptError),
    #[error(transparent)]
    Mount(#[from] crate::sys::PathError),
    #[error(transparent)]
    Journal(#[from] crate::journal::JournalError),
}

impl VolumeError {
    /// Whether the Compose file names what is not there, or not to be had.
    pub fn is_users(&self) -> bool {
        use super::kept::KeptError;
        matches!(self, Self::Open(_) | Self::Kept(KeptError::Missing(_)))
    }
}
