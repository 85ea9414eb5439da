//! `mounts`: what every container has, the pod's own files, and what the plan says.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::Mount;

use super::error::SpecError;
use crate::pod::plan::{ContainerPlan, MountPlan, MountSource};

/// Files and folders on the host that the supervisor makes for a container before it is created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerFiles {
    /// A tmpfs of the pod's shm size, the same for all its containers: `/dev/shm` is shared as the
    /// IPC namespace is.
    pub shm: PathBuf,
    pub hosts: PathBuf,
    pub hostname: PathBuf,
    pub resolv_conf: PathBuf,
}

/// What a tmpfs gets where the file names no size. The kernel's own default is half of the memory.
const TMPFS_SIZE: &str = "size=64m";

/// The standard mounts, the pod's files and the plan's mounts, a path before those below it. The
/// plan's take the place of any other on the same path.
pub(super) fn mounts(
    standard: Vec<Mount>,
    plan: &ContainerPlan,
    files: &ContainerFiles,
) -> Result<Vec<Mount>, SpecError> {
    let mut mounts = standard;
    mounts.push(bind(
        &files.shm,
        Path::new("/dev/shm"),
        &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
        false,
    ));
    for (source, target) in [
        (&files.hosts, "/etc/hosts"),
        (&files.hostname, "/etc/hostname"),
        (&files.resolv_conf, "/etc/resolv.conf"),
    ] {
        // Writable as Docker's are, unless nothing of the container is to be.
        mounts.push(bind(
            source,
            Path::new(target),
            &["rbind", "rprivate", "nosuid", "noexec", "nodev"],
            plan.read_only,
        ));
    }
    let own: Vec<Mount> = plan
        .mounts
        .iter()
        .map(|mount| planned(mount, plan))
        .collect::<Result<_, _>>()?;
    mounts.retain(|mount| {
        own.iter()
            .all(|own| own.destination() != mount.destination())
    });
    mounts.extend(own);
    // Stable, so that mounts of one depth keep their order.
    mounts.sort_by_key(|mount| mount.destination().components().count());
    Ok(mounts)
}

fn planned(mount: &MountPlan, plan: &ContainerPlan) -> Result<Mount, SpecError> {
    let target = target(mount, plan)?;
    // Neither devices nor set-user-id programs come in from outside the image.
    let options = ["rbind", "rprivate", "nosuid", "nodev"];
    match &mount.source {
        MountSource::Bind { pinned, .. } => Ok(bind(pinned, &target, &options, mount.read_only)),
        MountSource::Volume { path } => Ok(bind(path, &target, &options, mount.read_only)),
        MountSource::Tmpfs { options } => tmpfs(mount, &target, options, plan),
    }
}

/// A path that is absolute, does not climb, and hides nothing that the runtime mounts and masks.
fn target(mount: &MountPlan, plan: &ContainerPlan) -> Result<PathBuf, SpecError> {
    let target = &mount.target.value;
    let clean: PathBuf = target.components().collect();
    let climbs = target.components().any(|part| part == Component::ParentDir);
    let taken = clean == Path::new("/")
        || clean == Path::new("/dev")
        || clean.starts_with("/proc")
        || clean.starts_with("/sys");
    if !target.is_absolute() || climbs || taken {
        return Err(SpecError::MountTarget {
            service: plan.service.value.clone(),
            target: target.clone(),
            span: mount.target.span,
        });
    }
    Ok(clean)
}

fn bind(source: &Path, target: &Path, options: &[&str], read_only: bool) -> Mount {
    let access = if read_only { "ro" } else { "rw" };
    let options = options.iter().chain([&access]).map(ToString::to_string);
    of_type("bind", source, target, options.collect())
}

fn of_type(typ: &str, source: &Path, target: &Path, options: Vec<String>) -> Mount {
    let mut mount = Mount::default();
    mount
        .set_destination(target.to_owned())
        .set_typ(Some(typ.to_owned()))
        .set_source(Some(source.to_owned()))
        .set_options(Some(options));
    mount
}

/// Docker's options for a tmpfs, then the file's: `exec` takes `noexec` back.
fn tmpfs(
    mount: &MountPlan,
    target: &Path,
    given: &[String],
    plan: &ContainerPlan,
) -> Result<Mount, SpecError> {
    if let Some(option) = given.iter().find(|option| !is_tmpfs_option(option)) {
        return Err(SpecError::TmpfsOption {
            service: plan.service.value.clone(),
            target: target.to_owned(),
            option: option.clone(),
            span: mount.target.span,
        });
    }
    let mut options: Vec<String> = vec!["nosuid".into(), "nodev".into()];
    if !given.iter().any(|option| option == "exec") {
        options.push("noexec".into());
    }
    if !given.iter().any(|option| option.starts_with("size=")) {
        options.push(TMPFS_SIZE.into());
    }
    for option in given {
        if !options.contains(option) {
            options.push(option.clone());
        }
    }
    if mount.read_only && !options.iter().any(|option| option == "ro") {
        options.push("ro".into());
    }
    Ok(of_type("tmpfs", Path::new("tmpfs"), target, options))
}

/// Those of tmpfs(5), and of mount(8) those that give nothing away.
fn is_tmpfs_option(option: &str) -> bool {
    const FLAGS: [&str; 12] = [
        "rw",
        "ro",
        "exec",
        "noexec",
        "nosuid",
        "nodev",
        "sync",
        "async",
        "noatime",
        "relatime",
        "strictatime",
        "nodiratime",
    ];
    const VALUES: [&str; 6] = ["size", "mode", "uid", "gid", "nr_inodes", "nr_blocks"];
    match option.split_once('=') {
        None => FLAGS.contains(&option),
        Some((name, value)) => {
            VALUES.contains(&name)
                && value.starts_with(|c: char| c.is_ascii_digit())
                && value
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'%')
        }
    }
}
