//! Files and folders of users, bound to places of ours: what their names stand for later changes
//! nothing.
//!
//! The tree of mounts is cloned first, where nobody sees it, restricted as a whole, and only then
//! put in its place (`mount_setattr(2)`, Linux 5.12). An older kernel restricts the topmost mount
//! alone.

use std::ffi::CStr;
use std::fs::{self, File};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::AT_FDCWD;
use nix::libc;
use nix::mount::{MsFlags, mount};

use super::PathError;
use super::beneath::{Entry, Kind};
use super::mount::{MountInfo, make_file, read_mountinfo, restrict};
use super::new_descriptor::owned;

/// What becomes of the mounts below the one that is pinned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Submounts {
    /// They come along, and are read-only where the pinned one is.
    #[default]
    AsTop,
    /// They come along, and can be written where they could.
    Writable,
    /// They stay behind.
    Left,
}

/// How something is pinned. Set-user-id programs and devices in it never work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pinning {
    pub submounts: Submounts,
    pub read_only: bool,
    /// Mounts that are made below it, here or there, are seen in both places. Without, it is
    /// private.
    pub shared: bool,
}

/// Binds what was found beneath a user's folder to `target`, which is made, as a file or a
/// folder. Whoever mounts `target` later gets that very file, whatever its name stands for then.
pub fn pin(source: &Entry, target: &Path, how: Pinning) -> Result<(), PathError> {
    if source.kind() == Kind::Folder {
        fs::create_dir(target)
            .map_err(|source| PathError::new("create the folder", target, source))?;
    } else {
        make_file(target)?;
    }
    place(source, target, how)
}

/// Binds an open program to `target`, which is made: nobody can write to it there, whoever gets hold
/// of it.
pub fn pin_program(program: &File, target: &Path) -> Result<(), PathError> {
    make_file(target)?;
    let how = Pinning {
        read_only: true,
        ..Pinning::default()
    };
    place(program, target, how)
}

fn place(source: &impl AsFd, target: &Path, how: Pinning) -> Result<(), PathError> {
    match clone_restricted(source, how) {
        Ok(tree) => put(&tree, target).map_err(|errno| PathError::new("mount", target, errno)),
        Err(Errno::ENOSYS) => bind_restricted(source, target, how),
        Err(errno) => Err(PathError::new("mount", target, errno)),
    }
}

/// Whether what is mounted at `point` shares what is mounted below it with other places.
pub fn is_shared(point: &Path) -> Result<bool, PathError> {
    let table = read_mountinfo(Path::new("/proc/thread-self/mountinfo"))?;
    let last = table.into_iter().rfind(|mount| mount.point == point);
    Ok(last.is_some_and(|MountInfo { shared, .. }| shared))
}

fn flags(how: Pinning) -> MsFlags {
    let access = if how.read_only {
        MsFlags::MS_RDONLY
    } else {
        MsFlags::empty()
    };
    MsFlags::MS_NOSUID | MsFlags::MS_NODEV | access
}

/// A copy of the mounts at and below `source` that is nowhere yet.
fn clone_restricted(source: &impl AsFd, how: Pinning) -> nix::Result<OwnedFd> {
    let recursive = if how.submounts == Submounts::Left {
        0
    } else {
        libc::AT_RECURSIVE
    };
    let tree = open_tree(source, recursive)?;
    let set = |attributes: u64, propagation: u64, depth: libc::c_int| {
        let attributes = libc::mount_attr {
            attr_set: attributes,
            attr_clr: 0,
            propagation,
            userns_fd: 0,
        };
        mount_setattr(&tree, &attributes, depth)
    };
    let private = if how.shared { 0 } else { libc::MS_PRIVATE };
    set(
        libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV,
        private,
        recursive,
    )?;
    if how.read_only {
        let depth = match how.submounts {
            Submounts::AsTop => recursive,
            Submounts::Writable | Submounts::Left => 0,
        };
        set(libc::MOUNT_ATTR_RDONLY, 0, depth)?;
    }
    Ok(tree)
}

/// The same by mount(2), one step after the other: `target` is in a folder of ours, where nobody
/// looks meanwhile.
fn bind_restricted(source: &impl AsFd, target: &Path, how: Pinning) -> Result<(), PathError> {
    let failed = |errno: Errno| PathError::new("mount", target, errno);
    let from = format!("/proc/self/fd/{}", source.as_fd().as_raw_fd());
    let recursive = if how.submounts == Submounts::Left {
        MsFlags::empty()
    } else {
        MsFlags::MS_REC
    };
    let bind = MsFlags::MS_BIND | recursive;
    mount(
        Some(from.as_str()),
        target,
        None::<&str>,
        bind,
        None::<&str>,
    )
    .map_err(failed)?;
    if !how.shared {
        let private = MsFlags::MS_PRIVATE | MsFlags::MS_REC;
        mount(None::<&str>, target, None::<&str>, private, None::<&str>).map_err(failed)?;
    }
    restrict(target, flags(how))
}

fn open_tree(source: &impl AsFd, recursive: libc::c_int) -> nix::Result<OwnedFd> {
    let close = libc::c_uint::try_from(libc::O_CLOEXEC).map_err(|_| Errno::EINVAL)?;
    let at = libc::c_uint::try_from(libc::AT_EMPTY_PATH | recursive).map_err(|_| Errno::EINVAL)?;
    owned(|| {
        // SAFETY: the path is a string of C's that lives beyond the call; the rest are integers.
        unsafe {
            libc::syscall(
                libc::SYS_open_tree,
                source.as_fd().as_raw_fd(),
                c"".as_ptr(),
                libc::OPEN_TREE_CLONE | close | at,
            )
        }
    })
}

fn mount_setattr(
    tree: &impl AsFd,
    attributes: &libc::mount_attr,
    depth: libc::c_int,
) -> nix::Result<()> {
    // SAFETY: the path and the attributes live beyond the call, and the size is theirs.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_fd().as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | depth,
            std::ptr::from_ref(attributes),
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Puts a tree that is nowhere to a place.
fn put(tree: &impl AsFd, target: &Path) -> nix::Result<()> {
    use nix::NixPath;
    let from: &CStr = c"";
    let result = target.with_nix_path(|target| {
        // SAFETY: both paths are strings of C's that live beyond the call; the rest are integers.
        unsafe {
            libc::syscall(
                libc::SYS_move_mount,
                tree.as_fd().as_raw_fd(),
                from.as_ptr(),
                AT_FDCWD.as_raw_fd(),
                target.as_ptr(),
                libc::MOVE_MOUNT_F_EMPTY_PATH,
            )
        }
    })?;
    Errno::result(result).map(drop)
}
