//! The normal form as text, as Docker Compose prints it: keys sorted, `$` doubled.
//!
//! A project's JSON has some ways of its own: extensions only at the top, no models, `command` and
//! `entrypoint` even where there are none.

use std::borrow::Cow;
use std::iter::repeat_n;

use serde_json::{Map as JsonMap, Number, Value as Json};

use super::merge::to_text;
use super::node::{Map, Node, Value};
use super::path::Path;
use super::scalar;

/// What is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Printed {
    /// A loaded project. Variables were replaced: each `$` is meant as such, and doubled to be read
    /// again as one.
    Project,
    /// Merged files, as they are written.
    Model,
}

/// Pretty JSON, with a line feed at the end.
///
/// # Panics
/// Never: every value is JSON.
pub fn to_json(tree: &Node, printed: Printed) -> String {
    let json = json(tree, Path::default(), printed);
    let mut text = serde_json::to_string_pretty(&json).expect("a value is always JSON");
    text.push('\n');
    text
}

fn escaped(text: &str, printed: Printed) -> Cow<'_, str> {
    if printed == Printed::Project && text.contains('$') {
        Cow::Owned(text.replace('$', "$$"))
    } else {
        Cow::Borrowed(text)
    }
}

fn sorted(map: &Map) -> Vec<(&str, &Node)> {
    let mut entries: Vec<_> = map.iter().map(|(key, _, node)| (key, node)).collect();
    entries.sort_by_key(|(key, _)| *key);
    entries
}

fn json(node: &Node, path: Path<'_>, printed: Printed) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => Json::Bool(*value),
        Value::Int(number) if printed == Printed::Project && is_size(path) => {
            Json::String(number.to_string())
        }
        Value::Int(number) => Json::Number((*number).into()),
        Value::Unsigned(number) => Json::Number((*number).into()),
        Value::Float(number) => json_number(*number),
        Value::Date(text) => Json::String(date(text)),
        Value::String(text) => Json::String(escaped(text, printed).into_owned()),
        // What Docker Compose makes of an empty list that it knows nothing of.
        Value::List(items)
            if printed == Printed::Project && items.is_empty() && is_extension(path) =>
        {
            Json::Null
        }
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(index, item)| json(item, path.item(index), printed))
            .collect(),
        Value::Map(map) => Json::Object(json_map(map, path, printed)),
    }
}

/// Sizes are strings in JSON, even negative ones.
fn is_size(path: Path<'_>) -> bool {
    matches!(
        path.parts(),
        [
            "services",
            _,
            "mem_limit" | "mem_reservation" | "mem_swappiness" | "memswap_limit" | "shm_size"
        ] | ["services", _, "build", "shm_size"]
            | ["services", _, "blkio_config", _, "[]", "rate"]
            | ["services", _, "volumes", "[]", "tmpfs", "size"]
    )
}

fn is_extension(path: Path<'_>) -> bool {
    path.parts()
        .first()
        .is_some_and(|first| first.starts_with("x-"))
}

fn json_map(map: &Map, path: Path<'_>, printed: Printed) -> JsonMap<String, Json> {
    let mut out = JsonMap::new();
    if printed == Printed::Model {
        for (key, node) in sorted(map) {
            out.insert(key.to_owned(), json(node, path.key(key), printed));
        }
        return out;
    }
    let top = path.parts().is_empty();
    for (key, node) in sorted(map) {
        if top && key == "models" || is_nested_extension(path, key) {
            continue;
        }
        let name = match path.parts() {
            ["services", _, "blkio_config", _, "[]"] => capitalized(key),
            _ => escaped(key, printed).into_owned(),
        };
        out.insert(name, json(node, path.key(key), printed));
    }
    if let ["services", _] = path.parts() {
        for key in ["command", "entrypoint"] {
            if !map.contains(key) {
                out.insert(key.to_owned(), Json::Null);
            }
        }
        out.sort_keys();
    }
    out
}

/// An extension that is not at the top. Below the names that users choose, `x-…` is such a name.
fn is_nested_extension(path: Path<'_>, key: &str) -> bool {
    if !key.starts_with("x-") {
        return false;
    }
    match path.parts() {
        []
        | ["services" | "networks" | "volumes" | "secrets" | "configs" | "models"]
        | [
            "services",
            _,
            "depends_on" | "environment" | "labels" | "annotations" | "networks" | "models"
            | "sysctls" | "storage_opt" | "ulimits",
        ]
        | [
            "services",
            _,
            "build",
            "args" | "labels" | "additional_contexts",
        ]
        | ["services", _, "deploy", "labels"]
        | ["services", _, "logging" | "provider", "options"]
        | [
            "networks" | "volumes" | "secrets" | "configs",
            _,
            "labels" | "driver_opts",
        ] => false,
        [first, ..] if first.starts_with("x-") => false,
        _ => true,
    }
}

fn capitalized(key: &str) -> String {
    let mut chars = key.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "the range is looked at first"
)]
fn json_number(number: f64) -> Json {
    if number.fract() == 0.0 && number.abs() < 1e15 {
        return Json::Number((number as i64).into());
    }
    Number::from_f64(number).map_or_else(
        || Json::String(to_text(&Value::Float(number))),
        Json::Number,
    )
}

