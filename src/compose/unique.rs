//! Lists in which a thing can be but once: of two that mean the same, the later one stays, in the
//! place of the earlier.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::diagnostic::Diagnostic;
use super::merge::to_text;
use super::node::{Node, Value};
use super::path::Path;
use super::short_volume;

/// Sorts out every such list of a tree.
pub(super) fn unique(node: &mut Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::Map(map) => {
            for (key, _, node) in map.iter_mut() {
                let holds_others = matches!(node.value, Value::Map(_) | Value::List(_));
                // Extensions, and whatever rules know nothing of, can be large.
                if holds_others && !key.starts_with("x-") {
                    unique(node, path.key(key), errors);
                }
            }
        }
        Value::List(items) => {
            if let Some(identity) = identity(path.parts()) {
                sort_out(items, identity, path, errors);
            }
        }
        _ => {}
    }
}

/// What makes two items the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Identity {
    /// The text before `=`.
    Key,
    /// The target of a mount.
    Mount,
    Device,
    /// The target of a config or a secret, by default below this folder.
    FileIn(&'static str),
    EnvFile,
    Exposed,
    Port,
}

fn identity(path: &[&str]) -> Option<Identity> {
    let identity = match path {
        ["services", _, key] => match *key {
            "annotations" | "cap_add" | "cap_drop" | "dns" | "dns_opt" | "dns_search"
            | "environment" | "labels" | "links" | "profiles" | "sysctls" | "tmpfs" => {
                Identity::Key
            }
            "volumes" => Identity::Mount,
            "devices" => Identity::Device,
            "configs" => Identity::FileIn(""),
            "secrets" => Identity::FileIn("/run/secrets"),
            "env_file" => Identity::EnvFile,
            "expose" => Identity::Exposed,
            "ports" => Identity::Port,
            _ => return None,
        },
        ["networks", _, "labels"]
        | ["networks", _, "ipam", "options"]
        | [
            "services",
            _,
            "build",
            "args" | "additional_contexts" | "tags" | "labels",
        ]
        | ["services", _, "deploy", "labels"]
        | ["services", _, "networks", _, "aliases" | "link_local_ips"] => Identity::Key,
        _ => return None,
    };
    Some(identity)
}

fn sort_out(
    items: &mut Vec<Node>,
    identity: Identity,
    path: Path<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    let mut places: HashMap<String, usize, RandomState> = HashMap::default();
    let mut kept: Vec<Node> = Vec::with_capacity(items.len());
    for (index, item) in std::mem::take(items).into_iter().enumerate() {
        let key = match identity.of(&item) {
            Ok(Some(key)) => key,
            // Not of a type that has an identity: the schema will say so.
            Ok(None) => {
                kept.push(item);
                continue;
            }
            Err(problem) => {
                let message = format!("{}: {problem}", path.item(index));
                errors.push(Diagnostic::invalid(message).at(item.span));
                continue;
            }
        };
        if let Some(&place) = places.get(&key) {
            kept[place] = item;
        } else {
            places.insert(key, kept.len());
            kept.push(item);
        }
    }
    *items = kept;
}

impl Identity {
    fn of(self, item: &Node) -> Result<Option<String>, String> {
        let key = match (self, &item.value) {
            (Self::Key, Value::String(text)) => {
                text.split('=').next().unwrap_or_default().to_owned()
            }
            (Self::Mount, Value::String(text)) => {
                short_volume::parse(text).map_err(|e| e.to_string())?.target
            }
            (Self::Mount | Self::Device, Value::Map(map)) => {
                match map.get("target").and_then(Node::as_str) {
                    Some(target) => target.to_owned(),
                    None => return Err("it lacks a `target`".to_owned()),
                }
            }
            (Self::Device, Value::String(text)) => {
                let mut parts = text.split(':');
                let source = parts.next().unwrap_or_default();
                parts.next().unwrap_or(source).to_owned()
            }
            (Self::FileIn(folder), Value::String(text)) => format!("{folder}/{text}"),
            (Self::FileIn(folder), Value::Map(map)) => {
                match (map.get("target"), map.get("source")) {
                    (Some(target), _) => to_text(&target.value),
                    (None, Some(source)) => format!("{folder}/{}", to_text(&source.value)),
                    (None, None) => return Ok(None),
                }
            }
            (Self::EnvFile, Value::Map(map)) => match map.get("path").and_then(Node::as_str) {
                Some(path) => path.to_owned(),
                None => return Err("it lacks a `path`".to_owned()),
            },
            (Self::EnvFile | Self::Exposed | Self::Port, Value::String(text)) => text.clone(),
            (Self::Exposed | Self::Port, Value::Int(number)) => number.to_string(),
            (Self::Port, Value::Map(_)) => port(item)?,
            _ => return Ok(None),
        };
        Ok(Some(key))
    }
}

/// A number and a text that look alike are two published ports, as Docker Compose has it.
fn port(item: &Node) -> Result<String, String> {
    let text = |key: &str, default: &str| {
        item.get(key)
            .map_or_else(|| default.to_owned(), |node| to_text(&node.value))
    };
    if item.get("target").is_none() {
        return Err("it lacks a `target`".to_owned());
    }
    let published = item.get("published").map(|node| match node.value {
        Value::String(_) => format!("'{}'", to_text(&node.value)),
        _ => to_text(&node.value),
    });
    Ok(format!(
        "{}:{}:{}/{}",
        text("host_ip", "0.0.0.0"),
        published.unwrap_or_default(),
        text("target", ""),
        text("protocol", "tcp"),
    ))
}
