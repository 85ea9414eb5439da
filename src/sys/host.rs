//! Facts about the machine and about who we are on it.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::Path;

use nix::unistd::Uid;
use procfs::{Current, Meminfo};

use super::PathError;

/// Whether this process has user id 0.
pub fn is_root() -> bool {
    Uid::effective().is_root()
}

/// The user whose rights this process has.
pub fn effective_user() -> u32 {
    Uid::effective().as_raw()
}

/// The name of this boot: another one after each start of the kernel.
pub fn boot_id() -> Result<String, PathError> {
    read_line(Path::new("/proc/sys/kernel/random/boot_id"))
}

/// The name of this installation (machine-id(5)); none where the host has not got one.
pub fn machine_id() -> Option<String> {
    ["/etc/machine-id", "/var/lib/dbus/machine-id"]
        .iter()
        .filter_map(|path| read_line(Path::new(path)).ok())
        .find(|id| !id.is_empty())
}

/// The address that this host sends from to the rest of the world; none without a way there.
///
/// Connecting a datagram socket asks the kernel for its route and sends nothing. 192.0.2.1 is an
/// address of documentation, RFC 5737: it is nobody's.
pub fn address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).ok()?;
    let address = socket.local_addr().ok()?.ip();
    (!address.is_unspecified()).then_some(address)
}

/// `6.1.0-18-amd64`.
pub fn kernel_release() -> Result<String, PathError> {
    read_line(Path::new("/proc/sys/kernel/osrelease"))
}

/// The host's memory in bytes; none if the kernel doesn't tell.
pub fn memory() -> Option<u64> {
    Meminfo::current().ok().map(|memory| memory.mem_total)
}

/// How many processors this process may run on.
pub fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn read_line(path: &Path) -> Result<String, PathError> {
    let text = fs::read_to_string(path).map_err(|source| PathError::new("read", path, source))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_has_one_name() {
        let id = boot_id().unwrap();
        assert_eq!(id.len(), 36);
        assert_eq!(id, boot_id().unwrap());
    }

    #[test]
    fn the_machine_tells_its_size() {
        assert!(memory().unwrap() > 1 << 20);
        assert!(cpus() >= 1);
        assert!(kernel_release().unwrap().contains('.'));
    }
}
