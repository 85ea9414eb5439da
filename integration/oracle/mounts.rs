//! L11: mounts.

use std::fs;
use std::path::Path;

/// Mounts that are below a folder, come from it, or have a layer in it; and the host's network
/// namespaces, which are mounts.
pub(super) fn naming(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let table = fs::read_to_string("/proc/self/mountinfo").expect("/proc can be read");
    table
        .lines()
        .filter(|line| line.contains(&folder) || line.contains(" /run/netns/"))
        .map(str::to_owned)
        .collect()
}
