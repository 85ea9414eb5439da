//! Cgroups made before a runtime nests containers in them.

use std::fs;
use std::io;
use std::path::Path;

use super::{Error, Hierarchies, Hierarchy, Limits, Version, below_root};
use crate::sys::process;

/// The controllers that containers are limited and accounted with. The others of version 2
/// (hugetlb, rdma, misc) stay off: a runtime turns on what it needs.
const CONTROLLERS: [&str; 5] = ["cpu", "cpuset", "io", "memory", "pids"];
/// How often a base is made again that others take away.
const TRIES: usize = 100;
/// Those that a pod can do without.
const OPTIONAL: [&str; 2] = ["cpuset", "io"];

impl Hierarchies {
    /// Makes a pod's cgroup and its `leaves` (full paths too) in every hierarchy, and limits it.
    ///
    /// What exists is taken as it is. After an error a part may have been made;
    /// [`Hierarchies::remove`] takes that away.
    pub fn create_pod(&self, pod: &str, leaves: &[&str], limits: &Limits) -> Result<(), Error> {
        self.create(pod)?;
        self.limit(pod, limits)?;
        leaves.iter().try_for_each(|leaf| self.create(leaf))
    }

    /// Makes a cgroup, and those it is in, in every hierarchy.
    pub fn create(&self, path: &str) -> Result<(), Error> {
        let below = below_root(path)?;
        self.iter().try_for_each(|hierarchy| {
            let mut tries = 1;
            loop {
                match create_in(hierarchy, below) {
                    // Another pod has ended, and with it the base, which was empty for a moment.
                    Err(error) if error.is_not_found() && tries < TRIES => tries += 1,
                    result => return result,
                }
            }
        })
    }

    /// Makes the next moves of processes between cgroups quick, for some 10 ms.
    ///
    /// The first move after a pause waits for the kernel's readers, some 9 ms on an idle machine;
    /// those that follow it closely take 0.2 ms. So this process is moved to where it is while
    /// there is other work to wait for. With version 2 alone there is nothing to do, which is told by
    /// false: runtimes start processes in their cgroups (`CLONE_INTO_CGROUP`).
    pub fn warm_up(&self) -> Result<bool, Error> {
        let version_1 = |hierarchy: &&Hierarchy| hierarchy.version == Version::V1;
        let Some(hierarchy) = self.with("freezer").filter(version_1) else {
            return Ok(false);
        };
        let own = hierarchy.own.trim_start_matches('/');
        // 0 is whoever writes it.
        write(&hierarchy.directory(own).join("cgroup.procs"), "0")?;
        Ok(true)
    }

    /// Whether somebody else's processes are in this process's own version 2 cgroup: those of
    /// another session. Who starts us as a program of our own gives us one.
    pub fn is_shared(&self) -> Result<bool, Error> {
        let Some(unified) = self.unified() else {
            return Ok(false);
        };
        let own = process::session(std::process::id()).map_err(Error::Session)?;
        let procs = unified
            .directory(below_root(&unified.own)?)
            .join("cgroup.procs");
        let pids = fs::read_to_string(&procs).map_err(|e| Error::file("read", &procs, e))?;
        // One that ends meanwhile is nobody's.
        let mut sessions = pids
            .lines()
            .filter_map(|pid| process::session(pid.parse().ok()?).ok());
        Ok(sessions.any(|session| session != own))
    }

    /// Moves every process of this process's own version 2 cgroup into its child `leaf`: only a
    /// cgroup without processes may hand controllers on (cgroups(7), "no internal processes").
    ///
    /// For hosts with version 2 alone; [`Hierarchies::base`] goes on telling the path from before,
    /// below which one may nest now.
    pub fn step_into_leaf(&self, leaf: &str) -> Result<(), Error> {
        let Some(unified) = self.unified() else {
            return Ok(());
        };
        let own = unified.directory(below_root(&unified.own)?);
        let target = own.join(below_root(&format!("/{leaf}"))?);
        make(&target)?;
        let procs = own.join("cgroup.procs");
        let pids = fs::read_to_string(&procs).map_err(|e| Error::file("read", &procs, e))?;
        for pid in pids.lines() {
            match fs::write(target.join("cgroup.procs"), pid) {
                // The process has ended meanwhile.
                Err(error) if error.raw_os_error() == Some(nix::libc::ESRCH) => {}
                result => result.map_err(|e| Error::file("move a process to", &target, e))?,
            }
        }
        Ok(())
    }
}

fn create_in(hierarchy: &Hierarchy, below: &str) -> Result<(), Error> {
    let mut directory = hierarchy.mount.clone();
    for segment in below.split('/') {
        if hierarchy.version == Version::V2 {
            hand_controllers_on(&directory)?;
        }
        let parent = directory.clone();
        directory.push(segment);
        make(&directory)?;
        if hierarchy.controllers.iter().any(|name| name == "cpuset") {
            inherit_cpuset(&parent, &directory)?;
        }
    }
    Ok(())
}

fn make(directory: &Path) -> Result<(), Error> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        result => result.map_err(|source| Error::file("create", directory, source)),
    }
}

