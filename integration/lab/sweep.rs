//! Takes away what a failed test left, so that the next one and the machine don't suffer for it.
//!
//! The oracle has looked before; this finds nothing after tests that went well.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Lab;
use crate::oracle::{cgroups, files, processes};
use crate::wait;

pub(super) fn sweep(lab: &Lab) {
    kill_all(|| cgroups::processes_below(cgroups::of_this_run));
    // Its own shims are the only ones that name its socket.
    let socket = lab.containerd().socket().display().to_string();
    kill_all(|| processes::with_words(&["containerd-shim", &socket]));
    for namespace in lab.containerd().namespaces() {
        for kind in ["tasks", "containers"] {
            let names = lab.containerd().ctr(&namespace, &[kind, "list", "-q"]);
            for name in names.unwrap_or_default().lines() {
                // What can't be removed is gone with the folder.
                let _ = lab.containerd().ctr(&namespace, &[kind, "delete", name]);
            }
        }
    }
    cgroups::remove_below(cgroups::of_this_run);
    for path in files::dead_sockets(lab.containerd()) {
        let _ = fs::remove_file(path);
    }
    for path in files::runtime_state(lab.containerd()) {
        let _ = fs::remove_dir_all(path);
    }
}

/// Unmounts, deepest first, all that is mounted below a folder.
pub(super) fn unmount_below(folder: &Path) {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut points: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .map(PathBuf::from)
        .filter(|point| point.starts_with(folder))
        .collect();
    points.sort_by_key(|point| std::cmp::Reverse(point.components().count()));
    for point in points {
        if let Err(error) = umount2(&point, MntFlags::MNT_DETACH) {
            eprintln!("{}: {error}", point.display());
        }
    }
}

fn kill_all(find: impl Fn() -> Vec<i32>) {
    wait::within(Duration::from_secs(10), || {
        let left = find();
        for &pid in &left {
            // It may be gone by now.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        left.is_empty().then_some(())
    });
}
