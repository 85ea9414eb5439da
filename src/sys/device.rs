//! Device nodes: their numbers, permissions and owners.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::failure::PathError;

/// A device node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceNode {
    /// As it was named: a link's own path.
    pub path: PathBuf,
    pub block: bool,
    pub major: u32,
    pub minor: u32,
    /// Permissions, without the type.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// In /dev: what every container has its own of, and terminals.
const NOT_THE_HOSTS: [&str; 6] = ["pts", "shm", "fd", "mqueue", "hugepages", "console"];
/// No device of the kernel's is deeper.
const DEPTH_MAX: u32 = 8;

/// The device at a path, links followed; all devices below it, if it is a folder.
pub fn at(path: &Path) -> Result<Vec<DeviceNode>, PathError> {
    let failed = |source| PathError::new("look at device", path, source);
    let metadata = fs::metadata(path).map_err(failed)?;
    if metadata.is_dir() {
        let mut found = Vec::new();
        below(path, DEPTH_MAX, &[], &mut found).map_err(failed)?;
        return Ok(found);
    }
    let node = node(path, &metadata).ok_or_else(|| {
        let text = "it is no device";
        failed(io::Error::new(io::ErrorKind::InvalidInput, text))
    })?;
    Ok(vec![node])
}

/// The block device at a path, links followed.
pub fn block_at(path: &Path) -> Result<DeviceNode, PathError> {
    match at(path)?.as_slice() {
        [node] if node.block => Ok(node.clone()),
        _ => {
            let error = io::Error::new(io::ErrorKind::InvalidInput, "it is no block device");
            Err(PathError::new("use", path, error))
        }
    }
}

/// All devices of the host, less terminals and what containers have their own of.
pub fn all() -> Result<Vec<DeviceNode>, PathError> {
    let dev = Path::new("/dev");
    let mut found = Vec::new();
    below(dev, DEPTH_MAX, &NOT_THE_HOSTS, &mut found)
        .map_err(|source| PathError::new("look into", dev, source))?;
    Ok(found)
}

/// In the order of their names, so that a document is the same each time.
fn below(
    folder: &Path,
    depth: u32,
    without: &[&str],
    found: &mut Vec<DeviceNode>,
) -> io::Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        if without.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let path = entry.path();
        // Links are passed over: what they lead to is there by its own name. What has just gone was
        // not there.
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            continue;
        };
        if metadata.is_dir() && depth > 0 {
            below(&path, depth - 1, &[], found)?;
        } else {
            found.extend(node(&path, &metadata));
        }
    }
    Ok(())
}

fn node(path: &Path, metadata: &Metadata) -> Option<DeviceNode> {
    let kind = metadata.file_type();
    if !kind.is_block_device() && !kind.is_char_device() {
        return None;
    }
    let number = |number: u64| u32::try_from(number).ok();
    Some(DeviceNode {
        path: path.to_owned(),
        block: kind.is_block_device(),
        major: number(nix::sys::stat::major(metadata.rdev()))?,
        minor: number(nix::sys::stat::minor(metadata.rdev()))?,
        mode: metadata.mode() & 0o7777,
        uid: metadata.uid(),
        gid: metadata.gid(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_known_by_its_numbers() {
        let null = at(Path::new("/dev/null")).unwrap();
        assert_eq!((null[0].major, null[0].minor, null[0].block), (1, 3, false));
        assert!(at(Path::new("/etc/passwd")).is_err());
        assert!(at(Path::new("/dev/none-such")).is_err());
    }

    #[test]
    fn the_hosts_devices_are_listed_without_terminals() {
        let all = all().unwrap();
        assert!(all.iter().any(|node| node.path == Path::new("/dev/null")));
        assert!(!all.iter().any(|node| node.path.starts_with("/dev/pts")));
    }
}
