//! Pipes: how much fits into them, and waiting until something does.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::stat::fstat;

/// Lets a pipe or FIFO hold so many bytes, and tells how many it holds now. Where the host does not
/// allow so much (pipe(7)), it stays as it was.
pub fn enlarge(pipe: BorrowedFd<'_>, bytes: usize) -> io::Result<usize> {
    let size = i32::try_from(bytes).unwrap_or(i32::MAX);
    let size = match fcntl(pipe, FcntlArg::F_SETPIPE_SZ(size)) {
        Err(Errno::EPERM) => fcntl(pipe, FcntlArg::F_GETPIPE_SZ)?,
        size => size?,
    };
    Ok(usize::try_from(size).unwrap_or_default())
}

/// Waits until a write can do something, or tells an error at once. For a descriptor that somebody
/// else has made non-blocking.
pub fn wait_writable(fd: BorrowedFd<'_>) -> io::Result<()> {
    let mut fds = [PollFd::new(fd, PollFlags::POLLOUT)];
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether both lead to one file, pipe or terminal.
pub fn is_same(one: &impl AsFd, other: &impl AsFd) -> io::Result<bool> {
    if one.as_fd().as_raw_fd() == other.as_fd().as_raw_fd() {
        return Ok(true);
    }
    let (one, other) = (fstat(one)?, fstat(other)?);
    Ok((one.st_dev, one.st_ino, one.st_rdev) == (other.st_dev, other.st_ino, other.st_rdev))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn a_pipe_holds_what_it_was_told_to() {
        let (reader, writer) = io::pipe().unwrap();
        assert_eq!(enlarge(writer.as_fd(), 256 << 10).unwrap(), 256 << 10);
        let size = fcntl(&reader, FcntlArg::F_GETPIPE_SZ).unwrap();
        assert_eq!(size, 256 << 10);
        assert!(enlarge(File::open("/dev/null").unwrap().as_fd(), 1 << 20).is_err());
    }

    #[test]
    fn a_descriptors_copy_leads_to_the_same() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(is_same(&writer, &writer.try_clone().unwrap()).unwrap());
        assert!(is_same(&writer, &reader).unwrap());
        assert!(!is_same(&writer, &io::pipe().unwrap().1).unwrap());
    }
}
