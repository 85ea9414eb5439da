//! What a service refers to, and what it says twice.

use std::collections::HashMap;

use super::{Whole, is_true, items, text};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::near::nearest;
use crate::compose::node::{Map, Node, Value};
use crate::compose::source::Span;

/// A service, and what it must find in the rest.
pub(super) struct Service<'a, 'e> {
    pub(super) whole: &'a Whole<'a>,
    pub(super) name: &'a str,
    pub(super) key_span: Span,
    pub(super) node: &'a Node,
    pub(super) errors: &'e mut Vec<Diagnostic>,
}

impl Service<'_, '_> {
    pub(super) fn check(&mut self) {
        let node = self.node;
        if ["image", "build", "provider"]
            .iter()
            .all(|key| node.get(key).is_none())
        {
            self.fail(self.key_span, "has neither an `image` nor a `build`");
        }
        self.check_build();
        self.check_networks();
        self.check_models();
        self.check_dependencies();
        self.check_network_mode();
        self.check_mounts();
        self.check_files();
        self.check_test();
        self.check_watch();
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
    }

    fn check_models(&mut self) {
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

    /// The service whose network this one has: a dependency that is not optional.
    fn check_network_mode(&mut self) {
        let Some(mode) = self.node.get("network_mode") else {
            return;
        };
        let depends_on = self.node.get("depends_on");
        let service = mode
            .as_str()
            .and_then(|mode| mode.strip_prefix("service:"))
            // Of a dependency it is said already.
            .filter(|name| depends_on.is_none_or(|all| all.get(name).is_none()));
        if let Some(name) = service.filter(|name| !self.defines("services", name)) {
            self.undefined(mode.span, "service", "services", name);
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

    fn check_watch(&mut self) {
        let Some(develop) = self.node.get("develop") else {
            return;
        };
        for trigger in items(develop, "watch") {
            let action = text(trigger, "action");
            if text(trigger, "target").is_empty() && !matches!(action, "rebuild" | "restart") {
                let problem = format!("watches a path to {action}, and names no `target`");
                self.fail(trigger.span, &problem);
            }
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
