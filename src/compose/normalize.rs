//! What follows from the parts of a project taken together: the default network, dependencies that
//! are implied, variables taken from the environment, names.

use std::collections::BTreeMap;

use super::canonical::clean_target;
use super::node::{Map, Node, Value};
use super::normal_form::flag;
use super::source::Span;

/// Completes a merged tree.
pub(super) fn normalize(tree: &mut Node, project: &str, environment: &BTreeMap<String, String>) {
    default_network(tree);
    if let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) {
        for (_, _, service) in services.iter_mut() {
            if let Some(service) = service.as_map_mut() {
                complete_service(service, environment);
            }
        }
    }
    names(tree, project);
}

/// Gives the services' variables that have no value theirs.
pub(super) fn inherit_variables(tree: &mut Node, environment: &BTreeMap<String, String>) {
    for pairs in variables(tree) {
        inherit(pairs, environment, true);
    }
}

/// The same in lists alone: those of an included file are looked up in that file's own environment.
pub(super) fn inherit_listed(tree: &mut Node, environment: &BTreeMap<String, String>) {
    for pairs in variables(tree).filter(|pairs| pairs.as_list().is_some()) {
        inherit(pairs, environment, true);
    }
}

fn variables(tree: &mut Node) -> impl Iterator<Item = &mut Node> {
    let services = tree.get_mut("services").and_then(Node::as_map_mut);
    let services = services.into_iter().flat_map(Map::iter_mut);
    services.filter_map(|(_, _, service)| service.get_mut("environment"))
}

/// Has `deploy.replicas` say what `scale` says: of a project that was checked, in which the two
/// don't differ.
pub(super) fn replicas(normal: &mut Node) {
    let services = normal.get_mut("services").and_then(Node::as_map_mut);
    for (_, _, service) in services.into_iter().flat_map(Map::iter_mut) {
        let Some(scale) = service.get("scale").cloned() else {
            continue;
        };
        if let Some(deploy) = service.get_mut("deploy").and_then(Node::as_map_mut) {
            deploy.insert("replicas", scale.span, scale);
        }
    }
}

/// Gives the network `default` to services that name none, and adds it where one uses it.
fn default_network(tree: &mut Node) {
    let span = tree.span;
    let mut user: Option<Span> = None;
    if let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) {
        for (_, key_span, service) in services.iter_mut() {
            let Some(service) = service.as_map_mut() else {
                continue;
            };
            if service.contains("provider") || service.contains("network_mode") {
                continue;
            }
            let given = service.get("networks").and_then(Node::as_map);
            if given.is_none_or(Map::is_empty) {
                let mut networks = Node::map(key_span);
                if let Some(map) = networks.as_map_mut() {
                    map.insert_made("default", Node::null(key_span));
                }
                service.insert_made("networks", networks);
            } else if given.is_none_or(|networks| !networks.contains("default")) {
                continue;
            }
            user = user.or(Some(key_span));
        }
    }
    let (Some(user), Some(top)) = (user, tree.as_map_mut()) else {
        return;
    };
    if top.get("networks").is_none_or(Node::is_null) {
        top.insert("networks", span, Node::map(span));
    }
    if let Some(networks) = top.get_mut("networks").and_then(Node::as_map_mut)
        && !networks.contains("default")
    {
        networks.insert("default", user, Node::null(user));
    }
}

fn complete_service(service: &mut Map, environment: &BTreeMap<String, String>) {
    if let Some(policy) = service.get_mut("pull_policy")
        && policy.as_str() == Some("if_not_present")
    {
        policy.value = Value::String("missing".to_owned());
    }
    if let Some(build) = service.get_mut("build") {
        complete_build(build, environment);
    }
    if let Some(Value::List(mounts)) = service.get_mut("volumes").map(|node| &mut node.value) {
        for mount in mounts {
            if let Some(target) = mount.get_mut("target")
                && let Value::String(text) = &mut target.value
            {
                *text = clean_target(if text.is_empty() { "." } else { text });
            }
        }
    }
    let implied = implied_dependencies(service);
    if implied.is_empty() {
        return;
    }
    let span = implied[0].span;
    if service.get("depends_on").is_none_or(Node::is_null) {
        service.insert_made("depends_on", Node::map(span));
    }
    if let Some(given) = service.get_mut("depends_on").and_then(Node::as_map_mut) {
        for implied in implied {
            if !given.contains(&implied.service) {
                given.insert_made(implied.service.clone(), implied.node());
            }
        }
    }
}

