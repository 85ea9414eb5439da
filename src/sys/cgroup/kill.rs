//! The end of every process in a cgroup and below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use super::remove::subtree;
use super::{Error, Hierarchies, Hierarchy, Version, below_root, is_within};
use crate::sys::process::PidFd;
use crate::sys::signal::Signal;

/// Between two looks; the second is twice as long as the first, and so on.
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl Hierarchies {
    /// The processes in a cgroup and below it, in any hierarchy. A cgroup that is not there has
    /// none.
    pub fn procs(&self, path: &str) -> Result<BTreeSet<u32>, Error> {
        let below = below_root(path)?;
        let mut pids = BTreeSet::new();
        for hierarchy in self.iter() {
            for directory in subtree(&hierarchy.directory(below))? {
                let procs = directory.join("cgroup.procs");
                // Gone since it was listed, or threaded: those processes are counted above it.
                let text = fs::read_to_string(procs).unwrap_or_default();
                pids.extend(text.lines().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Ok(pids)
    }

    /// Kills every process in a cgroup and below it, and waits until they are gone; at most as
    /// long as `within`.
    ///
    /// Version 2 has a file for it. With version 1 the cgroup is frozen, so that nothing can fork
    /// away, signalled and thawed, again and again until it is empty; without a freezer it is
    /// signalled alone. A process is signalled by descriptor after it was seen in the cgroup: a
    /// number that the kernel has given to someone else meanwhile is not.
    pub fn kill(&self, path: &str, within: Duration) -> Result<(), Error> {
        let below = below_root(path)?;
        if self.iter().any(|own| is_within(&own.own, path)) {
            return Err(Error::Own {
                path: path.to_owned(),
            });
        }
        let deadline = Instant::now() + within;
        let mut pause = FIRST_PAUSE;
        loop {
            if let Some(unified) = self.unified() {
                // A kernel before 5.14 has no such file; what follows does for it.
                let _ = write_existing(&unified.directory(below).join("cgroup.kill"), "1");
            }
            let pids = self.procs(path)?;
            if pids.is_empty() {
                return Ok(());
            }
            let freezer = self.freezer(below);
            if let Some(freezer) = &freezer {
                // Waiting for FROZEN would gain nothing: whoever forks until then is in the
                // cgroup too, and the next round is his.
                let _ = write_existing(&freezer.join("freezer.state"), "FROZEN");
            }
            for pid in pids.iter().chain(&self.procs(path)?) {
                self.kill_one(*pid, path);
            }
            if let Some(freezer) = &freezer {
                thaw(freezer)?;
            }
            if Instant::now() >= deadline {
                let pids = self.procs(path)?;
                if pids.is_empty() {
                    return Ok(());
                }
                return Err(Error::Survivors {
                    path: path.to_owned(),
                    pids: pids.into_iter().collect(),
                });
            }
            thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn freezer(&self, below: &str) -> Option<PathBuf> {
        let is_freezer = |hierarchy: &&Hierarchy| hierarchy.version == Version::V1;
        let freezer = self.with("freezer").filter(is_freezer)?;
        Some(freezer.directory(below))
    }

    fn kill_one(&self, pid: u32, path: &str) {
        // An error means that the process is gone, or on its way; the next look tells.
        if let Ok(process) = PidFd::open(pid)
            && self.holds(pid, path)
        {
            let _ = process.signal(Signal::KILL);
        }
    }
}

/// Thaws the cgroup and those below it: one that was frozen by itself stays so when the cgroup
/// above thaws, and a frozen process doesn't die.
fn thaw(freezer: &Path) -> Result<(), Error> {
    for directory in subtree(freezer)? {
        let _ = write_existing(&directory.join("freezer.state"), "THAWED");
    }
    Ok(())
}

fn write_existing(file: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    fs::OpenOptions::new()
        .write(true)
        .open(file)?
        .write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::fake::Host;
    use super::*;

    #[test]
    fn processes_are_found_in_all_hierarchies_and_below() {
        let host = Host::new(&[("pids", "/"), ("freezer", "/")]);
        host.write("pids", "pod/cgroup.procs", "1\n2\n");
        host.write("freezer", "pod/svc/cgroup.procs", "2\n3\n");
        let pids = host.hierarchies().procs("/pod").unwrap();
        assert_eq!(pids, BTreeSet::from([1, 2, 3]));
        assert!(host.hierarchies().procs("/none").unwrap().is_empty());
    }

    #[test]
    fn the_cgroup_of_this_process_is_not_killed() {
        let host = Host::new(&[("freezer", "/mesos/c")]);
        let error = host.hierarchies().kill("/mesos", Duration::ZERO);
        assert!(matches!(error, Err(Error::Own { .. })));
    }

    #[test]
    fn an_empty_cgroup_is_done_at_once() {
        let host = Host::new(&[("freezer", "/mesos/c"), ("", "/")]);
        host.write("freezer", "mesos/c/pod/cgroup.procs", "");
        host.write("", "mesos/c/pod/cgroup.kill", "");
        let hierarchies = host.hierarchies();
        hierarchies.kill("/mesos/c/pod", Duration::ZERO).unwrap();
        assert_eq!(host.read("", "mesos/c/pod/cgroup.kill"), "1");
    }

    #[test]
    fn a_process_that_moved_elsewhere_is_spared_and_named() {
        let host = Host::new(&[("freezer", "/")]);
        let mut bystander = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let pid = bystander.id();
        host.write("freezer", "pod/cgroup.procs", &format!("{pid}\n"));
        host.write("freezer", "pod/deep/freezer.state", "FROZEN");
        host.process(pid, "1:freezer:/elsewhere\n");
        let error = host.hierarchies().kill("/pod", Duration::ZERO).unwrap_err();
        assert!(matches!(error, Error::Survivors { pids, .. } if pids == [pid]));
        assert!(bystander.try_wait().unwrap().is_none());
        assert_eq!(host.read("freezer", "pod/deep/freezer.state"), "THAWED");
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
