//! L12 and L16: namespaces, interfaces, packet filter rules, listening ports.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use procfs::net::{TcpNetEntry, TcpState};
use procfs::process::{FDTarget, Process, all_processes};

use super::cgroups::{self, Which};

/// What was made of the host's network.
pub(super) fn left() -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["/run/netns", "/sys/class/net"] {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        found.extend(entries.map(|entry| entry.path().display().to_string()));
    }
    for program in ["iptables-save", "ip6tables-save"] {
        // A host without the program has no such rules that anybody could have made.
        let Ok(output) = Command::new(program).output() else {
            continue;
        };
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        found.extend(rules(&text).map(|rule| format!("{program}: {rule}")));
    }
    found
}

/// Rules and chains, without the counters that change by themselves and without what is always
/// there once somebody has looked.
pub(crate) fn rules(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| match line.strip_prefix(':') {
            Some(chain) => chain.split_once(" -").map(|(name, _)| name),
            None => line.starts_with("-A").then_some(line),
        })
}

/// Ports that a process listens on which is ours: in our control groups, told our folder, or us.
pub(super) fn listening(which: Which, folder: Option<&Path>) -> Vec<String> {
    let sockets: BTreeSet<_> = all_processes()
        .expect("/proc can be read")
        .flatten()
        .filter(|process| is_ours(process, which, folder))
        .flat_map(|process| sockets_of(&process))
        .collect();
    let entries = procfs::net::tcp()
        .into_iter()
        .chain(procfs::net::tcp6())
        .flatten();
    entries
        .filter(|entry: &TcpNetEntry| entry.state == TcpState::Listen)
        .filter(|entry| sockets.contains(&entry.inode))
        .map(|entry| entry.local_address.to_string())
        .collect()
}

fn is_ours(process: &Process, which: Which, folder: Option<&Path>) -> bool {
    let told = |folder: &Path| {
        let line = process.cmdline().unwrap_or_default().join(" ");
        line.contains(&folder.display().to_string())
    };
    process.pid == Process::myself().map_or(0, |me| me.pid)
        || cgroups::holds(which, process.pid)
        || folder.is_some_and(told)
}

fn sockets_of(process: &Process) -> Vec<u64> {
    let descriptors = process.fd().into_iter().flatten().flatten();
    descriptors
        .filter_map(|descriptor| match descriptor.target {
            FDTarget::Socket(inode) => Some(inode),
            _ => None,
        })
        .collect()
}
