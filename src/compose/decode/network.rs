//! Ports, networks and shared namespaces of a service.

use super::Decoder;
use super::fields::Fields;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{
    NamespaceMode, NetworkAttachment, NetworkMode, PortMapping, Protocol, Published,
};
use crate::compose::node::Node;
use crate::compose::short_port;
use crate::compose::source::{Span, Spanned};

impl Decoder {
    /// One port; none where it makes no sense, which a launch tells.
    pub(super) fn port(&mut self, service: &str, fields: Fields<'_>) -> Option<PortMapping> {
        let mut bad = |span: Span, problem: String| {
            let problem = format!("services.{service}.ports: {problem}");
            self.defer(Diagnostic::invalid(problem).at(span));
        };
        let target = fields.integer("target").unwrap_or_default();
        let Some(port) = u16::try_from(target.value).ok().filter(|port| *port > 0) else {
            let span = fields
                .node("target")
                .map_or(fields.span(), |node| node.span);
            bad(span, format!("{} is no port of a container", target.value));
            return None;
        };
        let protocol = match fields.str("protocol").unwrap_or("tcp") {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            "sctp" => Protocol::Sctp,
            other => {
                bad(fields.span(), format!("`{other}` is no protocol"));
                return None;
            }
        };
        let published = match fields.str("published").unwrap_or_default() {
            "" => Published::Any,
            text => match short_port::range(text) {
                Ok((0, 0)) => Published::Any,
                Ok((first, last)) if first == last => Published::Port(first),
                Ok((first, last)) => Published::Range(first, last),
                Err(problem) => {
                    bad(fields.span(), problem.to_string());
                    return None;
                }
            },
        };
        Some(PortMapping {
            span: fields.span(),
            name: fields.text("name").map(|name| name.value),
            target: port,
            published,
            host_ip: fields.str("host_ip").and_then(|ip| ip.parse().ok()),
            protocol,
        })
    }
}

pub(super) fn attachment((name, key_span, node): (&str, Span, &Node)) -> NetworkAttachment {
    let fields = Fields::plain(node);
    NetworkAttachment {
        network: Spanned::new(name.to_owned(), key_span),
        aliases: fields.texts("aliases"),
        ipv4_address: fields.text("ipv4_address"),
        ipv6_address: fields.text("ipv6_address"),
        mac_address: fields.text("mac_address"),
    }
}

pub(super) fn network_mode(text: &str) -> NetworkMode {
    match text.split_once(':') {
        Some(("service", name)) => NetworkMode::Service(name.to_owned()),
        Some(("container", name)) => NetworkMode::Container(name.to_owned()),
        _ => match text {
            "none" => NetworkMode::None,
            "host" => NetworkMode::Host,
            "bridge" => NetworkMode::Bridge,
            other => NetworkMode::Other(other.to_owned()),
        },
    }
}

pub(super) fn namespace_mode(text: &str) -> NamespaceMode {
    match text.split_once(':') {
        Some(("service", name)) => NamespaceMode::Service(name.to_owned()),
        Some(("container", name)) => NamespaceMode::Container(name.to_owned()),
        _ => match text {
            "none" => NamespaceMode::None,
            "private" => NamespaceMode::Private,
            "shareable" => NamespaceMode::Shareable,
            "host" => NamespaceMode::Host,
            other => NamespaceMode::Other(other.to_owned()),
        },
    }
}
