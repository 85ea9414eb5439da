//! The kernel's sysfs, as a network namespace shows it.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::libc;

use super::PathError;
use super::new_descriptor::owned;

/// The calling thread's network namespace's sysfs, writable and mounted nowhere: it is there as long
/// as the descriptor is open.
///
/// The kernel keeps one such file system for each network namespace, and its first mount decides
/// whether all that follow are read-only: a later one can only restrict itself (mount(2) tells of
/// flags of the file system and flags of a mount).
pub fn detached() -> Result<OwnedFd, PathError> {
    let failed = |errno: Errno| PathError::new("mount", Path::new("sysfs"), errno);
    let context = owned(|| {
        // SAFETY: the name is a string of C's that lives beyond the call.
        unsafe { libc::syscall(libc::SYS_fsopen, c"sysfs".as_ptr(), libc::FSOPEN_CLOEXEC) }
    })
    .map_err(failed)?;
    // SAFETY: this command has neither key nor value, for which null stands.
    let created = unsafe {
        libc::syscall(
            libc::SYS_fsconfig,
            context.as_raw_fd(),
            libc::FSCONFIG_CMD_CREATE,
            std::ptr::null::<libc::c_char>(),
            std::ptr::null::<libc::c_char>(),
            0,
        )
    };
    Errno::result(created).map_err(failed)?;
    let attributes = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOEXEC;
    owned(|| {
        // SAFETY: the call takes integers alone.
        unsafe {
            libc::syscall(
                libc::SYS_fsmount,
                context.as_raw_fd(),
                libc::FSMOUNT_CLOEXEC,
                attributes,
            )
        }
    })
    .map_err(failed)
}
