//! The ports that a task needs of its offer: one for each that a service publishes.

use std::collections::{BTreeSet, HashMap};

use super::findings::Findings;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{NetworkMode, PortMapping, Protocol, Published, Service};
use crate::compose::source::Span;

/// The longest name that DNS takes for a label, and so Marathon for a port.
const LONGEST_NAME: usize = 63;

/// A port of the offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferPort {
    /// Lower-case letters, digits and `-`, unique within the task.
    pub name: String,
    /// The number that the file wants; none where any will do.
    pub fixed: Option<u16>,
    /// More than one where a file publishes one number for several; Mesos' ports have none.
    pub protocols: BTreeSet<Protocol>,
}

/// The word for it in names and in frameworks' definitions.
pub(super) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// The number that an entry insists on. A range lets the engine choose, as no number does.
fn fixed(service: &Service, port: &PortMapping) -> Option<u16> {
    // In the host's own network nothing is mapped: what the container opens is the host's port.
    let host = service.network_mode.as_ref();
    if host.is_some_and(|mode| mode.value == NetworkMode::Host) {
        return Some(port.target);
    }
    match port.published {
        Published::Port(number) => Some(number),
        Published::Any | Published::Range(..) => None,
    }
}

/// The ports of all services, in the files' order.
///
/// A number that is published for several protocols or on several addresses is one port of the
/// offer; published twice for the same, it is a clash, which the executor refuses: the sum has it once.
pub(super) fn offer_ports(services: &[(&Service, u64)], findings: &mut Findings) -> Vec<OfferPort> {
    let mut ports: Vec<OfferPort> = Vec::new();
    let mut names = Names::default();
    let mut numbers: HashMap<u16, usize> = HashMap::new();
    let mut published: HashMap<(u16, Protocol), (&str, Span)> = HashMap::new();
    let mut targets: HashMap<(u16, Protocol), (&str, Span)> = HashMap::new();
    for &(service, replicas) in services {
        let name = service.name.as_str();
        for port in &service.ports {
            let key = (port.target, port.protocol);
            let (first, at) = *targets.entry(key).or_insert((name, port.span));
            if first != name {
                clash("listens on", key, (name, port.span), (first, at), findings);
            }
            let Some(number) = fixed(service, port) else {
                for _ in 0..replicas {
                    ports.push(OfferPort {
                        name: names.take(service, port),
                        fixed: None,
                        protocols: BTreeSet::from([port.protocol]),
                    });
                }
                continue;
            };
            let key = (number, port.protocol);
            let (first, at) = *published.entry(key).or_insert((name, port.span));
            if first != name {
                clash("publishes", key, (name, port.span), (first, at), findings);
            }
            let index = *numbers.entry(number).or_insert_with(|| {
                ports.push(OfferPort {
                    name: names.take(service, port),
                    fixed: Some(number),
                    protocols: BTreeSet::new(),
                });
                ports.len() - 1
            });
            ports[index].protocols.insert(port.protocol);
        }
    }
    ports
}

/// How many entries there are, each as often as its service; none beyond what 64 bits hold.
pub(super) fn count(services: &[(&Service, u64)]) -> Option<u64> {
    services.iter().try_fold(0_u64, |sum, (service, replicas)| {
        let entries = u64::try_from(service.ports.len()).ok()?;
        sum.checked_add(entries.checked_mul(*replicas)?)
    })
}

fn clash(
    verb: &str,
    (number, protocol): (u16, Protocol),
    (service, span): (&str, Span),
    (first, at): (&str, Span),
    findings: &mut Findings,
) {
    let protocol = protocol_name(protocol);
    let problem = format!(
        "services.{service} {verb} {number}/{protocol}, as {first} does: \
         the executor refuses such a pod"
    );
    findings.add(
        Diagnostic::warning(problem)
            .at(span)
            .label(at, "the first of them"),
    );
}

/// Names that were given out.
#[derive(Debug, Default)]
struct Names {
    taken: BTreeSet<String>,
    /// Where the search for a free one begins, by the name that was wanted.
    ordinals: HashMap<String, usize>,
}

