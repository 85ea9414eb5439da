//! Who is where: every name of every service resolves to the pod itself.

use std::net::{IpAddr, Ipv4Addr};

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, Service};

/// Services often listen on IPv4 alone.
const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// All names that services of the project go by, each once: their own, their containers' and
/// hosts', and the aliases that networks and links give them.
pub(super) fn names(project: &Project) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let mut add = |name: &str| {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    };
    for service in &project.services {
        add(&service.name.value);
        let own = [&service.container_name, &service.hostname];
        own.into_iter().flatten().for_each(|name| add(&name.value));
        service
            .networks
            .iter()
            .flat_map(|network| &network.aliases)
            .for_each(|alias| add(&alias.value));
        for link in &service.links {
            if let Some((_, alias)) = link.value.split_once(':') {
                add(alias);
            }
        }
    }
    names
}

/// The entries of one service's hosts file, beside the standard ones.
pub(super) fn entries(
    service: &Service,
    names: &[String],
    hostname: &str,
    errors: &mut Vec<Diagnostic>,
) -> Vec<(IpAddr, Vec<String>)> {
    let mut pod = names.to_vec();
    if !names.iter().any(|name| name == hostname) {
        pod.push(hostname.to_owned());
    }
    let mut entries = vec![(POD, pod)];
    for (name, address) in &service.extra_hosts {
        match address.parse() {
            Ok(address) => entries.push((address, vec![name.value.clone()])),
            Err(_) if address == "host-gateway" => errors.push(
                Diagnostic::unsupported(format!(
                    "services.{}.extra_hosts: host-gateway is not supported yet",
                    service.name.value
                ))
                .at(name.span),
            ),
            Err(_) => errors.push(
                Diagnostic::invalid(format!(
                    "services.{}.extra_hosts: \"{address}\" is no IP address",
                    service.name.value
                ))
                .at(name.span),
            ),
        }
    }
    entries
}
