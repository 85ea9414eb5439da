//! Short forms to long ones, so that files written in either can be merged and compared.

use super::diagnostic::Diagnostic;
use super::merge::{by_name, dependency, to_text};
use super::node::{Map, Node, Value};
use super::path::Path;
use super::short_port::{self, ShortPort};
use super::short_volume::{self, ShortVolume};
use super::source::Span;

/// What a pass has found.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// With variables still in the texts, a short form that can't be read stays as it is.
    pub lenient: bool,
    /// How many ports the ranges may still stand for.
    pub ports_left: usize,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// What Docker Compose takes and no container can have: errors of a launch.
    pub deferred: Vec<Diagnostic>,
}

impl Canonical {
    /// Brings a whole tree to its long forms.
    pub(super) fn project(&mut self, tree: &mut Node) {
        let Some(top) = tree.as_map_mut() else { return };
        for (section, _, node) in top.iter_mut() {
            let Some(map) = node.as_map_mut() else {
                continue;
            };
            for (name, _, node) in map.iter_mut() {
                match section {
                    "services" => self.service(node, Path::of(&["services", name])),
                    "networks" | "volumes" | "secrets" | "configs" => {
                        self.external(node, Path::of(&[section, name]));
                    }
                    _ => {}
                }
            }
        }
    }

    fn service(&mut self, service: &mut Node, path: Path<'_>) {
        let Some(map) = service.as_map_mut() else {
            return;
        };
        for (key, _, node) in map.iter_mut() {
            let path = path.key(key);
            match key {
                "build" => self.build(node, path),
                "depends_on" => self.depends_on(node, path),
                "dns" => {
                    as_list(node);
                    without_empty(node);
                }
                "label_file" => as_list(node),
                "env_file" => env_files(node),
                "extends" => wrap(node, "service"),
                "gpus" => gpus(node),
                "networks" | "models" => replace(node, |node| by_name(node, Node::null)),
                "ports" => self.ports(node, path),
                "volumes" => self.volumes(node, path),
                "devices" => self.each(node, path, Self::device),
                "secrets" | "configs" => self.each(node, path, |_, node, _| wrap(node, "source")),
                "develop" => develop(node),
                _ => {}
            }
        }
    }

