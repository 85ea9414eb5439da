//! Checks of a merged tree that look at more than one value: first those that each set of files must
//! pass on its own ([`check_resources`]), then those of the whole project ([`check_project`]).

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use super::diagnostic::Diagnostic;
use super::near::nearest;
use super::node::{Map, Node, Value};
use super::source::Span;

/// Where a config or secret comes from, external resources, addresses of ports, device requests.
pub(super) fn check_resources(tree: &Node, errors: &mut Vec<Diagnostic>) {
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

/// The active services of a project in normal form, and the names of the others.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub tree: &'a Node,
    pub disabled: &'a BTreeMap<String, Node>,
}

/// Everything that the parts of a project must agree on.
pub(super) fn check_project(whole: &Whole<'_>, errors: &mut Vec<Diagnostic>) {
    for (name, key_span, service) in section(whole.tree, "services") {
        Service {
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
        check_circles(services, errors);
    }
    check_container_names(whole, errors);
}

struct Service<'a, 'e> {
    whole: &'a Whole<'a>,
    name: &'a str,
    key_span: Span,
    node: &'a Node,
    errors: &'e mut Vec<Diagnostic>,
}

impl Service<'_, '_> {
    fn check(&mut self) {
        let node = self.node;
        if ["image", "build", "provider"]
            .iter()
            .all(|key| node.get(key).is_none())
        {
            self.fail(self.key_span, "has neither an `image` nor a `build`");
        }
        self.check_build();
        self.check_networks();
        self.check_dependencies();
        self.check_mounts();
        self.check_files();
        self.check_test();
        self.check_scale();
        self.check_twins();
    }

    fn fail(&mut self, span: Span, problem: &str) -> &mut Diagnostic {
        let message = format!("services.{} {problem}", self.name);
        self.errors.push(Diagnostic::invalid(message).at(span));
        self.errors.last_mut().expect("just pushed")
    }

    /// Reports a name that is not in a section of the file.
    fn undefined(&mut self, span: Span, kind: &str, sections: &str, name: &str) {
        let known = self.whole.tree.get(sections).and_then(Node::as_map);
        let near = known.and_then(|map| nearest(name, map.keys()).map(str::to_owned));
        let error = self.fail(
            span,
            &format!("refers to the {kind} {name}, which is not declared"),
        );
        error.help = Some(match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("declare it below the top-level `{sections}`"),
        });
    }

    fn defines(&self, section: &str, name: &str) -> bool {
        self.whole
            .tree
            .get(section)
            .is_some_and(|section| section.get(name).is_some())
    }

    fn check_build(&mut self) {
        let Some(build) = self.node.get("build") else {
            return;
        };
        if let (Some(_), Some(inline)) = (build.get("dockerfile"), build.get("dockerfile_inline")) {
            self.fail(
                inline.span,
                "has a `dockerfile` as well as a `dockerfile_inline`",
            );
        }
        let contexts = build.get("additional_contexts").and_then(Node::as_map);
        for (_, _, context) in contexts.into_iter().flat_map(Map::iter) {
            let Some(name) = context
                .as_str()
                .and_then(|text| text.strip_prefix("service:"))
            else {
                continue;
            };
            let active = self
                .whole
                .tree
                .get("services")
                .and_then(|all| all.get(name));
            match active {
                None => self.undefined(context.span, "service", "services", name),
                Some(service) if service.get("build").is_none() => {
                    self.fail(
                        context.span,
                        &format!("builds on {name}, which is not built"),
                    );
                }
                Some(_) => {}
            }
        }
        let platforms = items(build, "platforms");
        if let Some(platform) = self.node.get("platform")
            && !platforms.is_empty()
            && !platforms.contains(platform)
        {
            self.fail(platform.span, "has a platform that it is not built for");
        }
        for secret in items(build, "secrets") {
            let source = text(secret, "source");
            if !self.defines("secrets", source) {
                self.undefined(secret.span, "secret", "secrets", source);
            }
        }
    }

    fn check_networks(&mut self) {
        let networks = self.node.get("networks").and_then(Node::as_map);
        let Some(networks) = networks else { return };
        if let Some(mode) = self.node.get("network_mode")
            && !networks.is_empty()
        {
            let first = networks.iter().next().map(|(_, span, _)| span);
            let error = self.fail(mode.span, "has a `network_mode` as well as `networks`");
            if let Some(first) = first {
                *error = error.clone().label(first, "one of its networks");
            }
        }
        for (network, span, _) in networks.iter() {
            if !self.defines("networks", network) {
                self.undefined(span, "network", "networks", network);
            }
        }
        let models = self.node.get("models").and_then(Node::as_map);
        for (model, span, _) in models.into_iter().flat_map(Map::iter) {
            if !self.defines("models", model) {
                self.undefined(span, "model", "models", model);
            }
        }
    }

    fn check_dependencies(&mut self) {
        let Some(depends_on) = self.node.get("depends_on").and_then(Node::as_map) else {
            return;
        };
        for (name, span, dependency) in depends_on.iter() {
            if self.defines("services", name) {
                continue;
            }
            let required = dependency.get("required").is_some_and(is_true);
            match self.whole.disabled.get(name) {
                Some(_) if !required => {}
                Some(disabled) => {
                    let profiles: Vec<&str> = items(disabled, "profiles")
                        .iter()
                        .filter_map(Node::as_str)
                        .collect();
                    let problem = format!("depends on {name}, which no active profile has");
                    self.fail(span, &problem).help = Some(format!(
                        "activate one of its profiles ({}), or make the dependency `required: false`",
                        profiles.join(", ")
                    ));
                }
                None => self.undefined(span, "service", "services", name),
            }
        }
    }

    fn check_mounts(&mut self) {
        let mut targets: HashMap<&str, Span> = HashMap::new();
        let tmpfs = items(self.node, "tmpfs").iter().map(|node| {
            let text = node.as_str().unwrap_or_default();
            (text.split(':').next().unwrap_or_default(), node.span)
        });
        let volumes = items(self.node, "volumes");
        let mounts = volumes.iter().map(|node| (text(node, "target"), node.span));
        for (target, span) in tmpfs.chain(mounts).collect::<Vec<_>>() {
            if let Some(first) = targets.insert(target, span) {
                let error = self.fail(span, &format!("mounts two things at {target}"));
                *error = error.clone().label(first, "the other");
            }
        }
        for volume in volumes {
            let source = text(volume, "source");
            if text(volume, "type") == "volume"
                && !source.is_empty()
                && !self.defines("volumes", source)
            {
                self.undefined(volume.span, "volume", "volumes", source);
            }
        }
    }

    fn check_files(&mut self) {
        for (section, kind) in [("configs", "config"), ("secrets", "secret")] {
            for reference in items(self.node, section) {
                let source = text(reference, "source");
                if !self.defines(section, source) {
                    self.undefined(reference.span, kind, section, source);
                }
            }
        }
    }

    fn check_test(&mut self) {
        let Some(test) = self
            .node
            .get("healthcheck")
            .and_then(|check| check.get("test"))
        else {
            return;
        };
        let first = test.as_list().and_then(|words| words.first());
        if let Some(first) = first
            && !matches!(first.as_str(), Some("CMD" | "CMD-SHELL" | "NONE"))
        {
            let (span, word) = (first.span, first.as_str().unwrap_or_default().to_owned());
            let problem = format!("has a health check that begins with `{word}`");
            self.fail(span, &problem).help = Some(
                "a list begins with CMD, CMD-SHELL or NONE; a string is run by a shell".into(),
            );
        }
    }

    fn number(&self, path: &[&str]) -> Option<(i64, Span)> {
        let node = path.iter().try_fold(self.node, |node, key| node.get(key))?;
        match node.value {
            Value::Int(number) => Some((number, node.span)),
            _ => None,
        }
    }

    fn check_scale(&mut self) {
        let scale = self.number(&["scale"]);
        let replicas = self.number(&["deploy", "replicas"]);
        if let (Some((scale, span)), Some((replicas, other))) = (scale, replicas)
            && scale != replicas
        {
            let error = self.fail(span, "has a `scale` that differs from `deploy.replicas`");
            *error = error.clone().label(other, "the other number");
        }
        for (number, span) in [scale, replicas].into_iter().flatten() {
            if number < 0 {
                self.fail(span, "can't run fewer than no times");
            }
        }
        if let Some(name) = self.node.get("container_name")
            && let Some((number, span)) = scale.or(replicas)
            && number > 1
        {
            let error = self.fail(name.span, "has one `container_name` for several containers");
            *error = error.clone().label(span, "so many");
        }
    }

    /// Values that `deploy` can give as well: once there is such a part of `deploy`, it must agree.
    fn check_twins(&mut self) {
        for (flat, part, key) in [
            ("cpus", "limits", "cpus"),
            ("mem_limit", "limits", "memory"),
            ("mem_reservation", "reservations", "memory"),
            ("pids_limit", "limits", "pids"),
        ] {
            let Some(own) = self.node.get(flat) else {
                continue;
            };
            let resources = self
                .node
                .get("deploy")
                .and_then(|node| node.get("resources"));
            let Some(part_node) = resources.and_then(|node| node.get(part)) else {
                continue;
            };
            let twin = part_node.get(key);
            if twin == Some(own) {
                continue;
            }
            let (span, other) = (own.span, twin.map_or(part_node.span, |twin| twin.span));
            let problem =
                format!("has a `{flat}` that differs from `deploy.resources.{part}.{key}`");
            let error = self.fail(span, &problem);
            *error = error.clone().label(
                other,
                match twin {
                    Some(_) => "the other value",
                    None => "here it is not given, and counts as none",
                },
            );
        }
    }
}