impl Names {
    fn take(&mut self, service: &Service, port: &PortMapping) -> String {
        let wanted = port.name.clone().unwrap_or_else(|| {
            let protocol = protocol_name(port.protocol);
            format!("{}-{}-{protocol}", service.name.value, port.target)
        });
        let wanted = label(&wanted, LONGEST_NAME);
        let ordinal = self.ordinals.entry(wanted.clone()).or_insert(1);
        loop {
            let name = match *ordinal {
                1 => wanted.clone(),
                ordinal => {
                    let suffix = format!("-{ordinal}");
                    label(&wanted, LONGEST_NAME - suffix.len()) + &suffix
                }
            };
            *ordinal += 1;
            if self.taken.insert(name.clone()) {
                return name;
            }
        }
    }
}

/// A text as a DNS label: lower-case letters, digits, and `-` between them.
pub(super) fn label(text: &str, longest: usize) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => out.push(c),
            _ if out.is_empty() || out.ends_with('-') => {}
            _ => out.push('-'),
        }
    }
    out.truncate(longest);
    let out = out.trim_end_matches('-');
    match out {
        "" => "x".to_owned(),
        out => out.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::Spanned;
    use crate::resources::sample::{publishing, service};

    fn offer(services: &[(Service, u64)]) -> (Vec<OfferPort>, Vec<String>) {
        let mut findings = Findings::default();
        let services: Vec<_> = services.iter().map(|(service, n)| (service, *n)).collect();
        let ports = offer_ports(&services, &mut findings);
        let warnings = findings.warnings.into_iter();
        (ports, warnings.map(|warning| warning.message).collect())
    }

    fn shown(ports: &[OfferPort]) -> Vec<(&str, Option<u16>)> {
        ports
            .iter()
            .map(|port| (port.name.as_str(), port.fixed))
            .collect()
    }

    #[test]
    fn each_published_port_is_one_of_the_offer() {
        let web = publishing(
            "Web_1",
            &[
                (80, Published::Port(8080)),
                (81, Published::Any),
                (82, Published::Range(9000, 9010)),
            ],
        );
        let (ports, warnings) = offer(&[(web, 1)]);
        assert_eq!(
            shown(&ports),
            [
                ("web-1-80-tcp", Some(8080)),
                ("web-1-81-tcp", None),
                ("web-1-82-tcp", None)
            ]
        );
        assert!(warnings.is_empty());
    }

    #[test]
    fn one_number_for_two_protocols_is_one_port() {
        let mut dns = publishing(
            "dns",
            &[(53, Published::Port(53)), (53, Published::Port(53))],
        );
        dns.ports[1].protocol = Protocol::Udp;
        let (ports, warnings) = offer(&[(dns, 1)]);
        assert_eq!(shown(&ports), [("dns-53-tcp", Some(53))]);
        assert_eq!(ports[0].protocols.len(), 2);
        assert!(warnings.is_empty());
    }

    #[test]
    fn two_services_on_one_port_are_warned_of() {
        let a = publishing("a", &[(80, Published::Port(8080))]);
        let b = publishing("b", &[(80, Published::Port(8080))]);
        let (ports, warnings) = offer(&[(a, 1), (b, 1)]);
        assert_eq!(shown(&ports), [("a-80-tcp", Some(8080))]);
        assert_eq!(
            warnings,
            [
                "services.b listens on 80/tcp, as a does: the executor refuses such a pod",
                "services.b publishes 8080/tcp, as a does: the executor refuses such a pod"
            ]
        );
    }

    #[test]
    fn names_stay_different() {
        let web = publishing("web", &[(80, Published::Any), (80, Published::Any)]);
        let (ports, _) = offer(&[(web, 2)]);
        assert_eq!(
            shown(&ports),
            [
                ("web-80-tcp", None),
                ("web-80-tcp-2", None),
                ("web-80-tcp-3", None),
                ("web-80-tcp-4", None)
            ]
        );
    }

    #[test]
    fn in_the_hosts_network_the_target_is_the_port() {
        let mut web = publishing("web", &[(80, Published::Port(8080))]);
        web.network_mode = Some(Spanned::new(NetworkMode::Host, web.name.span));
        let (ports, _) = offer(&[(web, 1)]);
        assert_eq!(ports[0].fixed, Some(80));
    }

    #[test]
    fn expose_needs_no_port() {
        let mut web = service("web");
        web.expose = vec![Spanned::new("80".to_owned(), web.name.span)];
        assert_eq!(offer(&[(web, 1)]).0, []);
    }

    #[test]
    fn labels_are_what_dns_takes() {
        for (text, expected) in [("My_App.1-", "my-app-1"), ("__", "x"), ("-a--b", "a-b")] {
            assert_eq!(label(text, 63), expected);
        }
        assert_eq!(label("abc-def", 4), "abc");
    }
}
