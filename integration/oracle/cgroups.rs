//! L14: control groups, in every hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::{self, host::CGROUPS};

/// Tells by one part of its path whether a group is meant.
pub(crate) type Which = fn(&str) -> bool;

/// Those that this run of the tests names.
pub(crate) fn of_this_run(part: &str) -> bool {
    part.starts_with(&lab::cgroup_name(""))
}

/// Those, and those of an `up` without `--cgroup-parent`.
pub(super) fn of_pods(part: &str) -> bool {
    part == "compose-executor" || of_this_run(part)
}

/// The groups that are meant, with all below.
pub(super) fn list(which: Which) -> Vec<String> {
    let found = all(which);
    found
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

/// Whether a process is in such a group, in any hierarchy.
pub(super) fn holds(which: Which, pid: i32) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| path.split('/').any(which))
}

/// The processes in such groups.
pub(crate) fn processes_below(which: Which) -> Vec<i32> {
    all(which)
        .iter()
        .filter_map(|folder| fs::read_to_string(folder.join("cgroup.procs")).ok())
        .flat_map(|text| {
            text.lines()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<_>>()
        })
        .collect()
}

/// Removes such groups; those with processes stay.
pub(crate) fn remove_below(which: Which) {
    let mut folders = all(which);
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    for folder in folders {
        if let Err(error) = fs::remove_dir(&folder) {
            eprintln!("{}: {error}", folder.display());
        }
    }
}

fn all(which: Which) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        find(&hierarchy, which, &mut found);
    }
    found
}

/// A folder for each hierarchy; the one folder where there is version 2 alone.
pub(crate) fn hierarchies() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mounts = table.lines().filter_map(|line| {
        let mut fields = line.split(' ').skip(1);
        let (point, kind) = (fields.next()?, fields.next()?);
        (kind.starts_with("cgroup") && point.starts_with(CGROUPS)).then(|| point.into())
    });
    mounts.collect()
}

/// The topmost groups that are meant, and what is below them.
fn find(folder: &Path, which: Which, found: &mut Vec<PathBuf>) {
    for child in folders_in(folder) {
        let name = child.file_name().unwrap_or_default().to_string_lossy();
        if which(&name) {
            walk(&child, found);
        } else {
            find(&child, which, found);
        }
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    found.push(folder.to_owned());
    for child in folders_in(folder) {
        walk(&child, found);
    }
}

/// Empty if the folder goes meanwhile.
fn folders_in(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
}
