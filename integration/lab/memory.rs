//! Folders in memory. What lasts as long as a boot lies below /run, which is in memory on every host
//! with systemd; on a disk each file that goes costs a wait.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

/// Makes a folder in memory. It is unmounted with all that is mounted below the lab's.
pub(crate) fn folder(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), path, Some("tmpfs"), flags, Some("mode=755"))?;
    Ok(())
}