    fn each(
        &mut self,
        node: &mut Node,
        path: Path<'_>,
        mut f: impl FnMut(&mut Self, &mut Node, Path<'_>),
    ) {
        if let Value::List(items) = &mut node.value {
            for (index, item) in items.iter_mut().enumerate() {
                f(self, item, path.item(index));
            }
        }
    }

    fn fail(&mut self, span: Span, path: Path<'_>, problem: impl std::fmt::Display) {
        if !self.lenient {
            self.errors
                .push(Diagnostic::invalid(format!("{path}: {problem}")).at(span));
        }
    }

    fn build(&mut self, node: &mut Node, path: Path<'_>) {
        wrap(node, "context");
        let Some(map) = node.as_map_mut() else { return };
        for (key, _, node) in map.iter_mut() {
            let path = path.key(key);
            match key {
                "secrets" => self.each(node, path, |_, node, _| wrap(node, "source")),
                "provenance" | "sbom" => {
                    replace(node, |node| Node::string(to_text(&node.value), node.span));
                }
                "additional_contexts" => self.pairs(node, path, None),
                "ssh" => self.pairs(node, path, Some("default")),
                _ => {}
            }
        }
    }

    /// `K=V` items to a mapping; `bare` is the one key that needs no value.
    fn pairs(&mut self, node: &mut Node, path: Path<'_>, bare: Option<&str>) {
        let Value::List(items) = &node.value else {
            return;
        };
        let mut map = Map::default();
        for (index, item) in items.iter().enumerate() {
            let text = item.as_str().unwrap_or_default();
            let (key, value) = match text.split_once('=') {
                Some((key, value)) => (key, Node::string(value, item.span)),
                None if bare == Some(text) => (text, Node::null(item.span)),
                None if self.lenient => return,
                None => {
                    let problem = format!("`{text}` must be of the form key=value");
                    return self.fail(item.span, path.item(index), problem);
                }
            };
            map.insert(key, item.span, value);
        }
        node.value = Value::Map(map);
    }

    fn depends_on(&mut self, node: &mut Node, path: Path<'_>) {
        replace(node, |node| by_name(node, dependency));
        let Some(map) = node.as_map_mut() else { return };
        for (name, key_span, node) in map.iter_mut() {
            let Some(entry) = node.as_map_mut() else {
                self.fail(key_span, path.key(name), "this must be a mapping");
                continue;
            };
            if !entry.contains("condition") {
                entry.insert_made("condition", Node::string("service_started", key_span));
            }
            if !entry.contains("required") {
                entry.insert_made("required", Node::bool(true, key_span));
            }
        }
    }

    fn ports(&mut self, node: &mut Node, path: Path<'_>) {
        let Value::List(items) = &mut node.value else {
            return;
        };
        if self.ports_left == 0 && !self.errors.is_empty() {
            return;
        }
        let given = self.lenient.then(|| items.clone());
        let mut ports = Vec::with_capacity(items.len());
        for (index, item) in std::mem::take(items).into_iter().enumerate() {
            let short = match &item.value {
                Value::String(text) => text.clone(),
                Value::Int(number) => number.to_string(),
                Value::Map(_) => {
                    ports.push(item);
                    continue;
                }
                _ => {
                    let problem = format!("a port can't be {}", item.value.kind());
                    self.fail(item.span, path.item(index), problem);
                    continue;
                }
            };
            match short_port::parse(&short) {
                Ok(parsed) if parsed.len() > self.ports_left => {
                    self.ports_left = 0;
                    let path = path.item(index);
                    self.errors.push(
                        Diagnostic::invalid(format!(
                            "{path}: the project's ranges stand for more ports than it may have values"
                        ))
                        .at(item.span),
                    );
                    return;
                }
                Ok(parsed) => {
                    self.ports_left -= parsed.len();
                    ports.extend(parsed.into_iter().map(|port| long_port(port, item.span)));
                }
                Err(problem) => match given {
                    // Short and long forms are not mixed: the list stays as it was written.
                    Some(given) => {
                        *items = given;
                        return;
                    }
                    None => self.fail(item.span, path.item(index), problem),
                },
            }
        }
        *items = ports;
    }

    fn volumes(&mut self, node: &mut Node, path: Path<'_>) {
        self.each(node, path, |this, item, path| {
            let Some(text) = item.as_str() else { return };
            match short_volume::parse(text) {
                Ok(volume) => {
                    this.warn_of(&volume, item.span, path);
                    *item = long_volume(&volume, item.span);
                }
                Err(problem) => this.fail(item.span, path, problem),
            }
        });
    }

    fn warn_of(&mut self, volume: &ShortVolume, span: Span, path: Path<'_>) {
        if let Some(letter) = volume.drive {
            let warning = Diagnostic::warning(format!(
                "{path}: `{letter}:` is taken for a drive of Windows, not for a volume {letter}"
            ))
            .at(span)
            .help("give the volume a name of two characters or more, or use the long form");
            self.deferred.push(Diagnostic {
                severity: super::diagnostic::Severity::Error,
                ..warning.clone()
            });
            self.warnings.push(warning);
        }
        for option in &volume.unknown {
            self.warnings.push(
                Diagnostic::warning(format!("{path}: the option `{option}` means nothing here"))
                    .at(span),
            );
        }
    }

    fn device(&mut self, node: &mut Node, path: Path<'_>) {
        let Some(text) = node.as_str() else { return };
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, permissions) = match parts.as_slice() {
            [source] => (*source, *source, "rwm"),
            [source, target] => (*source, *target, "rwm"),
            [source, target, permissions] => (*source, *target, *permissions),
            _ => {
                let problem = "too many colons; the long form tells the parts apart";
                return self.fail(node.span, path, problem);
            }
        };
        let target = if target.is_empty() { source } else { target };
        let mut device = Node::map(node.span);
        let map = device.as_map_mut().expect("made as a mapping");
        map.insert_made("source", Node::string(source, node.span));
        map.insert_made("target", Node::string(target, node.span));
        map.insert_made("permissions", Node::string(permissions, node.span));
        *node = device;
    }

    /// `external: {name: n}`, the old way to write `external: true` and `name: n`.
    fn external(&mut self, node: &mut Node, path: Path<'_>) {
        let Some(map) = node.as_map_mut() else { return };
        let Some(external) = map.get_mut("external") else {
            return;
        };
        let span = external.span;
        if external.as_map().is_none() {
            return;
        }
        let old = std::mem::replace(external, Node::bool(true, span));
        let Some(name) = old.get("name") else { return };
        self.warnings.push(
            Diagnostic::warning(format!(
                "{path}: external.name is the old way to write name"
            ))
            .at(name.span)
            .help("write `external: true` and `name` beside it"),
        );
        match map.get("name") {
            Some(other) if other != name => {
                let other = other.span;
                self.errors.push(
                    Diagnostic::invalid(format!("{path}: name and external.name differ"))
                        .at(name.span)
                        .label(other, "the other name"),
                );
            }
            Some(_) => {}
            None => map.insert_made("name", name.clone()),
        }
    }
}

