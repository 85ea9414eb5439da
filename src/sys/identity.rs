//! Files looked at with another user's rights.
//!
//! Root may read everything, and must not do so for whoever names a file. So the kernel is asked as
//! that user: on a thread of its own, which takes the user's file system ids (credentials(7)), loses
//! with them the capabilities to pass over permissions (capabilities(7)), and ends with the call.

use std::io;

use nix::errno::Errno;
use nix::libc;
use nix::unistd::{Gid, Uid, setfsgid, setfsuid};

use super::netns::on_own_thread;

/// A user and a group, no further groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub uid: u32,
    pub gid: u32,
}

impl Identity {
    /// Calls `work` with this user's rights on files.
    pub fn act<T: Send>(self, work: impl FnOnce() -> T + Send) -> io::Result<T> {
        on_own_thread(|| {
            self.take()?;
            Ok(work())
        })
    }

    /// The groups first: without root's user id they can't be given up.
    fn take(self) -> io::Result<()> {
        // The C library's setgroups() would change every thread of the process.
        // SAFETY: the call takes no list, of length zero, and changes this thread alone.
        let result =
            unsafe { libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()) };
        Errno::result(result)?;
        let (uid, gid) = (Uid::from_raw(self.uid), Gid::from_raw(self.gid));
        setfsgid(gid);
        setfsuid(uid);
        // Neither tells whether it worked, but both tell what was before.
        if setfsgid(gid) != gid || setfsuid(uid) != uid {
            return Err(Errno::EPERM.into());
        }
        Ok(())
    }
}
