//! Checks of a merged tree that look at more than one value: first those that each set of files must
//! pass on its own ([`check_resources`]), then those of the whole project ([`check_project`]).

mod circles;
mod resources;
mod services;

use std::collections::{BTreeMap, HashMap};

use super::diagnostic::Diagnostic;
use super::node::{Map, Node, Value};
use super::source::Span;

pub(super) use resources::check_resources;

/// The active services of a project in normal form, and the names of the others.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub tree: &'a Node,
    pub disabled: &'a BTreeMap<String, Node>,
}

/// Everything that the parts of a project must agree on.
pub(super) fn check_project(whole: &Whole<'_>, errors: &mut Vec<Diagnostic>) {
    for (name, key_span, service) in section(whole.tree, "services") {
        services::Service {
            whole,
            name,
            key_span,
            node: service,
            errors,
        }
        .check();
    }
    for (name, key_span, secret) in section(whole.tree, "secrets") {
        let has_source =
            !text(secret, "file").is_empty() || !text(secret, "environment").is_empty();
        if !has_source && !secret.get("external").is_some_and(is_true) {
            let problem = format!("secrets.{name} needs a `file` or an `environment`");
            errors.push(Diagnostic::invalid(problem).at(key_span));
        }
    }
    if let Some(services) = whole.tree.get("services").and_then(Node::as_map) {
        circles::check(services, errors);
    }
    check_container_names(whole, errors);
}

fn check_container_names(whole: &Whole<'_>, errors: &mut Vec<Diagnostic>) {
    let mut names: HashMap<&str, Span> = HashMap::new();
    for (service, _, node) in section(whole.tree, "services") {
        let Some(name) = node.get("container_name") else {
            continue;
        };
        if let Some(first) = names.insert(name.as_str().unwrap_or_default(), name.span) {
            errors.push(
                Diagnostic::invalid(format!(
                    "services.{service} has the container_name of another service"
                ))
                .at(name.span)
                .label(first, "the other"),
            );
        }
    }
}

/// The entries of a top-level mapping.
fn section<'t>(tree: &'t Node, name: &str) -> impl Iterator<Item = (&'t str, Span, &'t Node)> {
    tree.get(name)
        .and_then(Node::as_map)
        .into_iter()
        .flat_map(Map::iter)
}

fn items<'t>(node: &'t Node, key: &str) -> &'t [Node] {
    node.get(key).and_then(Node::as_list).unwrap_or(&[])
}

fn is_true(node: &Node) -> bool {
    matches!(node.value, Value::Bool(true))
}

fn text<'t>(node: &'t Node, key: &str) -> &'t str {
    node.get(key).and_then(Node::as_str).unwrap_or_default()
}
