//! What a project has although nobody wrote it: values that each part has on its own, before the
//! parts are put together ([`super::normalize`]).

use super::node::{Map, Node, Value};

/// Sets what is missing in a file and the files that it is merged with.
pub(super) fn set(tree: &mut Node) {
    let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    for (_, _, service) in services.iter_mut() {
        let Some(service) = service.as_map_mut() else {
            continue;
        };
        if let Some(build) = service.get_mut("build").and_then(Node::as_map_mut) {
            text(build, "context", ".");
        }
        for secret in maps(service.get_mut("secrets")) {
            if let Some(source) = secret.get("source").and_then(Node::as_str) {
                let target = format!("/run/secrets/{source}");
                text(secret, "target", &target);
            }
        }
        for port in maps(service.get_mut("ports")) {
            text(port, "protocol", "tcp");
            text(port, "mode", "ingress");
        }
        for request in maps(service.get_mut("gpus")) {
            count(request);
        }
        let devices = service
            .get_mut("deploy")
            .and_then(|deploy| deploy.get_mut("resources"))
            .and_then(|resources| resources.get_mut("reservations"))
            .and_then(|reservations| reservations.get_mut("devices"));
        for request in maps(devices) {
            count(request);
        }
    }
}

/// The mappings of a list.
fn maps(list: Option<&mut Node>) -> impl Iterator<Item = &mut Map> {
    let items = match list.map(|node| &mut node.value) {
        Some(Value::List(items)) => items.iter_mut(),
        _ => [].iter_mut(),
    };
    items.filter_map(Node::as_map_mut)
}

fn text(map: &mut Map, key: &str, default: &str) {
    if !map.contains(key) {
        let span = map
            .iter()
            .next()
            .map(|(_, span, _)| span)
            .unwrap_or_default();
        map.insert_made(key, Node::string(default, span));
    }
}

/// All devices, where neither a number nor ids are asked for.
fn count(request: &mut Map) {
    if !request.contains("device_ids") {
        text(request, "count", "all");
    }
}