/// A date as Docker Compose prints one.
fn date(text: &str) -> String {
    match text.len() {
        10 => format!("{text}T00:00:00Z"),
        _ => text.to_owned(),
    }
}

/// YAML. Its strings are quoted wherever they would be read as something else, by the rules of
/// `scalar`, which no general writer knows. The `$` of a key is not doubled: nobody replaces
/// variables in keys.
pub fn to_yaml(tree: &Node, printed: Printed) -> String {
    let mut writer = Writer {
        out: String::new(),
        printed,
    };
    if let Some(map) = tree.as_map() {
        // The name of a file comes first, as people write it.
        let (name, rest): (Vec<_>, Vec<_>) =
            sorted(map).into_iter().partition(|(key, _)| *key == "name");
        for (key, node) in name.into_iter().chain(rest) {
            writer.entry(key, node, 0);
        }
    }
    writer.out
}

struct Writer {
    out: String,
    printed: Printed,
}

impl Writer {
    fn entry(&mut self, key: &str, node: &Node, indent: usize) {
        self.out.extend(repeat_n(' ', indent));
        self.out.push_str(&scalar_text(key));
        self.out.push(':');
        self.value(node, indent);
    }

    /// A value behind a key or a dash.
    fn value(&mut self, node: &Node, indent: usize) {
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                self.out.push('\n');
                for (key, node) in sorted(map) {
                    self.entry(key, node, indent + 2);
                }
            }
            Value::List(items) if !items.is_empty() => {
                self.out.push('\n');
                for item in items {
                    self.item(item, indent + 2);
                }
            }
            Value::Map(_) => self.out.push_str(" {}\n"),
            Value::List(_) => self.out.push_str(" []\n"),
            value => {
                self.out.push(' ');
                let text = self.scalar(value, indent);
                self.out.push_str(&text);
                self.out.push('\n');
            }
        }
    }

    fn item(&mut self, node: &Node, indent: usize) {
        self.out.extend(repeat_n(' ', indent));
        self.out.push('-');
        match &node.value {
            Value::Map(map) if !map.is_empty() => {
                // The first key stands behind the dash.
                for (rank, (key, node)) in sorted(map).into_iter().enumerate() {
                    if rank == 0 {
                        self.out.push(' ');
                        self.out.push_str(&scalar_text(key));
                        self.out.push(':');
                        self.value(node, indent + 2);
                    } else {
                        self.entry(key, node, indent + 2);
                    }
                }
            }
            _ => self.value(node, indent),
        }
    }

    fn scalar(&self, value: &Value, indent: usize) -> String {
        match value {
            Value::Null => "null".to_owned(),
            Value::String(text) => {
                let text = escaped(text, self.printed);
                block(&text, indent).unwrap_or_else(|| scalar_text(&text).into_owned())
            }
            Value::Float(number) if number.is_nan() => ".nan".to_owned(),
            Value::Float(number) if number.is_infinite() => {
                if *number > 0.0 { ".inf" } else { "-.inf" }.to_owned()
            }
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                format!("{number:.0}")
            }
            Value::Float(number) => number.to_string(),
            Value::Date(text) => date(text),
            value => to_text(value),
        }
    }
}

/// A text of several lines as a literal block, if that keeps it as it is.
fn block(text: &str, indent: usize) -> Option<String> {
    if !text.contains('\n') {
        return None;
    }
    let lines: Vec<&str> = text.trim_end_matches('\n').split('\n').collect();
    let feeds = text.len() - text.trim_end_matches('\n').len();
    let fits = |line: &&str| {
        !line.ends_with([' ', '\t']) && !line.chars().any(|c| c.is_control() || c == '\u{feff}')
    };
    let first = lines.first().filter(|line| !line.is_empty())?;
    if lines.len() < 2 || feeds > 1 || first.starts_with([' ', '\t']) || !lines.iter().all(fits) {
        return None;
    }
    let mut out = if feeds == 1 { "|" } else { "|-" }.to_owned();
    for line in lines {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent + 2));
            out.push_str(line);
        }
    }
    Some(out)
}

/// A string, quoted unless it is plainly one.
fn scalar_text(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return Cow::Borrowed(text);
    }
    let quoted = serde_json::to_string(text)
        .expect("a string is always JSON")
        .replace('\u{7f}', "\\x7f")
        .replace('\u{feff}', "\\ufeff")
        .replace('\u{85}', "\\x85")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029");
    Cow::Owned(quoted)
}

/// Whether readers take the bare text for this very string.
fn is_plain(text: &str) -> bool {
    // Most texts are names and paths, which mean nothing else unless they are one of few words.
    let is_name = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte));
    if is_name {
        return !is_yaml_1_1_word(text);
    }
    matches!(scalar::plain(text), Value::String(_))
        && text != "<<"
        && !text.starts_with(|c: char| "-?:,[]{}#&*!|>'\"%@`=".contains(c) || c.is_whitespace())
        && !text.ends_with([' ', ':'])
        && !text.contains(": ")
        && !text.contains(" #")
        && !text
            .chars()
            .any(|c| c.is_control() || "\u{feff}\u{2028}\u{2029}\u{85}".contains(c))
        && !is_yaml_1_1_word(text)
}

/// Words that readers of YAML take for booleans, or for nothing.
fn is_yaml_1_1_word(text: &str) -> bool {
    const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text))
}
