//! Keys of a service: its network, its names, and whose namespaces it is in.

use super::{Row, SERVICE, Section};

const NAMES: &str = "names::a_service_has_its_names_and_finds_the_others";
const RESOLVER: &str = "names::a_service_has_a_resolver_of_its_own";

pub(super) const SECTION: Section = Section {
    title: "Network, names, namespaces",
    path: SERVICE,
    rows: &[
        Row::supported(
            "ports",
            "checked against the task's offer; one network for all services",
            "policy::ports_of_the_host_are_the_operators_to_give",
        ),
        Row::harmless(
            "expose",
            "the services of a pod reach each other's ports anyway",
        ),
        Row::supported(
            "network_mode",
            "`bridge` and `service:…` are what a pod is: one network for all",
            "attributes::sharing::alone_in_its_network",
        ),
        Row::warned(
            "network_mode: none",
            "the service is alone with a loopback interface; the others of the pod don't reach it",
        ),
        Row::supported(
            "network_mode: host",
            "the pod has the host's network, if all its services ask for it",
            "attributes::sharing::the_hosts_network",
        ),
        Row::refused(
            "network_mode: host for some",
            "a pod has one network: all of its services are in the host's, or none is",
            "give it to every service, or to none",
        ),
        Row::refused(
            "network_mode: container",
            "a pod joins no container that is not its own",
            "make the other container a service of this file",
        ),
        Row::refused(
            "network_mode: any other",
            "an agent has no networks by name that a service could join",
            "leave the key out: the services of a pod share one network",
        ),
        Row::supported(
            "networks",
            "names and aliases of all services lead to the pod",
            "namespaces::a_service_reaches_another_by_name",
        ),
        Row::supported(
            "links",
            "the alias leads to the pod, and the other service is started first",
            NAMES,
        ),
        Row::refused(
            "external_links",
            "there is no container outside of the pod to link to",
            "make the other container a service of this file, or name its address in `extra_hosts`",
        ),
        Row::supported(
            "hostname",
            "`hostname`, in a UTS namespace of the service's own",
            "services::process_attributes",
        ),
        Row::supported(
            "domainname",
            "the domain of the service's UTS namespace, and a line in /etc/hosts",
            NAMES,
        ),
        Row::supported(
            "extra_hosts",
            "lines of the service's own /etc/hosts; `host-gateway` is the agent's address",
            NAMES,
        ),
        Row::supported(
            "dns",
            "the servers of the service's own /etc/resolv.conf",
            RESOLVER,
        ),
        Row::supported("dns_search", "its search list", RESOLVER),
        Row::supported("dns_opt", "its options", RESOLVER),
        Row::warned(
            "mac_address",
            "the pod's interface is not ours to make; two different addresses are refused",
        ),
        Row::supported(
            "ipc",
            "`private`: an IPC namespace and a /dev/shm of the service's own; `none`: no /dev/shm; `shareable` and `service:…` are what a pod is; `host`: the host's",
            "attributes::sharing::ipc",
        ),
        Row::refused(
            "ipc: container",
            "a pod joins no container that is not its own",
            "make the other container a service of this file",
        ),
        Row::refused(
            "ipc: any other",
            "there is no such mode",
            "say private, none, shareable, service:… or host",
        ),
        Row::supported(
            "pid",
            "`service:…` is what a pod is; `host`: the host's",
            "attributes::sharing::processes",
        ),
        Row::refused(
            "pid: container",
            "a pod joins no container that is not its own",
            "make the other container a service of this file",
        ),
        Row::refused(
            "pid: any other",
            "there is no such mode",
            "say service:… or host, or keep the service apart with `x-pod: {share_pid: false}`",
        ),
        Row::refused(
            "uts",
            "a service in the host's UTS namespace could rename the agent",
            "leave the key out, and give the service a `hostname`",
        ),
        Row::harmless("userns_mode", "`host`: no user namespaces are made"),
        Row::refused(
            "userns_mode: any other",
            "user namespaces are refused for now",
            "leave the key out",
        ),
        Row::supported(
            "cgroup",
            "`private` is what each container has; `host`: the host's",
            "attributes::sharing::cgroups",
        ),
        Row::warned(
            "cgroup_parent",
            "the pod stays in its task's cgroup, which is what limits and accounts it",
        ),
        Row::supported(
            "sysctls",
            "`linux.sysctl`: of the pause container for what services share, where two must not differ; else of the service",
            "attributes::sharing::settings",
        ),
        Row::refused(
            "sysctls: of the whole machine",
            "it belongs to no namespace of the pod's: it would be set for the whole machine",
            "ask the operator to set it on the agents",
        ),
        Row::refused(
            "sysctls: of the host name",
            "a host name has keys of its own",
            "say it with `hostname` and `domainname`",
        ),
    ],
};
