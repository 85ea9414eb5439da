//! `networks`: a pod has one network, whatever the file divides it into.
//!
//! Names and aliases work as they do elsewhere ([`super::hosts`]); what keeps services apart, and
//! what gives one an address of its own, is told not to.

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, Service};
use crate::compose::source::Spanned;

pub(super) fn check(project: &Project, found: &mut Vec<Diagnostic>) {
    check_isolation(project, found);
    check_addresses(project, found);
}

/// Told once: two services that share no network reach each other all the same.
fn check_isolation(project: &Project, found: &mut Vec<Diagnostic>) {
    let meet = |a: &Service, b: &Service| {
        a.networks.iter().any(|a| {
            let mut others = b.networks.iter();
            others.any(|b| a.network.value == b.network.value)
        })
    };
    let attached: Vec<&Service> = project
        .services
        .iter()
        .filter(|service| !service.networks.is_empty())
        .collect();
    let apart = attached.iter().enumerate().find_map(|(place, a)| {
        let other = attached[..place].iter().find(|b| !meet(a, b))?;
        Some((*other, *a))
    });
    if let Some((a, b)) = apart {
        let text = format!(
            "services {} and {} have no network in common, but reach each other: a pod has one network",
            a.name.value, b.name.value
        );
        found.push(
            Diagnostic::warning(text)
                .at(b.networks[0].network.span)
                .label(a.networks[0].network.span, "the other"),
        );
    }
}

/// A pod has no interface that could be given an address: its network is loopback's, or another's.
fn check_addresses(project: &Project, found: &mut Vec<Diagnostic>) {
    let mut macs: Vec<&Spanned<String>> = Vec::new();
    for service in &project.services {
        let name = &service.name.value;
        let attached = service.networks.iter();
        macs.extend(
            attached
                .clone()
                .filter_map(|network| network.mac_address.as_ref()),
        );
        macs.extend(&service.mac_address);
        for network in attached {
            for (key, address) in [
                ("ipv4_address", &network.ipv4_address),
                ("ipv6_address", &network.ipv6_address),
                ("mac_address", &network.mac_address),
            ] {
                if let Some(address) = address {
                    let text = format!(
                        "services.{name}.networks.{}.{key} has no effect: all services have the pod's addresses",
                        network.network.value
                    );
                    found.push(Diagnostic::warning(text).at(address.span));
                }
            }
        }
    }
    let Some(first) = macs.first() else { return };
    let other = macs.iter().find(|mac| !mac.eq_ignore_ascii_case(first));
    if let Some(other) = other {
        let text = format!(
            "mac_address: {} and {}, but a pod has one interface",
            first.value, other.value
        );
        found.push(
            Diagnostic::invalid(text)
                .at(other.span)
                .label(first.span, "the other"),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;

    fn found(text: &str) -> String {
        let mut found = Vec::new();
        check(&project_of(text), &mut found);
        let lines = found
            .iter()
            .map(|it| format!("{:?}: {}", it.severity, it.message));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_network_of_all_needs_no_word() {
        assert_eq!(
            found("services: {a: {image: i}, b: {image: i, networks: [default]}}"),
            ""
        );
    }

    #[test]
    fn services_that_were_to_be_apart_are_told_to_meet() {
        let text = "
services:
  web: {image: i, networks: [front]}
  app: {image: i, networks: [front, back]}
  db: {image: i, networks: {back: {ipv4_address: 10.5.0.2}}}
networks: {front: {}, back: {}}
";
        insta::assert_snapshot!(found(text), @"
        Warning: services web and db have no network in common, but reach each other: a pod has one network
        Warning: services.db.networks.back.ipv4_address has no effect: all services have the pod's addresses
        ");
    }

    #[test]
    fn a_pod_has_one_hardware_address() {
        let text = |other: &str| {
            format!(
                "services:\n  a: {{image: i, mac_address: '02:42:ac:11:00:aa'}}\n  \
                   b: {{image: i, networks: {{default: {{mac_address: '{other}'}}}}}}\n"
            )
        };
        insta::assert_snapshot!(found(&text("02:42:AC:11:00:AA")), @"Warning: services.b.networks.default.mac_address has no effect: all services have the pod's addresses");
        insta::assert_snapshot!(found(&text("02:42:ac:11:00:bb")), @"
        Warning: services.b.networks.default.mac_address has no effect: all services have the pod's addresses
        Error: mac_address: 02:42:ac:11:00:aa and 02:42:ac:11:00:bb, but a pod has one interface
        ");
    }
}
