//! L14: control groups, in every hierarchy.

use std::fs;
use std::path::{Path, PathBuf};

use crate::lab::host::CGROUPS;

/// The groups that have one of these names somewhere in their path.
pub(super) fn named(names: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in tops(names) {
        walk(&folder, &mut found);
    }
    found
        .iter()
        .map(|path| path.display().to_string())
        .collect()
}

/// Whether a process is in such a group, in any hierarchy.
pub(super) fn holds(names: &[String], pid: i32) -> bool {
    let table = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
    table
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| {
            path.split('/')
                .any(|part| names.iter().any(|name| name == part))
        })
}

/// The processes in such groups.
pub(crate) fn processes_below(names: &[String]) -> Vec<i32> {
    let mut folders = Vec::new();
    for folder in tops(names) {
        walk(&folder, &mut folders);
    }
    folders
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
pub(crate) fn remove_below(names: &[String]) {
    let mut folders = Vec::new();
    for folder in tops(names) {
        walk(&folder, &mut folders);
    }
    folders.sort_by_key(|folder| std::cmp::Reverse(folder.components().count()));
    for folder in folders {
        if let Err(error) = fs::remove_dir(&folder) {
            eprintln!("{}: {error}", folder.display());
        }
    }
}

/// Where a path first has one of the names.
fn tops(names: &[String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for hierarchy in hierarchies() {
        find(&hierarchy, names, &mut found);
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

fn find(folder: &Path, names: &[String], found: &mut Vec<PathBuf>) {
    for child in folders_in(folder) {
        let name = child.file_name().unwrap_or_default();
        if names.iter().any(|wanted| name == wanted.as_str()) {
            found.push(child);
        } else {
            find(&child, names, found);
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
