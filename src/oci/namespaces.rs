//! `linux.namespaces`: the pause container makes the pod's, the others join them.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{LinuxNamespace, LinuxNamespaceType, Spec};

use super::host::HostFacts;
use crate::pod::plan::{IpcPlan, NamespacesPlan, NetworkPlan, Sharing};

/// The pause container's first process, whose namespaces the others join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PauseRef {
    /// It does not run yet. The documents are complete but for its pid.
    Unknown,
    Pid(u32),
}

/// Stands in a document until [`join`] replaces it; no runtime would find a namespace there.
const UNKNOWN: &str = "/proc/PAUSE/ns";

impl PauseRef {
    fn path(self, namespace: &str) -> PathBuf {
        match self {
            Self::Unknown => format!("{UNKNOWN}/{namespace}").into(),
            Self::Pid(pid) => format!("/proc/{pid}/ns/{namespace}").into(),
        }
    }
}

/// Puts the pid of the pause container, which now runs, into a service's document. To be done last,
/// once: a document that has its pid is left as it is.
pub fn join(spec: &mut Spec, pause: u32) {
    let namespaces = spec
        .linux_mut()
        .as_mut()
        .and_then(|linux| linux.namespaces_mut().as_mut());
    for namespace in namespaces.into_iter().flatten() {
        let name = namespace
            .path()
            .as_ref()
            .and_then(|path| path.strip_prefix(UNKNOWN).ok())
            .and_then(Path::to_str)
            .map(str::to_owned);
        if let Some(name) = name {
            namespace.set_path(Some(PauseRef::Pid(pause).path(&name)));
        }
    }
}

/// The pod's: new ones, but for the network's, which outlives the container.
pub(super) fn of_pause(network: &NetworkPlan, host: &HostFacts) -> Vec<LinuxNamespace> {
    let mut namespaces = vec![
        new(LinuxNamespaceType::Mount),
        new(LinuxNamespaceType::Pid),
        new(LinuxNamespaceType::Ipc),
        new(LinuxNamespaceType::Uts),
    ];
    namespaces.extend(pods_network(network));
    namespaces.extend(own_cgroup(host));
    namespaces
}

/// A service's: mounts and host name of its own, the rest as its plan says. A namespace that is not
/// named is the host's.
pub(super) fn of_service(
    pause: PauseRef,
    network: &NetworkPlan,
    plan: &NamespacesPlan,
    host: &HostFacts,
) -> Vec<LinuxNamespace> {
    let of = |typ, sharing, name: &str| match sharing {
        Sharing::Pod => Some(joined(typ, &pause.path(name))),
        Sharing::Own => Some(new(typ)),
        Sharing::Host => None,
    };
    let ipc = match plan.ipc {
        IpcPlan::Pod => Sharing::Pod,
        IpcPlan::Own { .. } | IpcPlan::OwnWithoutShm => Sharing::Own,
        IpcPlan::Host => Sharing::Host,
    };
    let mut namespaces = vec![new(LinuxNamespaceType::Mount), new(LinuxNamespaceType::Uts)];
    namespaces.extend(of(LinuxNamespaceType::Pid, plan.pid, "pid"));
    namespaces.extend(of(LinuxNamespaceType::Ipc, ipc, "ipc"));
    namespaces.extend(match plan.network {
        Sharing::Pod => pods_network(network),
        Sharing::Own => Some(new(LinuxNamespaceType::Network)),
        Sharing::Host => None,
    });
    if plan.cgroup != Sharing::Host {
        namespaces.extend(own_cgroup(host));
    }
    namespaces
}

/// The pod's, unless that is the host's.
fn pods_network(network: &NetworkPlan) -> Option<LinuxNamespace> {
    let path = network.netns()?;
    Some(joined(LinuxNamespaceType::Network, path))
}

/// Without it /proc/self/cgroup and the cgroup mount would show the agent's tree.
fn own_cgroup(host: &HostFacts) -> Option<LinuxNamespace> {
    host.cgroup_namespace
        .then(|| new(LinuxNamespaceType::Cgroup))
}

fn new(typ: LinuxNamespaceType) -> LinuxNamespace {
    let mut namespace = LinuxNamespace::default();
    namespace.set_typ(typ);
    namespace
}

fn joined(typ: LinuxNamespaceType, path: &Path) -> LinuxNamespace {
    let mut namespace = new(typ);
    namespace.set_path(Some(path.to_owned()));
    namespace
}

#[cfg(test)]
mod tests {
    use super::super::base::BaseSpecs;
    use super::super::fixture::Fixture;
    use super::super::spec::{ContainerInput, container_spec};
    use super::*;

    fn lines(namespaces: &[LinuxNamespace]) -> Vec<String> {
        let line = |namespace: &LinuxNamespace| match namespace.path() {
            Some(path) => format!("{} {}", namespace.typ(), path.display()),
            None => namespace.typ().to_string(),
        };
        namespaces.iter().map(line).collect()
    }

    fn service(spec: &Spec) -> Vec<String> {
        let linux = spec.linux().as_ref().unwrap();
        lines(linux.namespaces().as_ref().unwrap())
    }

    #[test]
    fn a_service_joins_pause_once_its_pid_is_known() {
        let fixture = Fixture::new();
        let base = BaseSpecs::embedded();
        let mut spec = container_spec(&base, &fixture.host, &fixture.input()).unwrap();
        assert_eq!(
            service(&spec),
            [
                "mnt",
                "uts",
                "pid /proc/PAUSE/ns/pid",
                "ipc /proc/PAUSE/ns/ipc",
                "net /run/netns/pod",
                "cgroup"
            ]
        );
        for _ in 0..2 {
            join(&mut spec, 4711);
            assert_eq!(
                service(&spec),
                [
                    "mnt",
                    "uts",
                    "pid /proc/4711/ns/pid",
                    "ipc /proc/4711/ns/ipc",
                    "net /run/netns/pod",
                    "cgroup"
                ]
            );
        }
        let known = ContainerInput {
            pause: PauseRef::Pid(4711),
            ..fixture.input()
        };
        assert_eq!(container_spec(&base, &fixture.host, &known).unwrap(), spec);
    }

    #[test]
    fn a_service_can_keep_to_itself_or_be_the_hosts() {
        let host = Fixture::new().host;
        let network = NetworkPlan::Own {
            netns: "/run/netns/pod".into(),
        };
        let of =
            |plan: NamespacesPlan| lines(&of_service(PauseRef::Pid(7), &network, &plan, &host));
        let alone = NamespacesPlan {
            pid: Sharing::Own,
            ipc: IpcPlan::OwnWithoutShm,
            network: Sharing::Own,
            cgroup: Sharing::Own,
        };
        assert_eq!(of(alone), ["mnt", "uts", "pid", "ipc", "net", "cgroup"]);
        let open = NamespacesPlan {
            pid: Sharing::Host,
            ipc: IpcPlan::Host,
            network: Sharing::Pod,
            cgroup: Sharing::Host,
        };
        assert_eq!(of(open), ["mnt", "uts", "net /run/netns/pod"]);
    }

    #[test]
    fn pause_makes_what_the_others_join() {
        let mut host = Fixture::new().host;
        let netns = "/proc/9/ns/net".into();
        let network = NetworkPlan::Executor { netns };
        assert_eq!(
            lines(&of_pause(&network, &host)),
            ["mnt", "pid", "ipc", "uts", "net /proc/9/ns/net", "cgroup"]
        );
        host.cgroup_namespace = false;
        assert_eq!(
            lines(&of_pause(&NetworkPlan::Host, &host)),
            ["mnt", "pid", "ipc", "uts"]
        );
    }
}
