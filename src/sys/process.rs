//! Processes: held by descriptor, known by more than their number, and what /proc tells of them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use procfs::process::{LimitValue, Process};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::PathError;
use super::new_descriptor::owned;
use super::signal::Signal;

/// A process could not be asked or signalled; mostly because it is gone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot {attempt} process {pid}")]
    Process {
        attempt: &'static str,
        pid: u32,
        #[source]
        source: io::Error,
    },
    #[error("cannot read /proc/{pid}/{file}")]
    Proc {
        pid: u32,
        file: &'static str,
        #[source]
        source: procfs::ProcError,
    },
}

impl Error {
    fn process(attempt: &'static str, pid: u32, errno: Errno) -> Self {
        Self::Process {
            attempt,
            pid,
            source: errno.into(),
        }
    }

    /// Whether the process has ended.
    pub fn is_gone(&self) -> bool {
        match self {
            Self::Process { source, .. } => {
                source.kind() == io::ErrorKind::NotFound
                    || source.raw_os_error() == Some(libc::ESRCH)
            }
            Self::Proc { source, .. } => matches!(source, procfs::ProcError::NotFound(_)),
        }
    }
}

/// A process by descriptor: it stays the same one when its number is given to another.
#[derive(Debug)]
pub struct PidFd {
    pid: u32,
    fd: OwnedFd,
}

impl PidFd {
    /// Takes hold of the process that has this number now (`pidfd_open(2)`). It may already be
    /// another than the one the caller has in mind: check its [`Identity`], or its cgroup, after.
    pub fn open(pid: u32) -> Result<Self, Error> {
        let number =
            libc::pid_t::try_from(pid).map_err(|_| Error::process("open", pid, Errno::ESRCH))?;
        let opened = owned(|| {
            // SAFETY: the call takes two integers and touches no memory of ours.
            unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) }
        });
        let fd = opened.map_err(|errno| Error::process("open", pid, errno))?;
        Ok(Self { pid, fd })
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    pub fn signal(&self, signal: Signal) -> Result<(), Error> {
        // SAFETY: a null siginfo is allowed (the kernel fills one in); the rest are integers.
        let result = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.fd.as_raw_fd(),
                signal.number(),
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        Errno::result(result)
            .map(drop)
            .map_err(|errno| Error::process("signal", self.pid, errno))
    }

    /// Waits until the process has ended; false when it has not within `timeout`. A zombie has.
    pub fn wait(&self, timeout: Duration) -> Result<bool, Error> {
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        let mut fds = [PollFd::new(self.fd.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout) {
            // Interrupted: as if the time was up.
            Err(Errno::EINTR) => Ok(false),
            Err(errno) => Err(Error::process("wait for", self.pid, errno)),
            Ok(ready) => Ok(ready > 0),
        }
    }
}

impl PidFd {
    /// Waits until the process has ended, within a tokio runtime. A zombie has. May be dropped while
    /// it waits and called again.
    pub async fn ended(&self) -> io::Result<()> {
        let fd = self.fd.as_fd();
        // SAFETY: what is registered borrows the descriptor, which so stays open and the same for
        // as long as its registration.
        let process = unsafe { AsyncFd::register_with_interest(fd, Interest::READABLE) }?;
        process.readable().await.map(drop)
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A process in the life of a boot: its number, and when it started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub pid: u32,
    /// In clock ticks since boot.
    pub start_time: u64,
}

impl Identity {
    pub fn of(pid: u32) -> Result<Self, Error> {
        let stat = process(pid, "stat")?.stat().map_err(|source| Error::Proc {
            pid,
            file: "stat",
            source,
        })?;
        Ok(Self {
            pid,
            start_time: stat.starttime,
        })
    }

    pub fn of_this_process() -> Result<Self, Error> {
        Self::of(std::process::id())
    }

    /// Whether that very process is still there.
    pub fn is_alive(&self) -> bool {
        Self::of(self.pid).is_ok_and(|now| now == *self)
    }
}

/// The namespaces a process is in, as inode numbers: equal numbers, same namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Namespaces {
    pub mount: u64,
    pub pid: u64,
    pub network: u64,
    pub ipc: u64,
    pub uts: u64,
}

impl Namespaces {
    pub fn of(pid: u32) -> Result<Self, PathError> {
        Self::read(Path::new(&format!("/proc/{pid}/ns")))
    }

    pub fn of_this_process() -> Result<Self, PathError> {
        Self::read(Path::new("/proc/self/ns"))
    }

    fn read(folder: &Path) -> Result<Self, PathError> {
        let inode = |name: &str| {
            let path = folder.join(name);
            fs::metadata(&path)
                .map(|namespace| namespace.ino())
                .map_err(|source| PathError::new("read", path, source))
        };
        Ok(Self {
            mount: inode("mnt")?,
            pid: inode("pid")?,
            network: inode("net")?,
            ipc: inode("ipc")?,
            uts: inode("uts")?,
        })
    }
}

/// Soft and hard limit of a resource; none is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rlimit {
    pub soft: Option<u64>,
    pub hard: Option<u64>,
}

