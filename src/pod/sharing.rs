//! Whose namespaces a service is in.
//!
//! A pod shares its network, IPC and PID namespaces. A service can keep out of each (`network_mode:
//! none`, `ipc: private`, `x-pod: {share_pid: false}`), and, if the operator lets it, be in the
//! host's.

use super::plan::NetworkPlan;
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{ByteSize, NamespaceMode, NetworkMode, Project, Service};

/// A container's namespaces, beside those of mounts and host name, which are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamespacesPlan {
    pub pid: Sharing,
    pub ipc: IpcPlan,
    /// The pod's may be the host's; then there is no other.
    pub network: Sharing,
    /// Never the pod's.
    pub cgroup: Sharing,
}

/// Whose a namespace is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    Pod,
    Own,
    Host,
}

/// Whose IPC namespace it is, and with it /dev/shm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IpcPlan {
    Pod,
    Own { shm_size: ByteSize },
    OwnWithoutShm,
    Host,
}

impl Default for NamespacesPlan {
    fn default() -> Self {
        Self {
            pid: Sharing::Pod,
            ipc: IpcPlan::Pod,
            network: Sharing::Pod,
            cgroup: Sharing::Own,
        }
    }
}

/// The network that the file asks for: the host's, if all services do.
pub(super) fn network(project: &Project, given: &NetworkPlan) -> NetworkPlan {
    let host = |service: &Service| {
        let mode = service.network_mode.as_ref();
        mode.is_some_and(|mode| mode.value == NetworkMode::Host)
    };
    if project.services.iter().all(host) {
        NetworkPlan::Host
    } else {
        given.clone()
    }
}

/// The namespaces of a service.
pub(super) fn of(
    project: &Project,
    service: &Service,
    network: &NetworkPlan,
    found: &mut Vec<Diagnostic>,
) -> NamespacesPlan {
    NamespacesPlan {
        pid: pid(project, service, found),
        ipc: ipc(project, service, found),
        network: network_of(service, network, found),
        cgroup: cgroup(service, found),
    }
}

fn network_of(service: &Service, network: &NetworkPlan, found: &mut Vec<Diagnostic>) -> Sharing {
    let Some(mode) = &service.network_mode else {
        return Sharing::Pod;
    };
    let mut say = |key: &str| found.extend(verdict::of_service(service, key, mode.span));
    match &mode.value {
        // What a pod is already: all services in one network.
        NetworkMode::Bridge | NetworkMode::Service(_) => {}
        NetworkMode::None => {
            say("network_mode: none");
            return Sharing::Own;
        }
        NetworkMode::Host => {
            if *network != NetworkPlan::Host {
                say("network_mode: host for some");
            }
        }
        NetworkMode::Container(_) => say("network_mode: container"),
        NetworkMode::Other(_) => say("network_mode: any other"),
    }
    Sharing::Pod
}

/// Whether a service shares the pod's PID namespace, by `x-pod`: its own word, then the pod's.
fn shares_pid(project: &Project, service: &Service) -> bool {
    let own = service.pod.share_pid.as_ref();
    own.or(project.pod.share_pid.as_ref())
        .is_none_or(|share| share.value)
}

fn pid(project: &Project, service: &Service, found: &mut Vec<Diagnostic>) -> Sharing {
    let shared = if shares_pid(project, service) {
        Sharing::Pod
    } else {
        Sharing::Own
    };
    let Some(mode) = &service.pid else {
        return shared;
    };
    match &mode.value {
        NamespaceMode::Host => return Sharing::Host,
        NamespaceMode::Service(other) => {
            let other_shares = project
                .service(other)
                .is_some_and(|other| shares_pid(project, other));
            if shared != Sharing::Pod || !other_shares {
                let text = format!(
                    "services.{}.pid: {other} shares its processes with nobody: x-pod.share_pid is false",
                    service.name.value
                );
                found.push(
                    Diagnostic::invalid(text)
                        .at(mode.span)
                        .help("leave out one of the two"),
                );
            }
        }
        NamespaceMode::Container(_) => {
            found.extend(verdict::of_service(service, "pid: container", mode.span));
        }
        NamespaceMode::Private => return Sharing::Own,
        _ => found.extend(verdict::of_service(service, "pid: any other", mode.span)),
    }
    shared
}

