//! What an override file, a further document, `extends` and `include` do to what is there.
//!
//! Mappings merge key by key, lists are appended, everything else is replaced; nothing (`null`)
//! keeps what is there. [`merge`] has the exceptions. What must not be twice in the result is
//! sorted out by [`super::unique`].

use super::diagnostic::Diagnostic;
use super::node::{Map, Node, Value};
use super::path::Path;
use super::source::Span;
use super::units::write_float;

/// `over` on top of `base`.
pub(super) fn merge(base: Node, over: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    match path.parts() {
        ["services", _, "command" | "entrypoint"] | ["services", _, "healthcheck", "test"] => over,
        ["services", _, rest @ ..] if is_sequence(rest) => append(base, over, path, errors),
        ["networks" | "volumes", _, "labels"] => append(base, over, path, errors),
        ["services", _, "extra_hosts"] | ["services", _, "build", "extra_hosts"] => {
            append_new(base, over, path, errors)
        }
        ["services", _, "build"] => {
            let (base, over) = (into_build(base), into_build(over));
            merge_value(base, over, path, errors)
        }
        ["services", _, "depends_on"] => {
            let (base, over) = (by_name(base, dependency), by_name(over, dependency));
            merge_value(base, over, path, errors)
        }
        ["services", _, "networks" | "models"] => {
            let (base, over) = (by_name(base, Node::null), by_name(over, Node::null));
            merge_value(base, over, path, errors)
        }
        ["services", _, "logging"] if drivers_differ(&base, &over) => over,
        ["services", _, "ulimits", _] => over,
        ["networks", _, "ipam", "config"] => merge_pools(base, over, path, errors),
        _ => merge_value(base, over, path, errors),
    }
}

/// Keys of a service that are lists of `K=V` or of plain values, however they are written.
fn is_sequence(path: &[&str]) -> bool {
    matches!(
        path,
        ["annotations"
            | "dns"
            | "dns_opt"
            | "dns_search"
            | "env_file"
            | "environment"
            | "label_file"
            | "labels"
            | "sysctls"
            | "tmpfs"]
            | ["build", "args" | "additional_contexts" | "labels"]
            | ["deploy", "labels"]
            | ["volumes", "[]", "volume", "labels"]
    )
}

fn merge_value(base: Node, over: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    if over.is_null() {
        return base;
    }
    let (base_span, over_span) = (base.span, over.span);
    let differing = |kinds: (&str, &str)| {
        Diagnostic::invalid(format!("{path}: {} can't override {}", kinds.1, kinds.0))
            .at(over_span)
            .label(base_span, "what it would override")
    };
    let kinds = (base.value.kind(), over.value.kind());
    match (base.value, over.value) {
        (Value::Map(base), Value::Map(over)) => {
            Node::new(Value::Map(merge_maps(base, over, path, errors)), over_span)
        }
        (Value::List(mut base), Value::List(over)) => {
            base.extend(over);
            Node::new(Value::List(base), over_span)
        }
        (base @ (Value::Map(_) | Value::List(_)), _) => {
            errors.push(differing(kinds));
            Node::new(base, base_span)
        }
        (_, over) => Node::new(over, over_span),
    }
}

