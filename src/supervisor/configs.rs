//! Configs and secrets, written to memory: each a file of its own, with its owner and its mode.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::launch_error::LaunchError;
use super::sandbox::RunDir;
use super::user_files::UserFiles;
use crate::journal::{Journal, Step};
use crate::pod::plan::{ContainerPlan, FileOrigin, FilePlan, MountSource, PodPlan};
use crate::sys::mount;

/// One file: what Swarm's configs hold.
const FILE_MAX: u64 = 1 << 20;
/// All of a pod: they lie in memory that is never swapped out.
const POD_MAX: u64 = 16 << 20;

/// Writes the files of all containers to where the plan says.
pub(super) fn write(
    plan: &PodPlan,
    run: &RunDir,
    files: &UserFiles,
    journal: &Journal,
) -> Result<(), LaunchError> {
    let mut mounted = false;
    for content in contents(plan, files) {
        let (file, content) = content?;
        if !mounted {
            mount_memory(run, journal)?;
            mounted = true;
        }
        write_one(file, &content).map_err(|source| failed(&file.path, source))?;
    }
    Ok(())
}

/// What of the files of all containers can't be had.
pub(super) fn problems(plan: &PodPlan, files: &UserFiles) -> Vec<LaunchError> {
    contents(plan, files).filter_map(Result::err).collect()
}

/// The files of all containers, each read when it is asked for.
fn contents<'a>(
    plan: &'a PodPlan,
    files: &'a UserFiles,
) -> impl Iterator<Item = Result<(&'a FilePlan, Vec<u8>), LaunchError>> {
    let of_container = |container: &'a ContainerPlan| {
        let mounts = container.mounts.iter();
        mounts.filter_map(move |mount| match &mount.source {
            MountSource::File(file) => Some((container, mount.target.span, file)),
            _ => None,
        })
    };
    let mut room = POD_MAX;
    let planned = plan.containers.iter().flat_map(of_container);
    planned.map(move |(container, span, file)| {
        let content = content(file, files).map_err(|source| LaunchError::File {
            service: container.service.value.clone(),
            file: file.name.clone(),
            span,
            source,
        })?;
        room =
            room.checked_sub(content.len() as u64)
                .ok_or_else(|| LaunchError::FilesTooLarge {
                    service: container.service.value.clone(),
                    file: file.name.clone(),
                    span,
                    limit: POD_MAX,
                })?;
        Ok((file, content))
    })
}

/// For root alone: containers get at the files they bind, and at no others.
fn mount_memory(run: &RunDir, journal: &Journal) -> Result<(), LaunchError> {
    let folder = run.secrets();
    fs::create_dir(&folder).map_err(|source| failed(&folder, source))?;
    journal.intent(&Step::Mount {
        path: folder.clone(),
    })?;
    mount::ramfs(&folder, 0o700)?;
    Ok(())
}

fn content(file: &FilePlan, files: &UserFiles) -> Result<Vec<u8>, crate::sys::beneath::Error> {
    match &file.origin {
        FileOrigin::File(path) => files.read(path, FILE_MAX),
        FileOrigin::Environment(_, content) | FileOrigin::Content(content) => {
            Ok(content.0.clone().into_bytes())
        }
    }
}

/// The mode comes last, and by a call of its own: what open(2) is given is cut by the umask.
fn write_one(plan: &FilePlan, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&plan.path)?;
    file.write_all(content)?;
    fchown(&file, Some(plan.uid), Some(plan.gid))?;
    file.set_permissions(Permissions::from_mode(plan.mode))
}

fn failed(path: &Path, source: io::Error) -> LaunchError {
    LaunchError::Write {
        path: path.to_owned(),
        source,
    }
}
