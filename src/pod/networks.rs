//! `networks`: a pod has one network, whatever the file divides it into.
//!
//! Names and aliases work as they do elsewhere ([`super::hosts`]); what keeps services apart, and
//! what gives one an address of its own, is told not to.

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Network, Project, Service};
use crate::compose::source::Spanned;

pub(super) fn check(project: &Project, found: &mut Vec<Diagnostic>) {
    for network in &project.networks {
        check_network(network, found);
    }
    check_isolation(project, found);
    check_addresses(project, found);
}

fn check_network(network: &Network, found: &mut Vec<Diagnostic>) {
    let key = &network.key.value;
    if let Some(external) = &network.external {
        let text = format!("networks.{key}: there is no network to join from outside the pod");
        found.push(Diagnostic::unsupported(text).at(external.span).help(
            "leave `external` out: the pod's services reach each other; publish ports for others",
        ));
        return;
    }
    match &network.driver {
        Some(driver) if driver.value == "host" => found.push(
            Diagnostic::unsupported(format!(
                "networks.{key}.driver: one network of a pod can't be the host's"
            ))
            .at(driver.span)
            .help(
                "whether the pod is in the host's network is the operator's to say: [network] mode",
            ),
        ),
        Some(driver) if !matches!(driver.value.as_str(), "" | "default" | "bridge") => found.push(
            Diagnostic::warning(format!(
                "networks.{key}.driver: \"{}\" has no effect, a pod has one network",
                driver.value
            ))
            .at(driver.span),
        ),
        _ => {}
    }
    if let Some(internal) = network.internal.as_ref().filter(|it| it.value) {
        let text =
            format!("networks.{key}.internal: the pod is not cut off from the outside by it");
        found.push(Diagnostic::warning(text).at(internal.span));
    }
    if let Some(ipam) = network.ipam {
        let text =
            format!("networks.{key}.ipam has no effect: all services have the pod's addresses");
        found.push(Diagnostic::warning(text).at(ipam));
    }
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
    match macs.iter().find(|mac| !mac.eq_ignore_ascii_case(first)) {
        Some(other) => found.push(
            Diagnostic::invalid(format!(
                "mac_address: {} and {}, but a pod has one interface",
                first.value, other.value
            ))
            .at(other.span)
            .label(first.span, "the other"),
        ),
        None => found.push(
            Diagnostic::warning(
                "mac_address has no effect: the pod's interface is not ours to make",
            )
            .at(first.span),
        ),
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
networks:
  front: {driver: overlay}
  back: {internal: true, ipam: {config: [{subnet: 10.5.0.0/16}]}}
";
        insta::assert_snapshot!(found(text), @"
        Warning: networks.front.driver: \"overlay\" has no effect, a pod has one network
        Warning: networks.back.internal: the pod is not cut off from the outside by it
        Warning: networks.back.ipam has no effect: all services have the pod's addresses
        Warning: services web and db have no network in common, but reach each other: a pod has one network
        Warning: services.db.networks.back.ipv4_address has no effect: all services have the pod's addresses
        ");
    }

    #[test]
    fn what_is_not_the_pods_is_refused() {
        let text = "
services:
  a: {image: i, networks: [far, host], mac_address: 02:42:ac:11:00:01}
  b: {image: i, networks: [far], mac_address: 02:42:ac:11:00:02}
networks:
  far: {external: true}
  host: {driver: host}
";
        insta::assert_snapshot!(found(text), @"
        Error: networks.far: there is no network to join from outside the pod
        Error: networks.host.driver: one network of a pod can't be the host's
        Error: mac_address: 02:42:ac:11:00:01 and 02:42:ac:11:00:02, but a pod has one interface
        ");
    }
}
