//! The tree in normal form to the [model](super::model).
//!
//! Values have been checked and converted by now, so that nothing here fails but what Docker
//! Compose's loader does not look at: that is left for a launch to refuse ([`Decoder::defer`]).

mod fields;
mod health;
mod mounts;
mod network;
mod pod;
mod resources;
mod service;
mod top;

use std::collections::HashMap;
use std::path::Path as FsPath;

use super::diagnostic::Diagnostic;
use super::model::Project;
use super::node::{Map, Node};
use super::source::Spanned;

use fields::Fields;

/// What a project is decoded from.
#[derive(Debug)]
pub(super) struct Input<'a> {
    pub name: &'a str,
    pub folder: &'a FsPath,
    /// The merged tree, before its values were converted.
    pub raw: &'a Node,
    /// The active part of it, in normal form.
    pub normal: &'a Node,
    pub disabled: Vec<String>,
    /// The keys of each service that the files give, and not the loader.
    pub given: &'a HashMap<String, Vec<Spanned<String>>>,
}

/// Errors of the load, and errors of a launch.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    pub errors: Vec<Diagnostic>,
    pub deferred: Vec<Diagnostic>,
}

impl Decoder {
    fn fail(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    fn defer(&mut self, error: Diagnostic) {
        self.deferred.push(error);
    }

    /// The whole project.
    pub(super) fn project(&mut self, input: &Input<'_>) -> Project {
        let section = |name: &str| {
            let map = input.normal.get(name).and_then(Node::as_map);
            map.into_iter().flat_map(Map::iter)
        };
        let raw_services = input.raw.get("services");
        let services = section("services")
            .map(|(name, key_span, node)| {
                let raw = raw_services.and_then(|services| services.get(name));
                let fields = Fields::new(node, raw.unwrap_or(node));
                let mut service = self.service(Spanned::new(name.to_owned(), key_span), fields);
                service.keys = input.given.get(name).cloned().unwrap_or_default();
                service
            })
            .collect();
        let mut project = Project {
            name: input.name.to_owned(),
            working_dir: input.folder.to_owned(),
            services,
            disabled: input.disabled.clone(),
            networks: section("networks").map(top::network).collect(),
            volumes: section("volumes").map(top::volume).collect(),
            configs: section("configs").map(top::config).collect(),
            secrets: section("secrets").filter_map(top::secret).collect(),
            models: input.raw.as_map().and_then(|top| top.key_span("models")),
            pod: self.pod_extension(input.normal),
            deferred: Vec::new(),
        };
        self.check_main(&project);
        project.deferred = std::mem::take(&mut self.deferred);
        project
    }
}
