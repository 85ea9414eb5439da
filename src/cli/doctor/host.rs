//! What the host itself has: the user, the kernel, control groups, our folders.

use super::Check;
use crate::cli::host_flags::HostFlags;
use crate::executor::{trust, with_causes};
use crate::journal::{Folders, PodLock};
use crate::sys::cgroup::{Hierarchies, Hierarchy, Version};
use crate::sys::features::{self, Feature};
use crate::sys::host;

/// The controllers that pods are limited, accounted and killed with.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

pub(super) fn checks(flags: &HostFlags) -> Vec<Check> {
    let folders = flags.folders();
    vec![
        user(),
        kernel(),
        cgroups(),
        folder("root", folders.root()),
        folder("state", folders.state()),
        leftovers(&folders),
    ]
}

fn user() -> Check {
    if host::is_root() {
        Check::good("user", "root")
    } else {
        Check::bad("user", format!("user {}, not root", host::effective_user()))
            .remedy("run pods as root; under Mesos, set the task's user to root")
    }
}

fn kernel() -> Check {
    let release = host::kernel_release().unwrap_or_default();
    let missing: Vec<_> = features::NEEDED
        .iter()
        .filter(|feature| !feature.is_there())
        .map(|Feature { name, since, .. }| format!("{name} (Linux {since})"))
        .collect();
    if missing.is_empty() {
        return Check::good("kernel", release);
    }
    Check::bad("kernel", format!("{release} lacks {}", missing.join(", ")))
        .remedy("use a newer kernel; where it is new enough, a seccomp filter is in the way")
}

fn cgroups() -> Check {
    match Hierarchies::of_this_process() {
        Ok(hierarchies) => of_hierarchies(&hierarchies),
        Err(error) => Check::bad("cgroups", with_causes(&error))
            .remedy("mount them at /sys/fs/cgroup, whole: in a container they can't be used"),
    }
}

fn of_hierarchies(hierarchies: &Hierarchies) -> Check {
    let unified = hierarchies.unified_controllers();
    let in_unified = |controller: &str| unified.split_whitespace().any(|name| name == controller);
    let is_there = |controller: &&&str| {
        hierarchies
            .with(controller)
            .is_some_and(|it| it.version == Version::V1 || in_unified(controller))
    };
    let missing: Vec<_> = CONTROLLERS
        .iter()
        .filter(|controller| !is_there(controller))
        .copied()
        .collect();
    let found = if hierarchies.is_v2_only() {
        format!("version 2: {unified}")
    } else {
        let names: Vec<_> = hierarchies
            .iter()
            .filter(|hierarchy| hierarchy.version == Version::V1)
            .map(Hierarchy::name)
            .collect();
        format!("version 1: {}", names.join(" "))
    };
    if missing.is_empty() {
        return Check::good("cgroups", found);
    }
    let lacking = format!("{found}; without {}", missing.join(", "));
    Check::poor("cgroups", lacking).remedy("limits on what is missing don't bind: mount it")
}

fn folder(name: &'static str, path: &std::path::Path) -> Check {
    match trust::folder(path) {
        Ok(()) => Check::good(name, path.display().to_string()),
        Err(error) => Check::bad(name, with_causes(&error)).remedy(format!(
            "make it root's, below folders that only root can write; or name another with --{name}"
        )),
    }
}

/// Pods whose owner died.
fn leftovers(folders: &Folders) -> Check {
    let recorded = match folders.recorded() {
        Ok(recorded) => recorded,
        Err(error) => return Check::poor("pods", with_causes(&error)),
    };
    let is_dead = |lock: &std::path::Path| PodLock::is_held(lock).is_ok_and(|held| !held);
    let dead = recorded
        .iter()
        .filter(|pod| is_dead(&folders.lock(pod)))
        .count();
    let live = recorded.len() - dead;
    if dead == 0 {
        return Check::good("pods", format!("{live} live"));
    }
    Check::poor("pods", format!("{live} live, {dead} dead"))
        .remedy("take away what the dead have left: compose-executor cleanup")
}
