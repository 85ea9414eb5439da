//! What is mounted: the host's files, volumes, file systems in memory.

use std::path::Path;

use super::super::host_path::{Verdict, plain};
use super::Check;
use crate::compose::model::{
    BindOptions, ByteSize, LocalVolume, Mount, MountKind, Project, Propagation, Service, Volume,
};
use crate::compose::source::{Span, Spanned};
use crate::compose::units;

/// Top-level volumes: what the local driver is told to mount.
pub(super) fn project(check: &mut Check<'_>, project: &Project) {
    for volume in &project.volumes {
        local_volume(check, volume);
    }
}

/// What can't be read as options of the local driver's is the planner's to refuse.
fn local_volume(check: &mut Check<'_>, volume: &Volume) {
    let mounts = &check.policy.mounts;
    let key = |name: &str| format!("volumes.{}.driver_opts.{name}", volume.key.value);
    match LocalVolume::of(volume) {
        Ok(LocalVolume::Bind {
            device,
            read_only,
            span,
        }) => host_path(check, &key("device"), span, Path::new(device), read_only),
        Ok(LocalVolume::Tmpfs { span, .. }) if !mounts.volume_types.has("tmpfs") => {
            let hint = "mount a tmpfs with the key `tmpfs` of each service";
            let what = "a volume of the type \"tmpfs\"";
            check.forbid(&mounts.volume_types, &key("type"), span, what, hint);
        }
        Ok(LocalVolume::Tmpfs { options, span }) => {
            tmpfs(check, &key("o"), span, size_of(&options));
        }
        Ok(LocalVolume::Nfs(nfs)) if !mounts.nfs.has(&nfs.device()) => {
            let what = format!("to mount {:?} by NFS", nfs.device());
            let hint = "have it mounted on the host, or ask the operator to allow it";
            check.forbid(&mounts.nfs, &key("device"), nfs.span, what, hint);
        }
        Ok(LocalVolume::Other { kind, span }) if !mounts.volume_types.has(kind) => {
            let what = format!("a volume of the type {kind:?}");
            let hint = "have it mounted on the host, and ask the operator to allow the path";
            check.forbid(&mounts.volume_types, &key("type"), span, what, hint);
        }
        Ok(LocalVolume::Folder | LocalVolume::Nfs(_) | LocalVolume::Other { .. }) | Err(_) => {}
    }
}

/// The size that the options of a tmpfs come to; none where they name none, or in a way that the
/// kernel alone understands. Of several the kernel takes the last: the largest is judged.
fn size_of(options: &[&str]) -> Option<ByteSize> {
    if options.iter().any(|word| word.starts_with("nr_blocks=")) {
        return None;
    }
    let sizes = options.iter().filter_map(|word| word.strip_prefix("size="));
    let sizes: Option<Vec<ByteSize>> = sizes.map(tmpfs_size).collect();
    sizes?.into_iter().max()
}

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let list = |key: &'static str, mounts: &'_ [Mount]| -> Vec<(String, Mount)> {
        let entry = |(i, mount): (usize, &Mount)| (format!("{key}[{i}]"), mount.clone());
        mounts.iter().enumerate().map(entry).collect()
    };
    let mounts = [
        list("volumes", &service.volumes),
        list("tmpfs", &service.tmpfs),
    ];
    for (key, mount) in mounts.iter().flatten() {
        one(check, key, mount);
    }
    let max = &check.policy.mounts.shm_max;
    if let Some(size) = service
        .shm_size
        .as_ref()
        .filter(|size| !max.allows(size.value))
    {
        let what = format!("a /dev/shm of {}", size.value);
        check.forbid(max, "shm_size", size.span, what, "ask for less");
    }
}

fn one(check: &mut Check<'_>, key: &str, mount: &Mount) {
    let mounts = &check.policy.mounts;
    match &mount.kind {
        MountKind::Bind { source, options } => {
            propagation(check, key, options);
            host_path(check, key, source.span, &source.value, mount.read_only);
        }
        MountKind::Volume { .. } if !*mounts.volumes => {
            let hint = "bind a folder of the sandbox, or mount a tmpfs";
            check.forbid(&mounts.volumes, key, mount.span, "a volume", hint);
        }
        MountKind::Tmpfs { size, .. } => {
            tmpfs(check, key, mount.span, size.as_ref().map(|size| size.value));
        }
        MountKind::Volume { .. } | MountKind::Image { .. } | MountKind::Other(_) => {}
    }
}

/// A share of the memory, as `size=50%`, is no size.
fn tmpfs_size(text: &str) -> Option<ByteSize> {
    let bytes = units::bytes(text).ok()??;
    u64::try_from(bytes).ok().map(ByteSize)
}

/// Without a size, or with 0, a tmpfs is as large as half the host's memory, or without end.
fn tmpfs(check: &mut Check<'_>, key: &str, span: Span, size: Option<ByteSize>) {
    let max = &check.policy.mounts.tmpfs_max;
    match size.filter(|size| size.0 > 0) {
        None if !max.is_unlimited() => {
            check.forbid(max, key, span, "a tmpfs without a size", "give it a size");
        }
        Some(size) if !max.allows(size) => {
            let what = format!("a tmpfs of {size}");
            check.forbid(max, key, span, what, "ask for less");
        }
        _ => {}
    }
}

fn propagation(check: &mut Check<'_>, key: &str, options: &BindOptions) {
    let Some(Spanned { value, span }) = &options.propagation else {
        return;
    };
    let name = match value {
        Propagation::Private => "private",
        Propagation::RPrivate => "rprivate",
        Propagation::Shared => "shared",
        Propagation::RShared => "rshared",
        Propagation::Slave => "slave",
        Propagation::RSlave => "rslave",
    };
    let allowed = &check.policy.mounts.propagation;
    if !allowed.has(name) {
        let what = format!("the propagation {name:?}");
        check.forbid(
            allowed,
            key,
            *span,
            what,
            "leave it out: mounts stay private",
        );
    }
}

fn host_path(check: &mut Check<'_>, key: &str, span: Span, source: &Path, read_only: bool) {
    let mounts = &check.policy.mounts;
    if plain(source).starts_with(plain(check.place.sandbox)) {
        if !*mounts.sandbox_binds {
            let hint = "use a volume, a config or a secret";
            let what = "to bind a file of the sandbox";
            check.forbid(&mounts.sandbox_binds, key, span, what, hint);
        }
        return;
    }
    let path = source.display().to_string();
    let (what, hint) = match mounts
        .host_paths
        .verdict(source, read_only, check.place.guarded)
    {
        Verdict::Allowed => return,
        Verdict::ReadOnly => (
            format!("to bind the host's {path:?} writable"),
            "bind it read-only",
        ),
        Verdict::NotListed => (
            format!("to bind the host's {path:?}, outside the sandbox,"),
            "have the task fetch the file, and name it by a path relative to the Compose file",
        ),
        Verdict::Guarded => (
            format!("to bind {path:?}, which gives power over the host,"),
            "bind what is needed of it, or ask the operator for an entry of its own",
        ),
    };
    check.forbid(&mounts.host_paths, key, span, what, hint);
}
