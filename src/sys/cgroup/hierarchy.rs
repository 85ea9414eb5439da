//! Which hierarchies the host has, where they are mounted, and where this process is in each.

use std::fs::{self, File};
use std::io::BufReader;
use std::path::{Path, PathBuf};

use procfs::FromBufRead;
use procfs::ProcessCGroups;

use super::{Error, below_root, is_within};
use crate::sys::mount;

/// The interface a hierarchy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    V1,
    V2,
}

/// One mounted hierarchy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hierarchy {
    pub version: Version,
    /// As in /proc/self/cgroup: `cpu`, `name=systemd`. Empty for version 2, whose controllers
    /// differ from cgroup to cgroup.
    pub controllers: Vec<String>,
    pub mount: PathBuf,
    /// This process's cgroup in it, absolute within the hierarchy.
    pub own: String,
}

impl Hierarchy {
    /// `cpu,cpuacct`, `name=systemd`, `unified`: for records and messages.
    pub fn name(&self) -> String {
        match self.version {
            Version::V1 => self.controllers.join(","),
            Version::V2 => "unified".to_owned(),
        }
    }

    fn has(&self, controller: &str) -> bool {
        self.controllers.iter().any(|name| name == controller)
    }

    /// The directory of a cgroup; of a path that [`below_root`] has let pass.
    pub(super) fn directory(&self, below_root: &str) -> PathBuf {
        self.mount.join(below_root)
    }
}

/// Every hierarchy of the host. Reads once; a hierarchy that is mounted later isn't in it.
#[derive(Clone, Debug)]
pub struct Hierarchies {
    proc: PathBuf,
    hierarchies: Vec<Hierarchy>,
}

impl Hierarchies {
    /// Those this process sees in /proc.
    pub fn of_this_process() -> Result<Self, Error> {
        Self::read(Path::new("/proc"))
    }

    /// As [`Self::of_this_process`], with another folder in the place of /proc.
    ///
    /// A hierarchy counts if it is mounted whole: a mount that shows a part only (as in a
    /// container) would have another path for the same cgroup than the runtime has.
    pub fn read(proc: &Path) -> Result<Self, Error> {
        let mounts = mount::read_mountinfo(&proc.join("self/mountinfo"))?;
        let whole: Vec<_> = mounts
            .iter()
            .filter(|mount| mount.root == Path::new("/"))
            .collect();
        let mut hierarchies = Vec::new();
        for own in membership(&proc.join("self/cgroup"))? {
            let (version, mount) = if own.hierarchy == 0 {
                let mount = whole.iter().find(|mount| mount.kind == "cgroup2");
                (Version::V2, mount)
            } else {
                let carries = |options: &str| {
                    let mut options = options.split(',');
                    own.controllers
                        .first()
                        .is_some_and(|first| options.any(|option| option == first))
                };
                let mount = whole
                    .iter()
                    .find(|mount| mount.kind == "cgroup" && carries(&mount.super_options));
                (Version::V1, mount)
            };
            if let Some(mount) = mount {
                hierarchies.push(Hierarchy {
                    version,
                    controllers: own.controllers,
                    mount: mount.point.clone(),
                    own: own.pathname,
                });
            }
        }
        if hierarchies.is_empty() {
            return Err(Error::NoHierarchy);
        }
        Ok(Self {
            proc: proc.to_owned(),
            hierarchies,
        })
    }

    pub fn iter(&self) -> impl Iterator<Item = &Hierarchy> {
        self.hierarchies.iter()
    }

    /// Whether all controllers are in version 2.
    pub fn is_v2_only(&self) -> bool {
        self.iter()
            .all(|hierarchy| hierarchy.version == Version::V2)
    }

    /// The hierarchy of version 2, alone or beside those of version 1.
    pub fn unified(&self) -> Option<&Hierarchy> {
        self.iter()
            .find(|hierarchy| hierarchy.version == Version::V2)
    }

    /// The hierarchy that has a controller: version 1's if one is mounted, else version 2.
    pub fn with(&self, controller: &str) -> Option<&Hierarchy> {
        self.iter()
            .find(|hierarchy| hierarchy.has(controller))
            .or_else(|| self.unified().filter(|_| self.is_v2_only()))
    }

    /// The path below which this process may nest: its freezer cgroup, which Mesos' launcher
    /// always makes, or its only one with version 2. None at the root: nobody made it one.
    pub fn base(&self) -> Option<&str> {
        let hierarchy = self.with("freezer")?;
        (hierarchy.own != "/").then_some(hierarchy.own.as_str())
    }

    /// The hierarchies whose cgroup at `base` belongs to whoever started this process (Mesos):
    /// those where it is in just that one. In the others directories below are ours to make, and
    /// ours to remove.
    pub fn owned_by_launcher(&self, base: &str) -> Vec<String> {
        self.iter()
            .filter(|hierarchy| hierarchy.own == base)
            .map(Hierarchy::name)
            .collect()
    }

    /// Whether a cgroup is there in one of the hierarchies of these names.
    pub fn is_in(&self, path: &str, names: &[String]) -> Result<bool, Error> {
        let below = below_root(path)?;
        Ok(self
            .iter()
            .filter(|hierarchy| names.contains(&hierarchy.name()))
            .any(|hierarchy| hierarchy.directory(below).exists()))
    }

