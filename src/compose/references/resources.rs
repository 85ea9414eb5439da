//! Where a config or secret comes from, external resources, addresses of ports, device requests.

use std::net::IpAddr;

use super::{is_true, items, section};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::node::{Map, Node};
use crate::compose::source::Span;

/// Where a config or secret comes from, external resources, addresses of ports, device requests.
pub(in crate::compose) fn check_resources(tree: &Node, errors: &mut Vec<Diagnostic>) {
    for (name, key_span, volume) in section(tree, "volumes") {
        if volume.get("external").is_some_and(is_true) {
            let others = volume.as_map().into_iter().flat_map(Map::iter);
            for (key, span, _) in others {
                if !matches!(key, "name" | "external") && !key.starts_with("x-") {
                    errors.push(
                        Diagnostic::invalid(format!(
                            "volumes.{name} is external: `{key}` is not for this project to say"
                        ))
                        .at(span)
                        .label(key_span, "external"),
                    );
                }
            }
        }
    }
    let sources: [(&str, &[&str]); 2] = [
        ("configs", &["file", "environment", "content"]),
        ("secrets", &["file", "environment"]),
    ];
    for (kind, keys) in sources {
        for (name, key_span, resource) in section(tree, kind) {
            check_source(kind, name, key_span, resource, keys, errors);
        }
    }
    for (name, _, service) in section(tree, "services") {
        check_ports(name, service, errors);
        check_devices(name, service, errors);
        check_watch(name, service, errors);
    }
}

fn check_source(
    kind: &str,
    name: &str,
    key_span: Span,
    resource: &Node,
    keys: &[&str],
    errors: &mut Vec<Diagnostic>,
) {
    let Some(map) = resource.as_map() else { return };
    let given: Vec<Span> = keys.iter().filter_map(|key| map.key_span(key)).collect();
    match given.as_slice() {
        [] if !map.contains("driver") && !map.contains("external") => errors.push(
            Diagnostic::invalid(format!("{kind}.{name} needs one of {}", keys.join(", ")))
                .at(key_span),
        ),
        [first, second, ..] => errors.push(
            Diagnostic::invalid(format!(
                "{kind}.{name} can have but one of {}",
                keys.join(", ")
            ))
            .at(*second)
            .label(*first, "here is another"),
        ),
        _ => {}
    }
}

fn check_ports(name: &str, service: &Node, errors: &mut Vec<Diagnostic>) {
    for (index, port) in items(service, "ports").iter().enumerate() {
        if let Some(ip) = port.get("host_ip")
            && let Some(address) = ip.as_str()
            && address.parse::<IpAddr>().is_err()
        {
            let problem = format!("services.{name}.ports[{index}]: `{address}` is no IP address");
            errors.push(Diagnostic::invalid(problem).at(ip.span));
        }
    }
}

fn check_devices(name: &str, service: &Node, errors: &mut Vec<Diagnostic>) {
    let reserved = service
        .get("deploy")
        .and_then(|deploy| deploy.get("resources")?.get("reservations"));
    let reserved = reserved.map_or(&[][..], |reserved| items(reserved, "devices"));
    for request in items(service, "gpus").iter().chain(reserved) {
        if let (Some(_), Some(ids)) = (request.get("count"), request.get("device_ids")) {
            errors.push(
                Diagnostic::invalid(format!(
                    "services.{name}: devices are asked for by `count` or by `device_ids`, not by both"
                ))
                .at(ids.span),
            );
        }
    }
}

fn check_watch(name: &str, service: &Node, errors: &mut Vec<Diagnostic>) {
    let Some(develop) = service.get("develop") else {
        return;
    };
    for trigger in items(develop, "watch") {
        if let Some(path) = trigger.get("path").filter(|path| path.as_str() == Some("")) {
            let problem = format!("services.{name}.develop.watch: the path is empty");
            errors.push(Diagnostic::invalid(problem).at(path.span));
        }
    }
}
