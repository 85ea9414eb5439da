//! Folders in memory. What lasts as long as a boot lies below /run, which is in memory on every host
//! with systemd; on a disk each file that goes costs a wait.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

/// The sockets of all shims, and the runtimes' records of all containers, whatever containerd's own
/// state is.
const SHIMS: &str = "/run/containerd";
/// What tells a mount of a lab's from one of the host's.
const SOURCE: &str = "compose-executor-it";

/// Makes a folder in memory. It is unmounted with all that is mounted below the lab's.
pub(crate) fn folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some(SOURCE), path, Some("tmpfs"), flags, Some("mode=755"))?;
    Ok(())
}

/// Has shims keep their state in memory, unless they do already, or the host's own would be hidden.
/// Other labs may have a part in it.
pub(super) fn for_shims() -> std::io::Result<()> {
    let place = Path::new(SHIMS);
    fs::create_dir_all(place)?;
    if statfs(place)?.filesystem_type() == TMPFS_MAGIC || is_used(place) {
        return Ok(());
    }
    folder(place)
}

/// Whether a containerd or a shim has a socket there.
fn is_used(place: &Path) -> bool {
    let shims = fs::read_dir(place.join("s"));
    place.join("containerd.sock").exists() || shims.is_ok_and(|mut found| found.next().is_some())
}

/// Unmounts it, if a lab has mounted it and no other uses it: a socket keeps it.
pub(super) fn no_more_for_shims() {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let ours = format!("{SOURCE} {SHIMS} tmpfs ");
    if table.lines().any(|line| line.starts_with(&ours)) {
        match umount2(SHIMS, MntFlags::empty()) {
            Ok(()) | Err(Errno::EBUSY) => {}
            Err(error) => eprintln!("{SHIMS}: {error}"),
        }
    }
}