fn ipc(project: &Project, service: &Service, found: &mut Vec<Diagnostic>) -> IpcPlan {
    let Some(mode) = &service.ipc else {
        return IpcPlan::Pod;
    };
    let mut say = |key: &str| found.extend(verdict::of_service(service, key, mode.span));
    match &mode.value {
        NamespaceMode::Shareable => {}
        NamespaceMode::Service(other) => {
            let keeps_its_own = project.service(other).is_some_and(|other| {
                let mode = other.ipc.as_ref().map(|mode| &mode.value);
                matches!(mode, Some(NamespaceMode::Private | NamespaceMode::None))
            });
            if keeps_its_own {
                let text = format!(
                    "services.{}.ipc: {other} shares its IPC with nobody",
                    service.name.value
                );
                found.push(Diagnostic::invalid(text).at(mode.span));
            }
        }
        NamespaceMode::Private => {
            let asked = service.shm_size.as_ref().map(|size| size.value);
            let shm_size = asked
                .filter(|size| size.0 > 0)
                .unwrap_or(super::planner::DEFAULT_SHM_SIZE);
            return IpcPlan::Own { shm_size };
        }
        NamespaceMode::None => return IpcPlan::OwnWithoutShm,
        NamespaceMode::Host => return IpcPlan::Host,
        NamespaceMode::Container(_) => say("ipc: container"),
        NamespaceMode::Other(_) => say("ipc: any other"),
    }
    IpcPlan::Pod
}

fn cgroup(service: &Service, found: &mut Vec<Diagnostic>) -> Sharing {
    if let Some(mode) = service
        .userns_mode
        .as_ref()
        .filter(|mode| !matches!(mode.as_str(), "host" | ""))
    {
        found.extend(verdict::of_service(
            service,
            "userns_mode: any other",
            mode.span,
        ));
    }
    match service.cgroup.as_ref().map(|mode| &mode.value) {
        Some(NamespaceMode::Host) => Sharing::Host,
        // The loader knows `private` beside it, and nothing else.
        _ => Sharing::Own,
    }
}

