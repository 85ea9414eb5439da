//! The tree as `config` prints it: each value converted to what it means, what is empty left out.
//!
//! The conversions are where a value of the right type can still be wrong: a size without sense, a
//! duration without unit. What Docker Compose drops or mangles without a word is kept as it keeps
//! it, warned of, and an error of a launch.

mod numbers;
mod pairs;

use super::diagnostic::{Diagnostic, Severity};
use super::merge::to_text;
use super::node::{Map, Node, Value};
use super::path::Path;
use super::schema::{Form, Object, PROJECT, Scalar, Shape, Types};
use super::source::Span;
use super::units;
use super::words;

/// Keys that a file may have and that nothing has ever come of.
const DROPPED: &[&str] = &["env_file", "label_file", "pull_refresh_after", "version"];

/// A pass over a tree.
#[derive(Debug, Default)]
pub(super) struct NormalForm {
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// What Docker Compose gets wrong silently: errors of a launch.
    pub deferred: Vec<Diagnostic>,
}

impl NormalForm {
    /// A whole project.
    pub(super) fn project(&mut self, tree: &Node) -> Node {
        self.value(&PROJECT, tree, Path::default())
            .unwrap_or_else(|| Node::map(tree.span))
    }

    fn fail(&mut self, span: Span, path: Path<'_>, problem: impl std::fmt::Display) {
        self.errors
            .push(Diagnostic::invalid(format!("{path}: {problem}")).at(span));
    }

    /// Warns of what would surprise, and has a launch refuse it.
    fn defer(&mut self, warning: Diagnostic) {
        self.deferred.push(Diagnostic {
            severity: Severity::Error,
            ..warning.clone()
        });
        self.warnings.push(warning);
    }

    /// The value in normal form; `None` where it is left out.
    fn value(&mut self, shape: &Shape, node: &Node, path: Path<'_>) -> Option<Node> {
        let types = Types::of(&node.value)?;
        let shape = shape.alternative(types)?;
        let with = |value| Some(Node::new(value, node.span));
        match (shape, &node.value) {
            (Shape::Any, _) => Some(node.clone()),
            (Shape::Scalar(scalar), _) => with(self.scalar(*scalar, node, path)?),
            (Shape::Object(_), Value::Null) if is_resource(path) => {
                with(Value::Map(Map::default()))
            }
            (Shape::Object(_), Value::Null) => with(Value::Null),
            (Shape::Object(object), Value::Map(map)) => {
                with(Value::Map(self.object(object, map, node.span, path)))
            }
            (Shape::Named(named), Value::Map(map)) => {
                let map = self.each(map, path, |this, node, path| {
                    this.value(named.item, node, path)
                });
                filled_map(map).and_then(with)
            }
            (Shape::List(list), Value::List(items)) => {
                let items = items.iter().enumerate();
                let items =
                    items.filter_map(|(index, item)| self.item(list.item, item, path.item(index)));
                filled_list(items.collect()).and_then(with)
            }
            (Shape::Texts, Value::String(_)) => with(Value::List(vec![node.clone()])),
            (Shape::Texts | Shape::Test, Value::List(items)) => {
                filled_list(items.clone()).and_then(with)
            }
            (Shape::Command, Value::String(text)) => {
                with(Value::List(self.words(text, node.span, path)))
            }
            (Shape::Command, _) => with(node.value.clone()),
            (Shape::Test, Value::String(_)) => with(Value::List(vec![
                Node::string("CMD-SHELL", node.span),
                node.clone(),
            ])),
            (Shape::Pairs(pairs), _) => filled_map(self.pairs(*pairs, node, path)).and_then(with),
            (Shape::Hosts, _) => {
                let hosts = self.hosts(node, path);
                // Names without addresses leave a list without items, and not nothing.
                let named = node.as_map().is_some_and(|map| !map.is_empty());
                (named || !hosts.is_empty()).then(|| Node::new(Value::List(hosts), node.span))
            }
            (Shape::Options(_), Value::Map(map)) => {
                let map = self.each(map, path, |_, node, _| {
                    Some(Node::string(to_text(&node.value), node.span))
                });
                filled_map(map).and_then(with)
            }
            (Shape::MultiOptions, Value::Map(map)) => {
                let map = self.each(map, path, |_, node, _| {
                    let text = |node: &Node| Node::string(to_text(&node.value), node.span);
                    let items = match &node.value {
                        Value::List(items) => items.iter().map(text).collect(),
                        _ => vec![text(node)],
                    };
                    Some(Node::new(filled_list(items)?, node.span))
                });
                filled_map(map).and_then(with)
            }
            (Shape::FreeOptions, Value::Map(map)) => {
                let map = self.each(map, path, |this, node, path| match &node.value {
                    Value::String(_) | Value::Int(_) | Value::Null => {
                        Some(Node::string(to_text(&node.value), node.span))
                    }
                    other => {
                        this.fail(
                            node.span,
                            path,
                            format!("this must be a string, and is {}", other.kind()),
                        );
                        None
                    }
                });
                filled_map(map).and_then(with)
            }
            _ => None,
        }
    }

