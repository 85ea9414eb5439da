//! A look into an image: its layers mounted where nobody else sees them.
//!
//! To find a user's number or a program's path one has to read files of an image that is not
//! mounted yet. Mounted for all, it would have to be unmounted again, whatever happens between. So
//! the mount is made in a mount namespace that belongs to one thread: it is gone with the thread,
//! and with the process if that is killed.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::chdir;

use super::PathError;
use super::mount::{flag, restrict};
use super::netns::on_own_thread;

/// What the kernel takes for a mount's options: a page, with the end.
const OPTIONS_MAX: usize = 4095;

/// A mount as a snapshotter describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// `overlay`, `bind`.
    pub kind: String,
    pub source: PathBuf,
    /// As in fstab(5), one each.
    pub options: Vec<String>,
}

/// Mounts `mounts` at the folder `at`, read-only and seen by nobody else, and calls `look` with
/// that path. Nothing is left when this returns.
pub fn look_into<T: Send>(
    mounts: &[Mount],
    at: &Path,
    look: impl FnOnce(&Path) -> T + Send,
) -> Result<T, PathError> {
    on_own_thread(|| {
        let failed = |errno: nix::Error| PathError::new("mount an image at", at, errno);
        unshare(CloneFlags::CLONE_NEWNS).map_err(failed)?;
        // Private: what is mounted from here on does not show in the namespace we came from.
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).map_err(failed)?;
        mount_all(mounts, at)?;
        Ok(look(at))
    })
}

/// Mounts `mounts` at the folder `at`, read-only, for all to see.
pub fn mount_view(mounts: &[Mount], at: &Path) -> Result<(), PathError> {
    on_own_thread(|| {
        // A working folder of its own, for the thread that may have to change it.
        let failed = |errno: nix::Error| PathError::new("mount an image at", at, errno);
        unshare(CloneFlags::CLONE_FS).map_err(failed)?;
        mount_all(mounts, at)
    })
}

fn mount_all(mounts: &[Mount], at: &Path) -> Result<(), PathError> {
    let failed = |errno: nix::Error| PathError::new("mount an image at", at, errno);
    for described in mounts {
        let call = Call::of(described);
        if let Some(folder) = &call.working_folder {
            // The thread has a working folder of its own since it left its namespace.
            chdir(folder).map_err(failed)?;
        }
        if call.data.len() > OPTIONS_MAX {
            // The kernel would cut it, and look for a layer of half a name.
            return Err(failed(Errno::E2BIG));
        }
        mount(
            Some(&call.source),
            at,
            Some(call.kind.as_str()),
            call.flags,
            Some(call.data.as_str()),
        )
        .map_err(failed)?;
        if call.flags.contains(MsFlags::MS_BIND) {
            // A new bind mount has its source's flags, whatever the call said.
            restrict(
                at,
                MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV,
            )?;
        }
    }
    Ok(())
}

/// The arguments of mount(2) for a read-only look.
#[derive(Debug, PartialEq, Eq)]
struct Call {
    kind: String,
    source: PathBuf,
    flags: MsFlags,
    data: String,
    /// Where to be during the call, when `data` has paths that are relative to it.
    working_folder: Option<PathBuf>,
}

impl Call {
    fn of(described: &Mount) -> Self {
        let mut flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        let mut own = Vec::new();
        for option in &described.options {
            match flag(option) {
                Some(known) => flags |= known,
                None => own.push(option.as_str()),
            }
        }
        if described.kind == "overlay" {
            return Self::overlay(described, flags, &own);
        }
        Self {
            kind: described.kind.clone(),
            source: described.source.clone(),
            flags,
            data: own.join(","),
            working_folder: None,
        }
    }