/// A new cpuset of version 1 has no cpus and no memory nodes, and no process can be put into it
/// (ENOSPC) until it and all above it have some. `/mesos` itself may be such a one.
fn inherit_cpuset(parent: &Path, child: &Path) -> Result<(), Error> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        let own = fs::read_to_string(child.join(name)).unwrap_or_default();
        if own.trim().is_empty() {
            let file = parent.join(name);
            let inherited =
                fs::read_to_string(&file).map_err(|source| Error::file("read", file, source))?;
            write(&child.join(name), inherited.trim())?;
        }
    }
    Ok(())
}

/// Lets the children of a version 2 cgroup use the controllers that it has itself.
fn hand_controllers_on(directory: &Path) -> Result<(), Error> {
    let available = fs::read_to_string(directory.join("cgroup.controllers")).unwrap_or_default();
    let file = directory.join("cgroup.subtree_control");
    let handed_on = fs::read_to_string(&file).unwrap_or_default();
    let missing = available
        .split_whitespace()
        .filter(|name| CONTROLLERS.contains(name))
        .filter(|name| !handed_on.split_whitespace().any(|on| on == *name));
    // One at a time: the kernel takes all of a line or nothing.
    for name in missing {
        match write(&file, &format!("+{name}")) {
            Err(_) if OPTIONAL.contains(&name) => {}
            result => result?,
        }
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    fs::write(file, text).map_err(|source| Error::file("write", file, source))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::super::fake::Host;
    use super::*;
    use crate::sys::session;

    #[test]
    fn a_pod_is_made_in_every_hierarchy() {
        let host = Host::new(&[("pids", "/"), ("freezer", "/mesos/c"), ("", "/")]);
        let limits = Limits {
            pids: Some(40),
            ..Limits::default()
        };
        host.hierarchies()
            .create_pod("/mesos/c/pod-1", &["/mesos/c/pod-1/shim"], &limits)
            .unwrap();
        for controllers in ["pids", "freezer", ""] {
            assert!(host.path(controllers, "/mesos/c/pod-1/shim").is_dir());
        }
        assert_eq!(host.read("pids", "/mesos/c/pod-1/pids.max"), "40");
    }

    #[test]
    fn a_cpuset_is_filled_from_the_top_down() {
        let host = Host::new(&[("cpuset", "/")]);
        host.write("cpuset", "cpuset.cpus", "0-3\n");
        host.write("cpuset", "cpuset.mems", "0\n");
        host.write("cpuset", "mesos/cpuset.cpus", "1-2\n");
        host.hierarchies().create("/mesos/c/pod-1").unwrap();
        assert_eq!(host.read("cpuset", "mesos/cpuset.mems"), "0");
        assert_eq!(host.read("cpuset", "mesos/c/pod-1/cpuset.cpus"), "1-2");
        assert_eq!(host.read("cpuset", "mesos/c/pod-1/cpuset.mems"), "0");
    }

    #[test]
    fn version_2_hands_the_missing_controllers_on() {
        let host = Host::new(&[("", "/")]);
        host.write("", "cgroup.controllers", "cpu memory hugetlb\n");
        host.write("", "cgroup.subtree_control", "cpu\n");
        host.hierarchies().create("/pods").unwrap();
        assert_eq!(host.read("", "cgroup.subtree_control"), "+memory");
    }

    #[test]
    fn own_processes_step_into_a_leaf() {
        let host = Host::new(&[("", "/session")]);
        host.write("", "session/cgroup.procs", "12\n");
        host.hierarchies().step_into_leaf("executor").unwrap();
        assert_eq!(host.read("", "session/executor/cgroup.procs"), "12");
    }

    #[test]
    fn a_cgroup_is_shared_with_processes_of_other_sessions() {
        let host = Host::new(&[("", "/session")]);
        let own = std::process::id();
        host.write("", "session/cgroup.procs", &format!("{own}\n"));
        assert!(!host.hierarchies().is_shared().unwrap());
        let mut other = Command::new("cat");
        other.stdin(Stdio::piped()).stdout(Stdio::null());
        session::of_its_own(&mut other);
        let mut other = other.spawn().unwrap();
        host.write(
            "",
            "session/cgroup.procs",
            &format!("{own}\n{}\n", other.id()),
        );
        assert!(host.hierarchies().is_shared().unwrap());
        drop(other.stdin.take());
        other.wait().unwrap();
    }

    #[test]
    fn a_warm_up_moves_this_process_to_where_it_is() {
        let host = Host::new(&[("memory", "/"), ("freezer", "/mesos/c")]);
        host.write("freezer", "mesos/c/cgroup.procs", "");
        host.hierarchies().warm_up().unwrap();
        assert_eq!(host.read("freezer", "mesos/c/cgroup.procs"), "0");
    }

    #[test]
    fn a_path_that_climbs_makes_nothing() {
        let host = Host::new(&[("pids", "/")]);
        assert!(host.hierarchies().create("/a/../b").is_err());
        assert!(!host.path("pids", "/a").exists());
    }
}