    /// The controllers that version 2 offers at its root, as the kernel writes them. Empty
    /// without version 2.
    pub fn unified_controllers(&self) -> String {
        self.unified()
            .and_then(|unified| fs::read_to_string(unified.mount.join("cgroup.controllers")).ok())
            .map(|text| text.trim().to_owned())
            .unwrap_or_default()
    }

    /// Checks that a process is in the cgroup `expected`, or below it, in every hierarchy.
    ///
    /// A runtime was told a path; this tells whether it went there.
    pub fn verify(&self, pid: u32, expected: &str) -> Result<(), Error> {
        below_root(expected)?;
        let memberships = membership(&self.proc.join(format!("{pid}/cgroup")))?;
        for hierarchy in &self.hierarchies {
            let actual = memberships
                .iter()
                .find(|own| own.controllers == hierarchy.controllers)
                .map_or("/", |own| own.pathname.as_str());
            if !is_within(actual, expected) {
                return Err(Error::Elsewhere {
                    pid,
                    hierarchy: hierarchy.name(),
                    expected: expected.to_owned(),
                    actual: actual.to_owned(),
                });
            }
        }
        Ok(())
    }

    /// Whether a process is within `path` in any hierarchy. False when it is gone.
    pub(in crate::sys) fn holds(&self, pid: u32, path: &str) -> bool {
        membership(&self.proc.join(format!("{pid}/cgroup")))
            .is_ok_and(|memberships| memberships.iter().any(|own| is_within(&own.pathname, path)))
    }
}

fn membership(path: &Path) -> Result<Vec<procfs::ProcessCGroup>, Error> {
    let file = File::open(path).map_err(|source| Error::file("read", path, source))?;
    let parsed = ProcessCGroups::from_buf_read(BufReader::new(file));
    let memberships = parsed.map_err(|source| Error::Parse {
        path: path.to_owned(),
        source,
    })?;
    Ok(memberships.0)
}

#[cfg(test)]
mod tests {
    use super::super::fake::Host;
    use super::*;

    /// An agent that isolates cpu and memory only, as seen on a real one.
    fn mesos() -> Host {
        Host::new(&[
            ("name=systemd", "/"),
            ("pids", "/"),
            ("freezer", "/mesos/c1"),
            ("cpu,cpuacct", "/mesos/c1"),
            ("memory", "/mesos/c1"),
            ("", "/"),
        ])
    }

    #[test]
    fn the_freezer_tells_the_base() {
        let hierarchies = mesos().hierarchies();
        assert_eq!(hierarchies.base(), Some("/mesos/c1"));
        assert_eq!(
            hierarchies.owned_by_launcher("/mesos/c1"),
            ["freezer", "cpu,cpuacct", "memory"]
        );
        assert!(!hierarchies.is_v2_only());
    }

    #[test]
    fn a_cgroup_is_looked_for_where_one_asks() {
        let host = mesos();
        let hierarchies = host.hierarchies();
        host.write("memory", "mesos/c1/cgroup.procs", "");
        let names = |names: [&str; 2]| names.map(str::to_owned);
        let found = hierarchies.is_in("/mesos/c1", &names(["pids", "memory"]));
        assert!(found.unwrap());
        let found = hierarchies.is_in("/mesos/c1", &names(["pids", "freezer"]));
        assert!(!found.unwrap());
    }

    #[test]
    fn a_process_at_the_root_has_no_base() {
        assert_eq!(Host::new(&[("freezer", "/")]).hierarchies().base(), None);
    }

    #[test]
    fn with_version_2_alone_its_path_is_the_base() {
        let host = Host::new(&[("", "/user.slice")]);
        host.write("", "cgroup.controllers", "cpu memory pids\n");
        let hierarchies = host.hierarchies();
        assert_eq!(hierarchies.base(), Some("/user.slice"));
        assert!(hierarchies.is_v2_only());
        assert_eq!(hierarchies.with("memory").unwrap().name(), "unified");
        assert_eq!(hierarchies.unified_controllers(), "cpu memory pids");
    }

    #[test]
    fn a_controller_of_a_hybrid_host_is_in_version_1() {
        let hierarchies = mesos().hierarchies();
        assert_eq!(hierarchies.with("cpuacct").unwrap().name(), "cpu,cpuacct");
        assert!(hierarchies.with("hugetlb").is_none());
    }

    #[test]
    fn a_process_that_is_elsewhere_in_one_hierarchy_is_found_out() {
        let host = Host::new(&[("pids", "/"), ("memory", "/")]);
        host.process(7, "2:pids:/esc/x\n1:memory:/pod/svc\n");
        host.process(8, "2:pids:/pod/svc/deep\n1:memory:/pod/svc\n");
        let hierarchies = host.hierarchies();
        hierarchies.verify(8, "/pod/svc").unwrap();
        let error = hierarchies.verify(7, "/pod/svc").unwrap_err();
        assert_eq!(
            error.to_string(),
            "process 7 is in cgroup /esc/x of the hierarchy pids, not below /pod/svc"
        );
    }

    #[test]
    fn a_mount_of_a_part_is_not_taken() {
        let host = Host::new(&[("pids", "/")]);
        let mountinfo = host.root.path().join("proc/self/mountinfo");
        let text = fs::read_to_string(&mountinfo).unwrap();
        fs::write(&mountinfo, text.replace(" / ", " /docker/1 ")).unwrap();
        let error = Hierarchies::read(&host.root.path().join("proc")).unwrap_err();
        assert!(matches!(error, Error::NoHierarchy));
    }
}
