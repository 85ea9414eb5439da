//! What the tests need of the machine, and what to do where it is not there.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Uid;

use crate::image_archive::busybox;

/// A program that the tests call, and the Debian package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("containerd", "containerd"),
    ("containerd-shim-runc-v2", "containerd"),
    ("ctr", "containerd"),
    ("runc", "runc"),
    ("ip", "iproute2"),
    ("setpriv", "util-linux"),
];

/// Where control groups of version 1 are mounted, a folder for each hierarchy.
pub(crate) const CGROUPS: &str = "/sys/fs/cgroup";

/// Says what is missing, a line each, with the remedy.
pub(crate) fn check() -> Result<(), String> {
    let mut missing = Vec::new();
    if !Uid::effective().is_root() {
        missing.push("not root: the tests run containers; use sudo, or make test as root".into());
    }
    for (program, package) in PROGRAMS {
        if find(program).is_none() {
            missing.push(format!(
                "no {program}: apt-get install {package}, or `make tools`"
            ));
        }
    }
    if busybox().is_none() {
        missing.push("no static busybox: apt-get install busybox-static, or `make tools`".into());
    }
    if !without_mesos() && find("python3").is_none() {
        missing.push("no python3: apt-get install python3, or `make tools`".into());
    }
    if cgroup_v1() && !without_mesos() && !mesos_lab().join("libexec/mesos-host").exists() {
        let lab = mesos_lab();
        missing.push(format!(
            "no Mesos in {}: `make lab` makes it",
            lab.display()
        ));
    }
    if missing.is_empty() {
        return Ok(());
    }
    Err(missing.join("\n"))
}

/// Where the Mesos lab is: `MESOS_LAB`, or `lab` in the repository.
pub(crate) fn mesos_lab() -> PathBuf {
    std::env::var_os("MESOS_LAB").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("lab"),
        PathBuf::from,
    )
}

/// Whether the tests that need a Mesos are left out: `WITHOUT_MESOS=1`, as integration/cgroup2/run
/// has it on hosts where Mesos 1.11 can't run.
pub(crate) fn without_mesos() -> bool {
    std::env::var_os("WITHOUT_MESOS").is_some_and(|value| !value.is_empty())
}

/// Whether the hierarchies are there that Mesos 1.11 needs.
pub(crate) fn cgroup_v1() -> bool {
    ["freezer", "cpu", "memory"].iter().all(|controller| {
        Path::new(CGROUPS)
            .join(controller)
            .join("cgroup.procs")
            .exists()
    })
}

/// What to tell somebody whose host has version 2 alone.
pub(crate) const NEEDS_V1: &str = "Mesos 1.11 needs control groups of version 1, and this host \
    has version 2 alone: boot it with systemd.unified_cgroup_hierarchy=0";

/// The program's place on PATH, or where Debian keeps what only root calls.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|file| fs::metadata(file).is_ok_and(|found| found.is_file()))
}
