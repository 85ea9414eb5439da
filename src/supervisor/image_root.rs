//! A look into a container's root before anything runs in it: its users, and what new volumes get.

use std::io;
use std::path::Path;

use super::launch_error::LaunchError;
use super::user_files::UserFiles;
use crate::containerd::Mount;
use crate::oci::{Accounts, UserError};
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
    files: &UserFiles,
) -> Result<Accounts, LaunchError> {
    let mounts: Vec<mountns::Mount> = mounts
        .iter()
        .map(|mount| mountns::Mount {
            kind: mount.kind.clone(),
            source: mount.source.clone().into(),
            options: mount.options.clone(),
        })
        .collect();
    mountns::look_into(&mounts, at, |root| {
        let failed = |source| LaunchError::ImageRoot {
            service: plan.service.value.clone(),
            source,
        };
        let root = Folder::open_root(root).map_err(failed)?;
        fill_volumes(&root, plan, files)?;
        accounts(&root).map_err(|source| LaunchError::Accounts {
            service: plan.service.value.clone(),
            source,
        })
    })?
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

fn fill_volumes(root: &Folder, plan: &ContainerPlan, files: &UserFiles) -> Result<(), LaunchError> {
    for mount in &plan.mounts {
        let MountSource::Volume { path } = &mount.source else {
            continue;
        };
        let failed = |source| LaunchError::Volume {
            name: path.display().to_string(),
            source,
        };
        let volume = files.folder(path).map_err(failed)?;
        if !copy::is_empty(&volume)? {
            continue;
        }
        match root.folder(&mount.target) {
            Ok(content) => copy::copy_content(&content, &volume)?,
            Err(error) if is_nothing(&error) => {}
            Err(error) => return Err(failed(error)),
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