fn complete_build(build: &mut Node, environment: &BTreeMap<String, String>) {
    let span = build.span;
    let Some(build) = build.as_map_mut() else {
        return;
    };
    if !build.contains("context") {
        build.insert_made("context", Node::string(".", span));
    }
    // An empty name, of a variable that is not set, would be left out of normal form: the same.
    let named = |key: &str| build.get(key).is_some_and(|node| node.as_str() != Some(""));
    if !named("dockerfile") && !named("dockerfile_inline") {
        build.insert_made("dockerfile", Node::string("Dockerfile", span));
    }
    if let Some(args) = build.get_mut("args") {
        inherit(args, environment, false);
    }
}

/// Gives names without a value their value from the environment; those that it has not are kept or
/// left out.
fn inherit(pairs: &mut Node, environment: &BTreeMap<String, String>, keep: bool) {
    match &mut pairs.value {
        Value::Map(map) => map.retain(|key, node| {
            if !node.is_null() {
                return true;
            }
            match environment.get(key) {
                Some(value) => {
                    node.value = Value::String(value.clone());
                    true
                }
                None => keep,
            }
        }),
        Value::List(items) => items.retain_mut(|item| {
            let Some(name) = item.as_str().filter(|text| !text.contains('=')) else {
                return true;
            };
            match environment.get(name) {
                Some(value) => {
                    item.value = Value::String(format!("{name}={value}"));
                    true
                }
                None => keep,
            }
        }),
        _ => {}
    }
}

struct Implied {
    service: String,
    restart: bool,
    span: Span,
}

impl Implied {
    fn node(&self) -> Node {
        let mut node = Node::map(self.span);
        if let Some(map) = node.as_map_mut() {
            map.insert_made("condition", Node::string("service_started", self.span));
            map.insert_made("restart", Node::bool(self.restart, self.span));
            map.insert_made("required", Node::bool(true, self.span));
        }
        node
    }
}

/// The services that links, shared namespaces and shared mounts make this one wait for.
fn implied_dependencies(service: &Map) -> Vec<Implied> {
    let mut implied = Vec::new();
    for link in service.get("links").and_then(Node::as_list).unwrap_or(&[]) {
        let text = link.as_str().unwrap_or_default();
        let parts: Vec<&str> = text.split(':').collect();
        implied.push(Implied {
            service: if parts.len() == 2 { parts[0] } else { text }.to_owned(),
            restart: true,
            span: link.span,
        });
    }
    for key in ["network_mode", "ipc", "pid", "uts", "cgroup"] {
        let Some(node) = service.get(key) else {
            continue;
        };
        if let Some(name) = node.as_str().and_then(|text| text.strip_prefix("service:")) {
            implied.push(Implied {
                service: name.to_owned(),
                restart: true,
                span: node.span,
            });
        }
    }
    for other in service
        .get("volumes_from")
        .and_then(Node::as_list)
        .unwrap_or(&[])
    {
        let text = other.as_str().unwrap_or_default();
        if !text.starts_with("container:") {
            implied.push(Implied {
                service: text.split(':').next().unwrap_or_default().to_owned(),
                restart: false,
                span: other.span,
            });
        }
    }
    implied
}

/// Names resources by the project and their key, external ones by their key.
fn names(tree: &mut Node, project: &str) {
    for section in ["networks", "volumes", "configs", "secrets"] {
        let Some(resources) = tree.get_mut(section).and_then(Node::as_map_mut) else {
            continue;
        };
        for (key, key_span, resource) in resources.iter_mut() {
            if resource.is_null() {
                *resource = Node::map(key_span);
            }
            let Some(map) = resource.as_map_mut() else {
                continue;
            };
            if map.get("name").is_some_and(|name| !name.is_null()) {
                continue;
            }
            let external = match map.get("external").map(|node| &node.value) {
                Some(Value::Bool(external)) => *external,
                Some(Value::String(text)) => flag(text).unwrap_or_default(),
                _ => false,
            };
            let name = if external {
                key.to_owned()
            } else {
                format!("{project}_{key}")
            };
            map.insert_made("name", Node::string(name, key_span));
        }
    }
}