    /// An item of a list, which stays even if it is empty.
    fn item(&mut self, shape: &Shape, node: &Node, path: Path<'_>) -> Option<Node> {
        match shape.alternative(Types::of(&node.value)?)? {
            Shape::Scalar(scalar) => {
                let kept = Scalar {
                    keep: true,
                    ..*scalar
                };
                let value = self.scalar(kept, node, path)?;
                Some(Node::new(value, node.span))
            }
            shape => self.value(shape, node, path),
        }
    }

    fn each(
        &mut self,
        map: &Map,
        path: Path<'_>,
        mut f: impl FnMut(&mut Self, &Node, Path<'_>) -> Option<Node>,
    ) -> Map {
        let mut out = Map::with_capacity(map.len());
        for (key, key_span, node) in map.iter() {
            if let Some(node) = f(self, node, path.key(key)) {
                out.insert(key, key_span, node);
            }
        }
        out
    }

    fn object(&mut self, object: &Object, map: &Map, span: Span, path: Path<'_>) -> Map {
        let mut out = Map::with_capacity(map.len());
        for (name, key_span, node) in map.iter() {
            let value = match object.key(name) {
                Some(key) => self
                    .value(key.shape, node, path.key(name))
                    .filter(|value| !value.is_null()),
                None if name.starts_with("x-") => Some(node.clone()),
                None => None,
            };
            let dropped = DROPPED.contains(&name)
                || matches!(path.parts(), ["networks", _, "ipam"] if name == "options");
            if let Some(value) = value.filter(|_| !dropped) {
                out.insert(name, key_span, value);
            }
        }
        for key in object.keys.iter().filter(|key| key.always) {
            if !out.contains(key.name) {
                let value = match key.shape {
                    Shape::Scalar(scalar) => Node::new(scalar.form.zero(), span),
                    shape => self
                        .value(shape, &Node::map(span), path.key(key.name))
                        .unwrap_or_else(|| Node::map(span)),
                };
                out.insert_made(key.name, value);
            }
        }
        out
    }

    fn scalar(&mut self, scalar: Scalar, node: &Node, path: Path<'_>) -> Option<Value> {
        let span = node.span;
        let zero_is_kept = |value: Value, zero: bool| (scalar.keep || !zero).then_some(value);
        match (scalar.form, &node.value) {
            (_, Value::Null) => None,
            (Form::Text, Value::Float(_)) => {
                let text = to_text(&node.value);
                self.fail(
                    span,
                    path,
                    format!("{text} must be a whole number, or in quotes"),
                );
                None
            }
            (Form::Text, value) => {
                let text = to_text(value);
                let empty = text.is_empty();
                zero_is_kept(Value::String(text), empty)
            }
            (Form::Flag, Value::Bool(flag)) => zero_is_kept(Value::Bool(*flag), !flag),
            (Form::Flag, Value::String(text)) => {
                if let Some(flag) = flag(text) {
                    zero_is_kept(Value::Bool(flag), !flag)
                } else {
                    self.fail(span, path, format!("`{text}` is no boolean"));
                    None
                }
            }
            (Form::Unsigned, Value::String(text)) => {
                self.fail(
                    span,
                    path,
                    format!("`{text}` must be a number without quotes"),
                );
                None
            }
            (Form::Integer, value) => {
                let number = match self.beyond(value, span, path) {
                    Some(number) => number,
                    None => self.integer(value, span, path)?,
                };
                zero_is_kept(Value::Int(number), number == 0)
            }
            (Form::Digits, Value::Float(_)) => {
                let problem = "this must be a whole number, written as one";
                self.fail(span, path, problem);
                None
            }
            (Form::Digits | Form::Unsigned | Form::Port, value) => {
                let number = self.integer(value, span, path)?;
                if number < 0 && scalar.form != Form::Digits {
                    self.fail(span, path, "this can't be below zero");
                    return None;
                }
                zero_is_kept(Value::Int(number), number == 0)
            }
            (Form::Float, value) => {
                let number = self.float(value, span, path)?;
                zero_is_kept(Value::Float(number), number == 0.0)
            }
            (Form::Bytes, value) => {
                let size = self.bytes(value, span, path)?;
                // A string can't be a negative size when it is read again.
                let written = match size {
                    ..0 => Value::Int(size),
                    _ => Value::String(size.to_string()),
                };
                zero_is_kept(written, size == 0)
            }
            (Form::Duration, value) => match units::duration(&to_text(value)) {
                Ok(duration) => {
                    let text = units::write_duration(duration);
                    zero_is_kept(Value::String(text), duration == 0)
                }
                Err(problem) => {
                    self.fail(span, path, problem);
                    None
                }
            },
            (Form::Mode, value) => self.mode(value, span, path),
            (Form::Count, Value::String(text)) if text.eq_ignore_ascii_case("all") => {
                Some(Value::Int(-1))
            }
            (Form::Count, value) => {
                let count = self.integer(value, span, path)?;
                zero_is_kept(Value::Int(count), count == 0)
            }
            (Form::Flag, _) => None,
        }
    }

    fn words(&mut self, text: &str, span: Span, path: Path<'_>) -> Vec<Node> {
        match words::split(text) {
            Ok(split) => {
                if let Some(operator) = split.cut_at {
                    let shell = serde_json::to_string(text).unwrap_or_default();
                    self.defer(
                        Diagnostic::warning(format!(
                            "{path}: no shell runs this; it ends before the `{operator}`"
                        ))
                        .at(span)
                        .help(format!("for a shell, write [\"sh\", \"-c\", {shell}]")),
                    );
                }
                let words = split.words.into_iter();
                words.map(|word| Node::string(word, span)).collect()
            }
            Err(problem) => {
                self.fail(span, path, problem);
                Vec::new()
            }
        }
    }
}

impl Form {
    /// What is written where nothing was given.
    fn zero(self) -> Value {
        match self {
            Self::Flag => Value::Bool(false),
            Self::Text | Self::Mode => Value::String(String::new()),
            Self::Bytes => Value::String("0".to_owned()),
            Self::Duration => Value::String("0s".to_owned()),
            Self::Integer | Self::Digits | Self::Unsigned | Self::Count | Self::Port => {
                Value::Int(0)
            }
            Self::Float => Value::Float(0.0),
        }
    }
}

/// A boolean as a string; the words of YAML 1.1 are among them.
pub(super) fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// Whether a path is that of a network, a volume, a config or a secret of the project, of which
/// nothing said is as good as no key given.
fn is_resource(path: Path<'_>) -> bool {
    matches!(
        path.parts(),
        ["networks" | "volumes" | "configs" | "secrets", _]
    )
}

fn filled_map(map: Map) -> Option<Value> {
    (!map.is_empty()).then_some(Value::Map(map))
}

fn filled_list(items: Vec<Node>) -> Option<Value> {
    (!items.is_empty()).then_some(Value::List(items))
}
