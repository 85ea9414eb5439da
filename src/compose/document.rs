//! One document of a file, on top of what was loaded before it: the steps of Docker Compose, in
//! its order, since errors and precedence depend on it.

use std::path::{Path as FsPath, PathBuf};

use super::canonical::Canonical;
use super::diagnostic::Diagnostic;
use super::extends;
use super::include;
use super::interpolate::Interpolation;
use super::loading::{Loading, Scope, Stop};
use super::merge::merge;
use super::node::Node;
use super::path::Path;
use super::reset::Resets;
use super::schema;
use super::unique::unique;

/// Why a file is read, which decides on what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A part of a project, whole.
    Model,
    /// For a service that another one extends: neither included files nor checks.
    Extended,
}

impl Loading<'_> {
    /// One document on top of what was loaded before it.
    pub(super) fn document(
        &mut self,
        mut tree: Node,
        mut document: Node,
        path: &FsPath,
        scope: &Scope,
        open: &[PathBuf],
        purpose: Purpose,
    ) -> Result<(Node, Resets), Stop> {
        if document.as_map().is_none() {
            let problem = format!(
                "a Compose file is a mapping, and this is {}",
                document.value.kind()
            );
            return self.stop(Diagnostic::invalid(problem).at(document.span));
        }
        let resets = Resets::take(&mut document);
        if self.options.interpolate {
            self.interpolate(&mut document, scope);
        }
        if purpose == Purpose::Model {
            extends::apply(self, &mut document, path, &resets, scope)?;
        }
        resets.apply(&mut tree);
        if purpose == Purpose::Model {
            include::apply(self, &mut document, scope, open)?;
        }
        tree = merge(tree, document, Path::default(), &mut self.errors);
        unique(&mut tree, Path::default(), &mut self.errors);
        if purpose == Purpose::Model {
            schema::check(&schema::PROJECT, &tree, Path::default(), &mut self.errors);
            self.checkpoint()?;
            self.drop_version(&mut tree);
        }
        let mut canonical = Canonical {
            lenient: !self.options.interpolate,
            ports_left: self.nodes_left,
            ..Canonical::default()
        };
        canonical.project(&mut tree);
        self.nodes_left = canonical.ports_left;
        self.errors.extend(canonical.errors);
        canonical.warnings.into_iter().for_each(|w| self.warn(w));
        self.deferred.extend(canonical.deferred);
        unique(&mut tree, Path::default(), &mut self.errors);
        Ok((tree, resets))
    }

    fn interpolate(&mut self, document: &mut Node, scope: &Scope) {
        let lookup = |name: &str| scope.environment.get(name).cloned();
        let mut pass = Interpolation::new(&lookup, &self.options.limits);
        pass.tree(document, Path::default());
        let Interpolation {
            errors, warnings, ..
        } = pass;
        self.errors.extend(errors);
        for warning in warnings {
            if self.warned_of_variables.insert(warning.message.clone()) {
                self.warnings.push(warning);
            }
        }
    }

    fn drop_version(&mut self, tree: &mut Node) {
        if let Some(version) = tree.as_map_mut().and_then(|map| map.remove("version")) {
            self.warn(
                Diagnostic::warning("`version` means nothing any more and can go").at(version.span),
            );
        }
    }
}
