//! Descriptors that raw system calls return.

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;

/// Makes a system call that returns a new descriptor, which nobody else knows: its owner.
///
/// `call` gives the call's result as libc's `syscall(2)` does, -1 with `errno` for a failure.
pub(super) fn owned(call: impl FnOnce() -> libc::c_long) -> nix::Result<OwnedFd> {
    let number = Errno::result(call())?;
    let number = libc::c_int::try_from(number).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
