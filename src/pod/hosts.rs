//! Who is where: every name of every service resolves to the pod itself.

use std::net::{IpAddr, Ipv4Addr};

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, Service};
use crate::compose::source::Span;

/// Services often listen on IPv4 alone.
const POD: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The longest name of the DNS, RFC 1035.
const NAME_MAX: usize = 253;

/// All names that services of the project go by, each once: their own, their containers' and
/// hosts', and the aliases that networks and links give them.
pub(super) fn names(project: &Project, found: &mut Vec<Diagnostic>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for service in &project.services {
        let mut add = |key: &str, name: &str, span: Span| {
            if !is_name(name) {
                let text = format!(
                    "services.{}.{key}: {name:?} can't stand in a hosts file",
                    service.name.value
                );
                found.push(Diagnostic::invalid(text).at(span));
            } else if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        };
        add("name", &service.name.value, service.name.span);
        for (key, name) in [
            ("container_name", &service.container_name),
            ("hostname", &service.hostname),
        ] {
            if let Some(name) = name {
                add(key, name, name.span);
            }
        }
        if let (Some(host), Some(domain)) = (&service.hostname, &service.domainname) {
            add(
                "domainname",
                &format!("{}.{}", host.value, domain.value),
                domain.span,
            );
        }
        for alias in service.networks.iter().flat_map(|network| &network.aliases) {
            add("networks", alias, alias.span);
        }
        for link in &service.links {
            if let Some((_, alias)) = link.value.split_once(':') {
                add("links", alias, link.span);
            }
        }
    }
    names
}

/// One word: hosts(5) knows blanks, lines and comments.
fn is_name(name: &str) -> bool {
    (1..=NAME_MAX).contains(&name.len())
        && !name
            .chars()
            .any(|c| c.is_whitespace() || c.is_control() || c == '#')
}

/// The entries of one service's hosts file, beside the standard ones. What the service says itself
/// of a name takes the place of what the pod says. `host` is what `host-gateway` stands for.
pub(super) fn entries(
    service: &Service,
    names: &[String],
    hostname: &str,
    host: Option<IpAddr>,
    found: &mut Vec<Diagnostic>,
) -> Vec<(IpAddr, Vec<String>)> {
    let mut pod = names.to_vec();
    if !names.iter().any(|name| name == hostname) {
        pod.push(hostname.to_owned());
    }
    let mut own = Vec::new();
    for (name, address) in &service.extra_hosts {
        let problem = |text: String| {
            let text = format!("services.{}.extra_hosts: {text}", service.name.value);
            Diagnostic::invalid(text).at(name.span)
        };
        if !is_name(name) {
            found.push(problem(format!(
                "{:?} can't stand in a hosts file",
                name.value
            )));
            continue;
        }
        let address = match (address.parse(), address.as_str(), host) {
            (Ok(address), ..) | (Err(_), "host-gateway", Some(address)) => address,
            (Err(_), "host-gateway", None) => {
                found.push(
                    problem("the host has no address that \"host-gateway\" could stand for".into())
                        .help("give the address itself"),
                );
                continue;
            }
            (Err(_), ..) => {
                found.push(problem(format!("\"{address}\" is no IP address")));
                continue;
            }
        };
        if names.contains(&name.value)
            && !own.iter().any(|(_, known)| *known == [name.value.clone()])
        {
            let text = format!(
                "services.{}.extra_hosts: \"{}\" is a name in this pod; this service finds {address} by it",
                service.name.value, name.value
            );
            found.push(Diagnostic::warning(text).at(name.span));
        }
        own.push((address, vec![name.value.clone()]));
    }
    pod.retain(|name| !own.iter().any(|(_, own)| own.contains(name)));
    [(POD, pod)].into_iter().chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;

    /// The hosts file of the first service, and what was found.
    fn planned(services: &str) -> (Vec<String>, Vec<String>) {
        let project = project_of(&format!("services:\n{services}"));
        let mut found = Vec::new();
        let names = names(&project, &mut found);
        let host = Some("192.0.2.9".parse().unwrap());
        let entries = entries(&project.services[0], &names, "task", host, &mut found);
        let line =
            |(address, names): &(IpAddr, Vec<String>)| format!("{address} {}", names.join(" "));
        let found = found.into_iter().map(|it| it.message).collect();
        (entries.iter().map(line).collect(), found)
    }

    #[test]
    fn every_name_of_every_service_is_the_pods() {
        let (lines, found) = planned(
            "  a: {image: i, links: ['b:db']}\n  \
               b: {image: i, container_name: box, hostname: h, domainname: d.example, \
                   networks: {default: {aliases: [one, two]}}}\n",
        );
        assert_eq!(lines, ["127.0.0.1 a db b box h h.d.example one two task"]);
        assert_eq!(found.len(), 0);
    }

    #[test]
    fn a_services_own_word_on_a_name_wins_and_is_told() {
        let (lines, found) = planned(
            "  a: {image: i, extra_hosts: ['b:192.0.2.1', 'b:192.0.2.2', 'up:host-gateway', 'six:[2001:db8::1]']}\n  \
               b: {image: i}\n",
        );
        insta::assert_snapshot!(lines.join("\n"), @"
        127.0.0.1 a task
        192.0.2.1 b
        192.0.2.2 b
        2001:db8::1 six
        192.0.2.9 up
        ");
        insta::assert_snapshot!(found.join("\n"), @r#"services.a.extra_hosts: "b" is a name in this pod; this service finds 192.0.2.1 by it"#);
    }

    #[test]
    fn no_name_brings_a_line_of_its_own() {
        let (lines, found) = planned(
            "  a:\n    image: i\n    extra_hosts: {\"x\\n192.0.2.66 y\": 192.0.2.1}\n    \
                 networks: {default: {aliases: [\"z\\n192.0.2.66 bank\", \"#\"]}}\n",
        );
        assert_eq!(lines, ["127.0.0.1 a task"]);
        assert_eq!(found.len(), 3);
    }
}
