//! A look into a container's root before anything runs in it: its users, and what new volumes get.

use std::path::{Path, PathBuf};
use std::{fs, io};

use super::launch_error::LaunchError;
use super::storage::Storage;
use crate::containerd::Mount;
use crate::oci::{self, Accounts, ImageDefaults, UserError};
use crate::pod::plan::{ContainerPlan, MountSource};
use crate::sys::beneath::{self, Folder};
use crate::sys::{copy, mountns};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// Mounts the root at the folder `at`, where nobody else sees it. Gives the users and groups of
/// the image, and fills empty volumes with what the image has in their place, as Docker does.
pub(super) fn look_into(
    mounts: &[Mount],
    at: &Path,
    plan: &ContainerPlan,
    image: &ImageDefaults,
    storage: &Storage,
) -> Result<Accounts, LaunchError> {
    mountns::look_into(&described(mounts), at, |root| {
        let (root, accounts) = look(root, plan, image)?;
        fill_volumes(&root, plan, storage)?;
        Ok(accounts)
    })?
}

/// The same of an image whose container is not made: nothing is filled.
pub(super) fn look_only(
    mounts: &[Mount],
    at: &Path,
    plan: &ContainerPlan,
    image: &ImageDefaults,
) -> Result<Accounts, LaunchError> {
    mountns::look_into(&described(mounts), at, |root| {
        look(root, plan, image).map(|(_, accounts)| accounts)
    })?
}

fn look(
    root: &Path,
    plan: &ContainerPlan,
    image: &ImageDefaults,
) -> Result<(Folder, Accounts), LaunchError> {
    let root = open(root, plan)?;
    check_targets(&root, plan)?;
    let given = plan.process.working_dir.as_ref();
    if let Some(dir) = given.or(image.working_dir.as_ref()) {
        check_working_dir(&root, plan, Path::new(dir))?;
    }
    let accounts = accounts(&root).map_err(|source| LaunchError::Accounts {
        service: plan.service.value.clone(),
        source,
    })?;
    Ok((root, accounts))
}

/// What was looked at before a container was made, once more: what ran in it may have put a link of
/// its own in a folder's place, and is about to be started again on the same root. `cwd` is its
/// working directory.
pub(super) fn look_again(
    mounts: &[Mount],
    at: &Path,
    plan: &ContainerPlan,
    cwd: &Path,
) -> Result<(), LaunchError> {
    mountns::look_into(&described(mounts), at, |root| {
        let root = open(root, plan)?;
        check_targets(&root, plan)?;
        check_working_dir(&root, plan, cwd)
    })?
}

/// Mounts an image at the folder `at`, which is made, read-only.
pub(super) fn mount(mounts: &[Mount], at: &Path) -> Result<(), LaunchError> {
    fs::create_dir_all(at).map_err(|source| LaunchError::Write {
        path: at.to_owned(),
        source,
    })?;
    Ok(mountns::mount_view(&described(mounts), at)?)
}

fn described(mounts: &[Mount]) -> Vec<mountns::Mount> {
    let one = |mount: &Mount| mountns::Mount {
        kind: mount.kind.clone(),
        source: mount.source.clone().into(),
        options: mount.options.clone(),
    };
    mounts.iter().map(one).collect()
}

fn open(root: &Path, plan: &ContainerPlan) -> Result<Folder, LaunchError> {
    Folder::open_root(root).map_err(|source| LaunchError::ImageRoot {
        service: plan.service.value.clone(),
        source,
    })
}

/// Where the runtime mounts its own, which is nowhere else (CVE-2026-41579, CVE-2023-27561).
const RUNTIMES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// No link of the image's must lead what the runtime mounts elsewhere, nor another mount to where its
/// own are.
fn check_targets(root: &Folder, plan: &ContainerPlan) -> Result<(), LaunchError> {
    for target in RUNTIMES.map(Path::new) {
        let real = real_path(root, target, plan)?;
        if real != target {
            return Err(LaunchError::Target {
                service: plan.service.value.clone(),
                target: target.to_owned(),
                real,
                span: plan.service.span,
            });
        }
    }
    for mount in &plan.mounts {
        let real = real_path(root, &mount.target, plan)?;
        if oci::is_reserved(&real) {
            return Err(LaunchError::Target {
                service: plan.service.value.clone(),
                target: mount.target.value.clone(),
                real,
                span: mount.target.span,
            });
        }
    }
    Ok(())
}

/// Nor a process to where descriptors of the runtime's are, CVE-2024-21626.
fn check_working_dir(root: &Folder, plan: &ContainerPlan, path: &Path) -> Result<(), LaunchError> {
    let real = real_path(root, path, plan)?;
    if oci::is_kernels(&real) {
        return Err(LaunchError::WorkingDir {
            service: plan.service.value.clone(),
            path: path.to_owned(),
            real,
            span: plan.service.span,
        });
    }
    Ok(())
}

fn real_path(root: &Folder, path: &Path, plan: &ContainerPlan) -> Result<PathBuf, LaunchError> {
    root.real_path(path)
        .map_err(|source| LaunchError::ImageRoot {
            service: plan.service.value.clone(),
            source,
        })
}

/// The users and groups that a container's root knows.
pub fn accounts(root: &Folder) -> Result<Accounts, UserError> {
    let (passwd, group) = (account_file(root, PASSWD), account_file(root, GROUP));
    passwd.and_then(|passwd| Accounts::parse(&passwd, &group?))
}

/// None there is no error: an image without users knows numbers.
fn account_file(root: &Folder, path: &'static str) -> Result<Vec<u8>, UserError> {
    match root.read(Path::new(path), Accounts::MAX_BYTES as u64) {
        Ok(text) => Ok(text),
        Err(beneath::Error::TooLarge { .. }) => Err(UserError::TooLarge { file: path }),
        Err(_) => Ok(Vec::new()),
    }
}

fn fill_volumes(root: &Folder, plan: &ContainerPlan, storage: &Storage) -> Result<(), LaunchError> {
    for mount in &plan.mounts {
        let MountSource::Volume {
            name, copy: true, ..
        } = &mount.source
        else {
            continue;
        };
        let volume = storage.volume(name);
        if !copy::is_empty(volume)? {
            continue;
        }
        match root.folder(&mount.target) {
            Ok(content) => copy::copy_content(&content, volume)?,
            Err(error) if is_nothing(&error) => {}
            Err(source) => {
                return Err(LaunchError::ImageRoot {
                    service: plan.service.value.clone(),
                    source,
                });
            }
        }
    }
    Ok(())
}

/// The image has no folder in the volume's place.
fn is_nothing(error: &beneath::Error) -> bool {
    match error {
        beneath::Error::NotFolder { .. } => true,
        beneath::Error::Open { source, .. } => source.kind() == io::ErrorKind::NotFound,
        _ => false,
    }
}
