//! A hierarchy for `hugetlb`: on hosts with control groups of both versions it is the one
//! controller that else stays with version 2, and there crun refuses to run.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::host::CGROUPS;

/// The hierarchy, where it was wanted. Gone with this.
#[derive(Debug)]
pub(crate) struct Hugetlb {
    mounted: bool,
}

impl Hugetlb {
    const PLACE: &'static str = "/sys/fs/cgroup/hugetlb";

    pub(crate) fn mount() -> Self {
        // The controller is with version 2, or still in the hierarchy of a run before this one, which
        // goes when the last of its cgroups does, seen by nobody: it is the same that is mounted then.
        let both = Path::new(CGROUPS).join("unified").exists();
        let mounted = both && known() && fs::create_dir(Self::PLACE).is_ok();
        if mounted {
            mount(
                Some("cgroup"),
                Self::PLACE,
                Some("cgroup"),
                MsFlags::empty(),
                Some("hugetlb"),
            )
            .expect("the controller is free");
        }
        Self { mounted }
    }
}

impl Drop for Hugetlb {
    fn drop(&mut self) {
        if self.mounted {
            // With a cgroup left, the hierarchy would stay for good, where nobody sees it.
            remove_below(Path::new(Self::PLACE));
            // No panic: what was measured meanwhile must not be lost.
            if let Err(error) = umount2(Self::PLACE, MntFlags::MNT_DETACH) {
                eprintln!("{}: {error}", Self::PLACE);
            }
            if let Err(error) = fs::remove_dir(Self::PLACE) {
                eprintln!("{}: {error}", Self::PLACE);
            }
        }
    }
}

/// Whether the kernel has the controller (`/proc/cgroups`).
fn known() -> bool {
    let controllers = fs::read_to_string("/proc/cgroups").unwrap_or_default();
    let mut names = controllers
        .lines()
        .filter_map(|line| line.split('\t').next());
    names.any(|name| name == "hugetlb")
}

/// Removes every cgroup below, the deepest first. The hierarchy is ours, and what ran in it has
/// ended: one that is in use is told of by the hierarchy's staying.
fn remove_below(cgroup: &Path) {
    for entry in fs::read_dir(cgroup).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
            let _ = fs::remove_dir(entry.path());
        }
    }
}
