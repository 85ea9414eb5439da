//! Ports, addresses, names.

use std::net::IpAddr;

use super::Check;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{PortMapping, Project, Published};
use crate::compose::short_port;

pub(super) fn check(check: &mut Check<'_>) {
    let service = check.service;
    for exposed in &service.expose {
        if !is_exposable(exposed) {
            let problem = format!("`{}` is no port", exposed.value);
            check.fail("expose", exposed.span, &problem);
        }
    }
    for server in &service.dns {
        if server.parse::<IpAddr>().is_err() {
            let problem = format!("`{}` is no IP address", server.value);
            check.fail("dns", server.span, &problem);
        }
    }
    for (host, address) in &service.extra_hosts {
        if address != "host-gateway" && address.parse::<IpAddr>().is_err() {
            let problem = format!("`{address}` is no IP address");
            check.fail("extra_hosts", host.span, &problem);
        }
    }
    let attached = service.networks.iter();
    let addresses = attached.filter_map(|network| network.mac_address.as_ref());
    for address in service.mac_address.iter().chain(addresses) {
        if !is_mac_address(address) {
            let problem = format!("`{}` is no MAC address", address.value);
            check.fail("mac_address", address.span, &problem);
        }
    }
}

/// `80`, `80-90`, `80/udp`.
fn is_exposable(text: &str) -> bool {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    matches!(
        protocol.to_ascii_lowercase().as_str(),
        "tcp" | "udp" | "sctp"
    ) && short_port::range(ports).is_ok()
}

fn is_mac_address(text: &str) -> bool {
    let parts: Vec<&str> = text.split([':', '-']).collect();
    let octet = |part: &&str| part.len() == 2 && u8::from_str_radix(part, 16).is_ok();
    parts.len() == 6 && parts.iter().all(octet)
}

/// Two services can't have one port of the host.
pub(super) fn check_host_ports(project: &Project, found: &mut Vec<Diagnostic>) {
    let mut taken: Vec<(&str, &PortMapping)> = Vec::new();
    for service in &project.services {
        for port in &service.ports {
            let Published::Port(number) = port.published else {
                continue;
            };
            let name = service.name.value.as_str();
            match taken.iter().find(|(_, other)| clash(other, port)) {
                Some((other_name, other)) => found.push(
                    Diagnostic::invalid(format!(
                        "services {other_name} and {name} publish the same port {number}"
                    ))
                    .at(port.span)
                    .label(other.span, "the other"),
                ),
                None => taken.push((name, port)),
            }
        }
    }
}

fn clash(a: &PortMapping, b: &PortMapping) -> bool {
    let everywhere = |ip: Option<IpAddr>| ip.is_none_or(|ip| ip.is_unspecified());
    a.published == b.published
        && a.protocol == b.protocol
        && (a.host_ip == b.host_ip || everywhere(a.host_ip) || everywhere(b.host_ip))
}