/// Services that wait for one another.
fn check_circles(services: &Map, errors: &mut Vec<Diagnostic>) {
    /// How far the search has come with a service.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        OnTheWay,
        Done,
    }
    let edges = |name: &str| -> Vec<(String, Span)> {
        let depends_on = services.get(name).and_then(|node| node.get("depends_on"));
        depends_on
            .and_then(Node::as_map)
            .into_iter()
            .flat_map(Map::iter)
            .filter(|(name, ..)| services.contains(name))
            .map(|(name, span, _)| (name.to_owned(), span))
            .collect()
    };
    let mut marks: HashMap<String, Mark> = HashMap::new();
    for start in services.keys() {
        if marks.contains_key(start) {
            continue;
        }
        marks.insert(start.to_owned(), Mark::OnTheWay);
        // Each step: a service, the edges that are left to follow, the place of the edge to it.
        let mut way = vec![(start.to_owned(), edges(start), Span::default())];
        while let Some((name, left, _)) = way.last_mut() {
            let Some((next, span)) = left.pop() else {
                marks.insert(name.clone(), Mark::Done);
                way.pop();
                continue;
            };
            match marks.get(&next) {
                Some(Mark::Done) => {}
                Some(Mark::OnTheWay) => {
                    let first = way.iter().position(|(name, ..)| *name == next);
                    let round = &way[first.unwrap_or_default()..];
                    let names: Vec<&str> = round
                        .iter()
                        .map(|(name, ..)| name.as_str())
                        .chain([next.as_str()])
                        .collect();
                    let mut error = Diagnostic::invalid(format!(
                        "services wait for each other in a circle: {}",
                        names.join(" → ")
                    ))
                    .at(span);
                    for (_, _, span) in &round[1..] {
                        error = error.label(*span, "");
                    }
                    errors.push(error);
                }
                None => {
                    marks.insert(next.clone(), Mark::OnTheWay);
                    let further = edges(&next);
                    way.push((next, further, span));
                }
            }
        }
    }
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
