//! L1 and L2: processes.

use std::path::Path;
use std::process;

use procfs::process::{Process, all_processes};

use super::cgroups::{self, Which};

/// Processes below our control groups, and those whose command line names our folder, but for
/// the lab's own.
pub(super) fn ours(which: Which, folder: Option<&Path>) -> Vec<String> {
    let folder = folder.map(|path| path.display().to_string());
    every()
        .filter(|process| {
            cgroups::holds(which, process.pid)
                || folder
                    .as_ref()
                    .is_some_and(|folder| is_program(process, folder))
        })
        .map(|process| describe(&process))
        .collect()
}

/// Process ids of those whose command line has all these words.
pub(crate) fn with_words(words: &[&str]) -> Vec<i32> {
    every()
        .filter(|process| has_words(process, words))
        .map(|process| process.pid)
        .collect()
}

/// The same, in words.
pub(super) fn described(words: &[&str]) -> Vec<String> {
    every()
        .filter(|process| has_words(process, words))
        .map(|process| describe(&process))
        .collect()
}

/// A process that was told our folder, but is neither a shim (a kind of its own) nor the lab's
/// containerd, nor a `ctr` of a question being asked.
fn is_program(process: &Process, folder: &str) -> bool {
    const OTHERS: [&str; 2] = ["containerd-shim", "ctr"];
    const OF_THE_LAB: &str = "/containerd/config.toml";
    let Ok(words) = process.cmdline() else {
        return false;
    };
    let name = words
        .first()
        .map(|word| word.rsplit('/').next().unwrap_or(word));
    let told = words.iter().any(|word| word.contains(folder));
    match name {
        Some("containerd") => told && !words.contains(&format!("{folder}{OF_THE_LAB}")),
        Some(name) => told && !OTHERS.iter().any(|other| name.starts_with(other)),
        None => false,
    }
}

fn has_words(process: &Process, words: &[&str]) -> bool {
    let line = process.cmdline().unwrap_or_default().join(" ");
    words.iter().all(|word| line.contains(word))
}

/// With its start time, which no two processes of one id share.
fn describe(process: &Process) -> String {
    let born = process.stat().map_or(0, |stat| stat.starttime);
    let line = process.cmdline().unwrap_or_default().join(" ");
    format!("{} (born {born}) {line}", process.pid)
}

/// All but ourselves. One that ends meanwhile is none.
fn every() -> impl Iterator<Item = Process> {
    let me = i32::try_from(process::id()).expect("a process id is small");
    all_processes()
        .expect("/proc can be read")
        .flatten()
        .filter(move |process| process.pid != me)
}
