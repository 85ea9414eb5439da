//! Network namespaces: made, kept by a mount, entered for a moment.
//!
//! A namespace belongs to a thread. Whatever changes one here does it on a thread of its own that
//! ends with the call, so that no thread of the program, least of all one that runs other tasks
//! later, is ever left in another namespace.

use std::fs::{self, File};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::thread;

use nix::ifaddrs::getifaddrs;
use nix::libc;
use nix::net::if_::InterfaceFlags;
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};

use super::{PathError, mount};

/// Makes a network namespace with nothing but a loopback interface, which is up, and binds it to
/// `path`, a file that is made: the namespace stays until [`remove`].
pub fn create(path: &Path) -> Result<(), PathError> {
    mount::make_file(path)?;
    let made = on_own_thread(|| {
        let failed =
            |errno: nix::Error| PathError::new("create the network namespace", path, errno);
        unshare(CloneFlags::CLONE_NEWNET).map_err(failed)?;
        raise_loopback().map_err(failed)?;
        mount::bind_path(Path::new("/proc/thread-self/ns/net"), path)
    });
    if made.is_err() {
        let _ = fs::remove_file(path);
    }
    made
}

/// Lets a namespace go: it ends when the last process in it does. None there is success.
pub fn remove(path: &Path) -> Result<(), PathError> {
    mount::unmount(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|source| PathError::new("remove", path, source)),
    }
}

/// Calls `inside` in a namespace, on another thread, and waits for it.
///
/// Sockets that are made inside stay in that namespace when they are handed out.
pub fn within<T: Send>(path: &Path, inside: impl FnOnce() -> T + Send) -> Result<T, PathError> {
    let failed = |source: io::Error| PathError::new("enter the network namespace", path, source);
    let namespace = File::open(path).map_err(failed)?;
    on_own_thread(|| {
        setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|errno| failed(errno.into()))?;
        Ok(inside())
    })
}

/// The addresses by which a namespace is reached from elsewhere, as the kernel has them in order:
/// those of interfaces that are up, less loopback's and those that hold on one link alone.
pub fn addresses(path: &Path) -> Result<Vec<IpAddr>, PathError> {
    let failed = |errno: nix::Error| PathError::new("read the addresses of", path, errno);
    let all = || getifaddrs().map(Vec::from_iter);
    let interfaces = within(path, all)?.map_err(failed)?;
    let up = InterfaceFlags::IFF_UP;
    let addresses = interfaces
        .into_iter()
        .filter(|it| it.flags & (up | InterfaceFlags::IFF_LOOPBACK) == up)
        .filter_map(|it| {
            let address = it.address?;
            let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
            let v6 = address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip()));
            v4.or(v6)
        })
        .filter(|address| match address {
            IpAddr::V4(v4) => !v4.is_link_local(),
            IpAddr::V6(v6) => !v6.is_unicast_link_local(),
        });
    Ok(addresses.collect())
}

pub(super) fn on_own_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| match scope.spawn(work).join() {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

mod request {
    use nix::libc;

    nix::ioctl_readwrite_bad!(get_flags, libc::SIOCGIFFLAGS, libc::ifreq);
    nix::ioctl_write_ptr_bad!(set_flags, libc::SIOCSIFFLAGS, libc::ifreq);
}

/// Turns `lo` on in this thread's namespace. The kernel gives it 127.0.0.1 and `::1` by itself.
fn raise_loopback() -> nix::Result<()> {
    let socket = socket(
        AddressFamily::Inet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    // SAFETY: all bytes zero is a valid value of this structure of C's.
    let mut interface: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in interface.ifr_name.iter_mut().zip(*b"lo") {
        *to = from.cast_signed();
    }
    // SAFETY: the request reads and writes one `ifreq`, which lives beyond the call.
    unsafe { request::get_flags(socket.as_raw_fd(), &raw mut interface)? };
    // SAFETY: the kernel has just filled in this member of the union.
    let flags = unsafe { interface.ifr_ifru.ifru_flags };
    let up = libc::c_short::try_from(libc::IFF_UP).expect("IFF_UP is 1");
    interface.ifr_ifru.ifru_flags = flags | up;
    // SAFETY: the request reads one `ifreq`, which lives beyond the call.
    unsafe { request::set_flags(socket.as_raw_fd(), &raw const interface)? };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_namespace_is_named() {
        let error = within(Path::new("/nonexistent"), || ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot enter the network namespace /nonexistent"
        );
        remove(Path::new("/nonexistent")).unwrap();
    }
}