fn merge_maps(mut base: Map, over: Map, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Map {
    for (key, key_span, value) in over {
        match base.get_mut(&key) {
            Some(slot) => {
                let before = std::mem::replace(slot, Node::null(key_span));
                *slot = merge(before, value, path.key(&key), errors);
            }
            None => {
                base.insert(key, key_span, value);
            }
        }
    }
    base
}

/// Both as lists, one behind the other.
fn append(base: Node, over: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    let span = if over.is_null() { base.span } else { over.span };
    let mut items = into_list(base, path, errors);
    items.extend(into_list(over, path, errors));
    Node::new(Value::List(items), span)
}

/// As [`append`], without what is there already.
fn append_new(base: Node, over: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    let span = if over.is_null() { base.span } else { over.span };
    let mut items = into_list(base, path, errors);
    let more: Vec<Node> = into_list(over, path, errors)
        .into_iter()
        .filter(|item| !items.contains(item))
        .collect();
    items.extend(more);
    Node::new(Value::List(items), span)
}

/// A list as it is, a string as a list of one, a mapping as `K=V` in the order of its keys.
fn into_list(node: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Vec<Node> {
    let span = node.span;
    match node.value {
        Value::List(items) => items,
        Value::String(text) => vec![Node::string(text, span)],
        Value::Null => Vec::new(),
        Value::Map(map) => {
            let mut entries: Vec<_> = map.into_iter().collect();
            entries.sort_by(|(a, ..), (b, ..)| a.cmp(b));
            entries
                .into_iter()
                .flat_map(|(key, key_span, value)| pairs(&key, key_span, value))
                .collect()
        }
        value => {
            errors.push(
                Diagnostic::invalid(format!(
                    "{path} must be a list or a mapping, and this is {}",
                    value.kind()
                ))
                .at(span),
            );
            Vec::new()
        }
    }
}

fn pairs(key: &str, key_span: Span, value: Node) -> Vec<Node> {
    let span = Span {
        start: key_span.start,
        ..value.span
    };
    let span = if key_span.source == value.span.source && key_span.start <= value.span.end {
        span
    } else {
        value.span
    };
    match value.value {
        Value::Null => vec![Node::string(key, key_span)],
        Value::List(items) => items
            .into_iter()
            .map(|item| Node::string(format!("{key}={}", to_text(&item.value)), item.span))
            .collect(),
        value => vec![Node::string(format!("{key}={}", to_text(&value)), span)],
    }
}

/// A scalar as the text that stands for it in `K=V`.
pub(super) fn to_text(value: &Value) -> String {
    match value {
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Float(number) => write_float(*number),
        Value::Date(text) | Value::String(text) => text.clone(),
        Value::Null | Value::List(_) | Value::Map(_) => String::new(),
    }
}

/// `build: ./folder` as a mapping.
fn into_build(node: Node) -> Node {
    match node.value {
        Value::String(_) => {
            let mut build = Node::map(node.span);
            if let Some(map) = build.as_map_mut() {
                map.insert_made("context", node);
            }
            build
        }
        _ => node,
    }
}

/// A list of names as a mapping from each to a value.
pub(super) fn by_name(node: Node, value: impl Fn(Span) -> Node) -> Node {
    let span = node.span;
    let Value::List(items) = node.value else {
        return node;
    };
    let mut map = Map::with_capacity(items.len());
    for item in items {
        let item_span = item.span;
        match item.value {
            Value::String(name) => {
                map.insert(name, item_span, value(item_span));
            }
            // Not a name: as it is, for the schema to refuse.
            value => return Node::new(Value::List(vec![Node::new(value, item_span)]), span),
        }
    }
    Node::new(Value::Map(map), span)
}

/// What a name in a list of dependencies stands for.
pub(super) fn dependency(span: Span) -> Node {
    let mut node = Node::map(span);
    if let Some(map) = node.as_map_mut() {
        map.insert_made("condition", Node::string("service_started", span));
        map.insert_made("required", Node::bool(true, span));
    }
    node
}

/// Options of one log driver mean nothing to another.
fn drivers_differ(base: &Node, over: &Node) -> bool {
    match (base.get("driver"), over.get("driver")) {
        (Some(base), Some(over)) => base != over,
        _ => false,
    }
}

/// Address pools, by subnet. An order of steps that drops a pool of the base which the override
/// does not name, as Docker Compose has it.
fn merge_pools(base: Node, over: Node, path: Path<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    let span = over.span;
    let (Some(base), Some(over)) = (base.as_list(), over.as_list()) else {
        return merge_value(base, over, path, errors);
    };
    let subnet = |node: &Node| node.get("subnet").cloned();
    let mut pools: Vec<Node> = Vec::new();
    for pool in base {
        let mut pool = pool.clone();
        for other in over {
            let listed = pools.iter().any(|known| subnet(known) == subnet(other));
            if subnet(other) != subnet(&pool) && !listed {
                pools.push(other.clone());
                continue;
            }
            pool = merge_value(pool, other.clone(), path.item(0), errors);
            match pools
                .iter_mut()
                .find(|known| subnet(known) == subnet(&pool))
            {
                Some(known) => *known = pool.clone(),
                None => pools.push(pool.clone()),
            }
        }
    }
    Node::new(Value::List(pools), span)
}
