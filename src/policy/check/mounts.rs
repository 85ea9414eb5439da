//! What is mounted: the host's files, volumes, file systems in memory.

use std::path::Path;

use super::super::host_path::{Verdict, plain};
use super::Check;
use crate::compose::model::{
    BindOptions, ByteSize, Mount, MountKind, Project, Propagation, Service, Volume,
};
use crate::compose::source::{Span, Spanned};
use crate::compose::units;

/// Top-level volumes: what the local driver is told to mount.
pub(super) fn project(check: &mut Check<'_>, project: &Project) {
    for volume in &project.volumes {
        local_volume(check, volume);
    }
}

/// The options of `mount -t TYPE -o O DEVICE`.
fn local_volume(check: &mut Check<'_>, volume: &Volume) {
    let option = |name: &str| {
        let found = volume.driver_opts.iter().find(|(key, _)| key.value == name);
        found.map(|(key, value)| (key.span, value.as_str()))
    };
    let key = |name: &str| format!("volumes.{}.driver_opts.{name}", volume.key.value);
    let words = || option("o").into_iter().flat_map(|(_, o)| o.split(','));
    if words().any(|word| matches!(word, "bind" | "rbind")) {
        let read_only = words().any(|word| word == "ro");
        if let Some((span, device)) = option("device") {
            host_path(check, &key("device"), span, Path::new(device), read_only);
        }
        return;
    }
    let types = &check.policy.mounts.volume_types;
    match option("type") {
        Some((span, kind)) if !types.has(kind) => {
            let what = format!("a volume of the type {kind:?}");
            let hint = "have it mounted on the host, and ask the operator to allow the path";
            check.forbid(types, &key("type"), span, what, hint);
        }
        Some((span, "tmpfs")) => {
            let size = words()
                .find_map(|word| word.strip_prefix("size="))
                .and_then(tmpfs_size);
            tmpfs(check, &key("o"), span, size);
        }
        _ => {}
    }
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
        MountKind::Tmpfs { size, options, .. } => {
            let written = options.iter().find_map(|word| word.strip_prefix("size="));
            let size = match size {
                Some(size) => Some(size.value),
                None => written.and_then(tmpfs_size),
            };
            tmpfs(check, key, mount.span, size);
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