/// A process's resource limits by the names that OCI has for them (`RLIMIT_NOFILE`).
pub fn rlimits(pid: u32) -> Result<Vec<(&'static str, Rlimit)>, Error> {
    let limits = process(pid, "limits")?
        .limits()
        .map_err(|source| Error::Proc {
            pid,
            file: "limits",
            source,
        })?;
    let value = |value| match value {
        LimitValue::Unlimited => None,
        LimitValue::Value(value) => Some(value),
    };
    let named = [
        ("RLIMIT_AS", limits.max_address_space),
        ("RLIMIT_CORE", limits.max_core_file_size),
        ("RLIMIT_CPU", limits.max_cpu_time),
        ("RLIMIT_DATA", limits.max_data_size),
        ("RLIMIT_FSIZE", limits.max_file_size),
        ("RLIMIT_LOCKS", limits.max_file_locks),
        ("RLIMIT_MEMLOCK", limits.max_locked_memory),
        ("RLIMIT_MSGQUEUE", limits.max_msgqueue_size),
        ("RLIMIT_NICE", limits.max_nice_priority),
        ("RLIMIT_NOFILE", limits.max_open_files),
        ("RLIMIT_NPROC", limits.max_processes),
        ("RLIMIT_RSS", limits.max_resident_set),
        ("RLIMIT_RTPRIO", limits.max_realtime_priority),
        ("RLIMIT_RTTIME", limits.max_realtime_timeout),
        ("RLIMIT_SIGPENDING", limits.max_pending_signals),
        ("RLIMIT_STACK", limits.max_stack_size),
    ];
    Ok(named
        .map(|(name, limit)| {
            let rlimit = Rlimit {
                soft: value(limit.soft_limit),
                hard: value(limit.hard_limit),
            };
            (name, rlimit)
        })
        .into())
}

/// What a process may ever hand to a child: its capability bounding set, bit n for capability
/// number n (capabilities(7)).
pub fn capability_bounding_set(pid: u32) -> Result<u64, Error> {
    let status = process(pid, "status")?
        .status()
        .map_err(|source| Error::Proc {
            pid,
            file: "status",
            source,
        })?;
    Ok(status.capbnd.unwrap_or(status.capprm))
}

/// The session of a process (setsid(2)), by the number of the one that leads it.
pub fn session(pid: u32) -> Result<i32, Error> {
    let stat = process(pid, "stat")?.stat();
    let stat = stat.map_err(|source| Error::Proc {
        pid,
        file: "stat",
        source,
    })?;
    Ok(stat.session)
}

/// The variables a process was started with, those that are text. Empty when it is gone, or not to be
/// looked at.
pub fn environment(pid: u32) -> BTreeMap<String, String> {
    let variables = process(pid, "environ").and_then(|process| {
        process.environ().map_err(|source| Error::Proc {
            pid,
            file: "environ",
            source,
        })
    });
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    variables
        .map(|variables| variables.into_iter().filter_map(text).collect())
        .unwrap_or_default()
}

/// The words a process was started with. Empty for a zombie and for the kernel's own threads.
pub fn command_line(pid: u32) -> Result<Vec<String>, Error> {
    process(pid, "cmdline")?
        .cmdline()
        .map_err(|source| Error::Proc {
            pid,
            file: "cmdline",
            source,
        })
}

/// The numbers of all processes that /proc shows.
pub fn all() -> Result<Vec<u32>, PathError> {
    let entries =
        fs::read_dir("/proc").map_err(|source| PathError::new("read", "/proc", source))?;
    Ok(entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

/// The process at the other end of a Unix socket, as it was when it listened or connected.
pub fn peer(socket: &impl AsFd) -> io::Result<u32> {
    let credentials = getsockopt(socket, PeerCredentials)?;
    u32::try_from(credentials.pid())
        .ok()
        .filter(|pid| *pid != 0)
        .ok_or_else(|| io::Error::from(Errno::ESRCH))
}

fn process(pid: u32, file: &'static str) -> Result<Process, Error> {
    let number = i32::try_from(pid).map_err(|_| Error::process("find", pid, Errno::ESRCH))?;
    Process::new(number).map_err(|source| Error::Proc { pid, file, source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::process::{Child, Command};

    use super::*;

    fn sleeper() -> Child {
        Command::new("sleep").arg("60").spawn().unwrap()
    }

    #[test]
    fn a_process_is_signalled_and_waited_for_by_descriptor() {
        let mut child = sleeper();
        let process = PidFd::open(child.id()).unwrap();
        assert!(!process.wait(Duration::ZERO).unwrap());
        process.signal(Signal::KILL).unwrap();
        assert!(process.wait(Duration::from_secs(10)).unwrap());
        child.wait().unwrap();
        let error = process.signal(Signal::KILL).unwrap_err();
        assert!(error.is_gone(), "{error:?}");
    }

    #[test]
    fn an_identity_ends_with_its_process() {
        let mut child = sleeper();
        let identity = Identity::of(child.id()).unwrap();
        assert!(identity.is_alive());
        let another = Identity {
            start_time: identity.start_time + 1,
            ..identity
        };
        assert!(!another.is_alive());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!identity.is_alive());
        assert!(Identity::of(child.id()).unwrap_err().is_gone());
    }

    #[test]
    fn a_child_shares_its_parents_namespaces() {
        let mut child = sleeper();
        let own = Namespaces::of_this_process().unwrap();
        assert_eq!(Namespaces::of(child.id()).unwrap(), own);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn proc_tells_limits_capabilities_and_words() {
        let mut child = sleeper();
        let limits = rlimits(child.id()).unwrap();
        let (_, files) = limits
            .iter()
            .find(|(name, _)| *name == "RLIMIT_NOFILE")
            .unwrap();
        assert!(files.soft.unwrap() > 0);
        assert!(capability_bounding_set(child.id()).is_ok());
        let own: Vec<String> = std::env::args().collect();
        assert_eq!(command_line(std::process::id()).unwrap(), own);
        assert!(all().unwrap().contains(&child.id()));
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn a_socket_tells_who_is_at_the_other_end() {
        let (one, _other) = UnixStream::pair().unwrap();
        assert_eq!(peer(&one).unwrap(), std::process::id());
    }
}
