//! Configs and secrets, written to memory: each a file of its own, with its owner and its mode.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::launch_error::LaunchError;
use super::sandbox::RunDir;
use super::user_files::UserFiles;
use crate::journal::{Journal, Step};
use crate::pod::plan::{FileOrigin, FilePlan, MountSource, PodPlan};
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
    let mut room = POD_MAX;
    let mut mounted = false;
    for container in &plan.containers {
        for planned in &container.mounts {
            let MountSource::File(file) = &planned.source else {
                continue;
            };
            if !mounted {
                mount_memory(run, journal)?;
                mounted = true;
            }
            let content = content(file, files).map_err(|source| LaunchError::File {
                service: container.service.value.clone(),
                file: file.name.clone(),
                span: planned.target.span,
                source,
            })?;
            room = room.checked_sub(content.len() as u64).ok_or_else(|| {
                LaunchError::FilesTooLarge {
                    service: container.service.value.clone(),
                    file: file.name.clone(),
                    span: planned.target.span,
                    limit: POD_MAX,
                }
            })?;
            write_one(file, &content).map_err(|source| failed(&file.path, source))?;
        }
    }
    Ok(())
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