fn replace(node: &mut Node, f: impl FnOnce(Node) -> Node) {
    let span = node.span;
    let before = std::mem::replace(node, Node::null(span));
    *node = f(before);
}

/// A string as a mapping with one key.
fn wrap(node: &mut Node, key: &str) {
    if node.as_str().is_some() {
        replace(node, |node| {
            let mut map = Map::default();
            let span = node.span;
            map.insert_made(key, node);
            Node::new(Value::Map(map), span)
        });
    }
}

/// A string as a list of one.
fn as_list(node: &mut Node) {
    if node.as_str().is_some() {
        replace(node, |node| {
            let span = node.span;
            Node::new(Value::List(vec![node]), span)
        });
    }
}

/// What an unset variable leaves of a list is no server's address.
fn without_empty(node: &mut Node) {
    if let Value::List(items) = &mut node.value {
        items.retain(|item| !item.is_null() && item.as_str() != Some(""));
    }
}

fn env_files(node: &mut Node) {
    as_list(node);
    let Value::List(items) = &mut node.value else {
        return;
    };
    for item in items {
        wrap(item, "path");
        let span = item.span;
        if let Some(map) = item.as_map_mut()
            && !map.contains("required")
        {
            map.insert_made("required", Node::bool(true, span));
        }
    }
}

/// `gpus: all`.
fn gpus(node: &mut Node) {
    if node.as_str().is_some() {
        replace(node, |node| {
            let mut request = Node::map(node.span);
            let all = Node::string("all", node.span);
            let map = request.as_map_mut().expect("made as a mapping");
            map.insert_made("count", all);
            Node::new(Value::List(vec![request]), node.span)
        });
    }
}

fn develop(node: &mut Node) {
    let Some(Value::List(triggers)) = node.get_mut("watch").map(|watch| &mut watch.value) else {
        return;
    };
    for trigger in triggers {
        for key in ["ignore", "include"] {
            if let Some(texts) = trigger.get_mut(key) {
                as_list(texts);
            }
        }
    }
}

fn long_port(port: ShortPort, span: Span) -> Node {
    let mut node = Node::map(span);
    let map = node.as_map_mut().expect("made as a mapping");
    map.insert_made("mode", Node::string("ingress", span));
    if let Some(ip) = port.host_ip {
        map.insert_made("host_ip", Node::string(ip, span));
    }
    let target = Value::Int(i64::from(port.target));
    map.insert_made("target", Node::new(target, span));
    if let Some(published) = port.published {
        map.insert_made("published", Node::string(published, span));
    }
    map.insert_made("protocol", Node::string(port.protocol, span));
    node
}

fn long_volume(volume: &ShortVolume, span: Span) -> Node {
    let text = |text: &str| Node::string(text, span);
    let mut node = Node::map(span);
    let map = node.as_map_mut().expect("made as a mapping");
    map.insert_made("type", text(if volume.bind { "bind" } else { "volume" }));
    if let Some(source) = &volume.source {
        map.insert_made("source", text(source));
    }
    map.insert_made("target", text(&clean_target(&volume.target)));
    if volume.read_only {
        map.insert_made("read_only", Node::bool(true, span));
    }
    let mut bind = Map::default();
    if let Some(selinux) = &volume.selinux {
        bind.insert_made("selinux", text(selinux));
    }
    if let Some(propagation) = &volume.propagation {
        bind.insert_made("propagation", text(propagation));
    }
    if volume.bind {
        bind.insert_made("create_host_path", Node::bool(true, span));
    }
    if !bind.is_empty() {
        map.insert_made("bind", Node::new(Value::Map(bind), span));
    }
    if volume.nocopy || (!volume.bind && !volume.bare) {
        let mut options = Map::default();
        if volume.nocopy {
            options.insert_made("nocopy", Node::bool(true, span));
        }
        map.insert_made("volume", Node::new(Value::Map(options), span));
    }
    node
}

/// A path in a container, cleaned; an empty one stays so.
pub(super) fn clean_target(target: &str) -> String {
    if target.is_empty() {
        return String::new();
    }
    super::files::clean(std::path::Path::new(target))
        .to_string_lossy()
        .into_owned()
}
