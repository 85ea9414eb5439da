//! `env_file` and `label_file` of the active services: read, and put below what the file itself says.

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::Diagnostic;
use super::dotenv;
use super::loading::{Loading, Role, Stop, dotenv_diagnostic};
use super::node::{Map, Node, Value};
use super::normal_form::flag;
use super::source::{Bringing, Brought, Span};

/// Completes the services' variables and labels. `raw` names the files, `normal` is completed.
pub(super) fn resolve(
    loading: &mut Loading<'_>,
    raw: &Node,
    normal: &mut Node,
    environment: &BTreeMap<String, String>,
) -> Result<(), Stop> {
    let Some(services) = normal.get_mut("services").and_then(Node::as_map_mut) else {
        return Ok(());
    };
    for (name, _, service) in services.iter_mut() {
        let raw = raw.get("services").and_then(|services| services.get(name));
        let (Some(raw), Some(service)) = (raw, service.as_map_mut()) else {
            continue;
        };
        variables(loading, raw, service, environment)?;
        labels(loading, raw, service)?;
    }
    Ok(())
}

fn variables(
    loading: &mut Loading<'_>,
    raw: &Node,
    service: &mut Map,
    environment: &BTreeMap<String, String>,
) -> Result<(), Stop> {
    let files = raw.get("env_file").and_then(Node::as_list).unwrap_or(&[]);
    if files.is_empty() {
        return Ok(());
    }
    let own = service.remove("environment");
    let own = own.and_then(|node| match node.value {
        Value::Map(map) => Some(map),
        _ => None,
    });
    let own = own.unwrap_or_default();
    let given = |name: &str| own.get(name).and_then(Node::as_str).map(str::to_owned);
    let lookup = |name: &str| environment.get(name).cloned().or_else(|| given(name));
    let mut all = Map::default();
    for file in files {
        let Some(path) = file.get("path").filter(|path| path.as_str().is_some()) else {
            continue;
        };
        let brought = Brought {
            by: path.span,
            how: Bringing::EnvFile,
        };
        let path = Path::new(path.as_str().unwrap_or_default());
        let required = match file.get("required").map(|node| &node.value) {
            Some(Value::Bool(required)) => *required,
            Some(Value::String(text)) => flag(text).unwrap_or(true),
            _ => true,
        };
        if loading.files.kind(path).is_none() && !required {
            continue;
        }
        let (source, text) = loading.text(path, Role::Env, Some(brought))?;
        let parsed = match file.get("format").and_then(Node::as_str) {
            None | Some("") => {
                let before = |name: &str| all_value(&all, name).or_else(|| given(name));
                dotenv::parse(&text, &before, &lookup, &loading.options.limits)
            }
            Some("raw") => dotenv::parse_raw(&text, &lookup),
            Some(format) => {
                let span = file.get("format").map_or(file.span, |node| node.span);
                let problem = format!("`{format}` is no format of env files");
                let error = Diagnostic::invalid(problem).at(span);
                return loading.stop(error.help("leave it out, or write raw"));
            }
        };
        let variables = match parsed {
            Ok(variables) => variables,
            Err(error) => return loading.stop(dotenv_diagnostic(&error, source)),
        };
        let span = Span {
            source,
            ..Span::default()
        };
        for (name, value) in variables {
            all.insert(name, span, Node::string(value, span));
        }
    }
    let mut span = raw.span;
    for (name, key_span, node) in own {
        span = key_span;
        all.insert(name, key_span, node);
    }
    if !all.is_empty() {
        service.insert("environment", span, Node::new(Value::Map(all), span));
    }
    Ok(())
}

fn all_value(all: &Map, name: &str) -> Option<String> {
    all.get(name).and_then(Node::as_str).map(str::to_owned)
}

fn labels(loading: &mut Loading<'_>, raw: &Node, service: &mut Map) -> Result<(), Stop> {
    let files = raw.get("label_file").and_then(Node::as_list).unwrap_or(&[]);
    if files.is_empty() {
        return Ok(());
    }
    let mut all = Map::default();
    for file in files {
        let path = Path::new(file.as_str().unwrap_or_default());
        let brought = Brought {
            by: file.span,
            how: Bringing::EnvFile,
        };
        let (source, text) = loading.text(path, Role::Env, Some(brought))?;
        let lookup = |name: &str| all_value(&all, name);
        let parsed = dotenv::parse(&text, &|_| None, &lookup, &loading.options.limits);
        let variables = match parsed {
            Ok(variables) => variables,
            Err(error) => return loading.stop(dotenv_diagnostic(&error, source)),
        };
        let span = Span {
            source,
            ..Span::default()
        };
        for (name, value) in variables {
            all.insert(name, span, Node::string(value, span));
        }
    }
    let mut span = raw.span;
    if let Some(Value::Map(own)) = service.remove("labels").map(|node| node.value) {
        for (name, key_span, node) in own {
            span = key_span;
            all.insert(name, key_span, node);
        }
    }
    if !all.is_empty() {
        service.insert("labels", span, Node::new(Value::Map(all), span));
    }
    Ok(())
}