/// Warns of what services that share processes can do to one another.
pub(super) fn warn_of_neighbours(
    services: &[(&Service, NamespacesPlan)],
    found: &mut Vec<Diagnostic>,
) {
    let sharing: Vec<&Service> = services
        .iter()
        .filter(|(_, namespaces)| namespaces.pid == Sharing::Pod)
        .map(|(service, _)| *service)
        .collect();
    let in_network = services
        .iter()
        .filter(|(_, namespaces)| namespaces.network == Sharing::Pod)
        .count();
    for (service, namespaces) in services {
        for capability in &service.cap_add {
            let upper = capability.to_ascii_uppercase();
            let effect = match upper.strip_prefix("CAP_").unwrap_or(&upper) {
                "SYS_PTRACE" if namespaces.pid == Sharing::Pod && sharing.len() > 1 => {
                    "it can read and change the memory of every service that shares processes with it"
                }
                "NET_ADMIN" if namespaces.network == Sharing::Pod && in_network > 1 => {
                    "it can change the network of the whole pod"
                }
                _ => continue,
            };
            let text = format!(
                "services.{}.cap_add: {}: {effect}",
                service.name.value, capability.value
            );
            found.push(Diagnostic::warning(text).at(capability.span));
        }
    }
    let user = |service: &Service| service.user.as_ref().map(|user| user.value.clone());
    let Some((first, rest)) = sharing.split_first() else {
        return;
    };
    if let Some(other) = rest.iter().find(|other| user(other) != user(first)) {
        let as_whom = |service: &Service| {
            user(service).map_or("as its image says".to_owned(), |user| format!("as {user}"))
        };
        let span = |service: &Service| {
            let user = service.user.as_ref();
            user.map_or(service.name.span, |user| user.span)
        };
        let text = format!(
            "services {} (runs {}) and {} (runs {}) see each other's processes, and a process of root's can read the others' environment",
            first.name.value,
            as_whom(first),
            other.name.value,
            as_whom(other)
        );
        found.push(
            Diagnostic::warning(text)
                .at(span(other))
                .label(span(first), "the other")
                .help("keep a service apart with `x-pod: {share_pid: false}`"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::messages;
    use super::*;
    use crate::compose::testing::project_of;

    fn own() -> NetworkPlan {
        let netns = "/run/netns/pod".into();
        NetworkPlan::Own { netns }
    }

    /// The namespaces of each service of a file, and what is told.
    fn planned(text: &str) -> (Vec<NamespacesPlan>, Vec<String>) {
        let project = project_of(text);
        let network = network(&project, &own());
        let mut found = Vec::new();
        let mut all = Vec::new();
        for service in &project.services {
            let namespaces = of(&project, service, &network, &mut found);
            all.push((service, namespaces));
        }
        warn_of_neighbours(&all, &mut found);
        let namespaces = all.iter().map(|(_, namespaces)| *namespaces).collect();
        (namespaces, messages(&found))
    }

    fn told(text: &str) -> String {
        planned(text).1.join("\n")
    }

    #[test]
    fn sharing_of_processes_can_be_left_by_all_or_one() {
        let pid = |text: &str| {
            let (namespaces, _) = planned(text);
            namespaces.iter().map(|it| it.pid).collect::<Vec<_>>()
        };
        let all = "x-pod: {share_pid: false}\nservices: {a: {image: i}, b: {image: i, x-pod: {share_pid: true}}}";
        assert_eq!(pid(all), [Sharing::Own, Sharing::Pod]);
        let one = "services: {a: {image: i, x-pod: {share_pid: false}}, b: {image: i}}";
        assert_eq!(pid(one), [Sharing::Own, Sharing::Pod]);
        assert_eq!(pid("services: {a: {image: i, pid: host}}"), [Sharing::Host]);
    }

    #[test]
    fn a_service_can_keep_out_of_ipc_and_network() {
        let text = "services: {a: {image: i, ipc: private, shm_size: 1m, network_mode: none}, b: {image: i, ipc: none}, c: {image: i, ipc: shareable}}";
        let (namespaces, found) = planned(text);
        let shm_size = ByteSize(1 << 20);
        assert_eq!(namespaces[0].ipc, IpcPlan::Own { shm_size });
        assert_eq!(namespaces[0].network, Sharing::Own);
        assert_eq!(namespaces[1].ipc, IpcPlan::OwnWithoutShm);
        assert_eq!(namespaces[2], NamespacesPlan::default());
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn the_hosts_network_is_for_all_or_none() {
        let all =
            "services: {a: {image: i, network_mode: host}, b: {image: i, network_mode: host}}";
        assert_eq!(network(&project_of(all), &own()), NetworkPlan::Host);
        assert_eq!(told(all), "");
        let some = "services: {a: {image: i, network_mode: host}, b: {image: i}}";
        assert_eq!(network(&project_of(some), &own()), own());
        insta::assert_snapshot!(told(some), @"services.a.network_mode: host for some: a pod has one network: all of its services are in the host's, or none is");
    }

    #[test]
    fn neighbours_of_other_users_and_with_ptrace_are_told_of() {
        let users = "services: {a: {image: i, user: '1'}, b: {image: i, user: '1'}, c: {image: i}}";
        insta::assert_snapshot!(told(users), @"services a (runs as 1) and c (runs as its image says) see each other's processes, and a process of root's can read the others' environment");
        let apart =
            "x-pod: {share_pid: false}\nservices: {a: {image: i, user: '1'}, c: {image: i}}";
        assert_eq!(told(apart), "");
        let traced = "services: {a: {image: i, cap_add: [SYS_PTRACE]}, c: {image: i}}";
        insta::assert_snapshot!(told(traced), @"services.a.cap_add: SYS_PTRACE: it can read and change the memory of every service that shares processes with it");
        assert_eq!(told("services: {a: {image: i, cap_add: [SYS_PTRACE]}}"), "");
    }
}