    /// The upper folder becomes the topmost of the lower ones: a look must not write, and a
    /// container may have the same one mounted.
    fn overlay(described: &Mount, flags: MsFlags, own: &[&str]) -> Self {
        let value = |key: &str| own.iter().find_map(|option| option.strip_prefix(key));
        let lower = value("lowerdir=")
            .into_iter()
            .flat_map(|all| all.split(':'));
        let layers: Vec<&str> = value("upperdir=").into_iter().chain(lower).collect();
        if let [layer] = layers[..] {
            // An overlay of one folder is refused by the kernel.
            return Self {
                kind: "bind".to_owned(),
                source: layer.into(),
                flags: flags | MsFlags::MS_BIND,
                data: String::new(),
                working_folder: None,
            };
        }
        let replaced = ["lowerdir=", "upperdir=", "workdir="];
        let mut kept: Vec<&str> = own.to_vec();
        kept.retain(|option| {
            *option != "volatile" && !replaced.iter().any(|key| option.starts_with(key))
        });
        let data = |layers: &[&str]| {
            let lower = format!("lowerdir={}", layers.join(":"));
            let all: Vec<&str> = kept.iter().copied().chain([lower.as_str()]).collect();
            all.join(",")
        };
        let whole = data(&layers);
        let (data, working_folder) = match common_folder(&layers) {
            Some(folder) if whole.len() > OPTIONS_MAX => {
                let relative: Vec<&str> = layers
                    .iter()
                    .map(|layer| layer[folder.len()..].trim_start_matches('/'))
                    .collect();
                (data(&relative), Some(PathBuf::from(folder)))
            }
            _ => (whole, None),
        };
        Self {
            kind: described.kind.clone(),
            source: described.source.clone(),
            flags,
            data,
            working_folder,
        }
    }
}

/// The deepest folder that all paths are below.
fn common_folder<'a>(paths: &[&'a str]) -> Option<&'a str> {
    let (first, others) = paths.split_first()?;
    let mut folder = Path::new(*first).parent()?;
    while !others.iter().all(|path| {
        let path = Path::new(path);
        path.starts_with(folder) && path != folder
    }) {
        folder = folder.parent()?;
    }
    folder.to_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn overlay(options: &[&str]) -> Call {
        Call::of(&Mount {
            kind: "overlay".to_owned(),
            source: "overlay".into(),
            options: options.iter().map(|&option| option.to_owned()).collect(),
        })
    }

    #[test]
    fn the_upper_folder_is_only_looked_at() {
        let call = overlay(&[
            "index=off",
            "workdir=/s/9/work",
            "upperdir=/s/9/fs",
            "lowerdir=/s/2/fs:/s/1/fs",
        ]);
        assert_eq!(call.data, "index=off,lowerdir=/s/9/fs:/s/2/fs:/s/1/fs");
        assert!(call.flags.contains(MsFlags::MS_RDONLY));
        assert_eq!(call.working_folder, None);
    }

    #[test]
    fn an_overlay_of_one_folder_becomes_a_bind() {
        let call = overlay(&["lowerdir=/s/1/fs"]);
        assert_eq!((call.kind.as_str(), call.data.as_str()), ("bind", ""));
        assert_eq!(call.source, Path::new("/s/1/fs"));
        assert!(call.flags.contains(MsFlags::MS_BIND | MsFlags::MS_RDONLY));
    }

    #[test]
    fn many_layers_are_named_from_their_common_folder() {
        let layers: Vec<String> = (0..100)
            .map(|n| format!("/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs/{n}/fs"))
            .collect();
        let call = overlay(&[&format!("lowerdir={}", layers.join(":"))]);
        assert!(call.data.len() < OPTIONS_MAX);
        assert!(call.data.starts_with("lowerdir=0/fs:1/fs:"));
        assert_eq!(
            call.working_folder.as_deref(),
            Some(Path::new(
                "/var/lib/containerd/io.containerd.snapshotter.v1.overlayfs"
            ))
        );
    }

    #[test]
    fn the_snapshotters_flags_are_not_the_file_systems_options() {
        let call = Call::of(&Mount {
            kind: "bind".to_owned(),
            source: "/s/1/fs".into(),
            options: vec!["rw".to_owned(), "rbind".to_owned()],
        });
        assert_eq!(call.data, "");
        let flags = MsFlags::MS_BIND | MsFlags::MS_REC | MsFlags::MS_RDONLY;
        assert!(call.flags.contains(flags));
    }

    #[test]
    fn folders_have_their_deepest_common_one() {
        assert_eq!(common_folder(&["/a/b/c", "/a/b/d"]), Some("/a/b"));
        assert_eq!(common_folder(&["/a/b", "/a/b/d"]), Some("/a"));
        assert_eq!(common_folder(&["/a/bc", "/a/b/d"]), Some("/a"));
        assert_eq!(common_folder(&["/x", "/y"]), Some("/"));
    }
}
