//! A load under way: the files read so far, what they had wrong, and the steps from a file to a
//! merged tree that the project's own files, included and extended ones share.

use std::collections::BTreeMap;
use std::path::{Path as FsPath, PathBuf};

use super::canonical::Canonical;
use super::defaults;
use super::diagnostic::Diagnostic;
use super::dotenv;
use super::extends;
use super::files::{FileError, FileKind, Files};
use super::include;
use super::interpolate::Interpolation;
use super::load::LoadOptions;
use super::merge::merge;
use super::near::nearest;
use super::node::{Node, Value};
use super::normalize;
use super::path::Path;
use super::paths::{self, Bases};
use super::references;
use super::reset::Resets;
use super::schema;
use super::source::{Bringing, Brought, SourceId, SourceMap, Span};
use super::unique::unique;
use super::yaml;

/// The load can't go on; what is wrong is among [`Loading::errors`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop;

/// What relative paths and variables of a file refer to.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub folder: PathBuf,
    pub environment: BTreeMap<String, String>,
}

/// The state of a load.
pub(super) struct Loading<'a> {
    pub options: &'a LoadOptions,
    pub files: &'a dyn Files,
    pub sources: SourceMap,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// What only a launch refuses.
    pub deferred: Vec<Diagnostic>,
    nodes_left: usize,
    files_left: usize,
}

/// Why a file is read, which decides on what is made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    /// A part of a project, whole.
    Model,
    /// For a service that another one extends: neither included files nor checks.
    Extended,
}

impl<'a> Loading<'a> {
    pub(super) fn new(options: &'a LoadOptions, files: &'a dyn Files) -> Self {
        Self {
            options,
            files,
            sources: SourceMap::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            deferred: Vec::new(),
            nodes_left: options.limits.nodes,
            files_left: options.limits.files,
        }
    }

    pub(super) fn fail(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    /// Fails, and ends the load.
    pub(super) fn stop<T>(&mut self, error: Diagnostic) -> Result<T, Stop> {
        self.fail(error);
        Err(Stop)
    }

    pub(super) fn warn(&mut self, warning: Diagnostic) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// Ends the load if anything has failed.
    pub(super) fn checkpoint(&self) -> Result<(), Stop> {
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Stop)
        }
    }

    /// A path as people know it: without the folder that they are in.
    pub(super) fn shown<'p>(&self, path: &'p FsPath) -> &'p FsPath {
        path.strip_prefix(&self.options.working_dir)
            .ok()
            .filter(|rest| !rest.as_os_str().is_empty())
            .unwrap_or(path)
    }

    pub(super) fn home(&self) -> Option<String> {
        self.options.environment.get("HOME").cloned()
    }

    /// `~/x` as the user's own.
    pub(super) fn expand_home(&self, path: &str) -> String {
        match (path.strip_prefix("~/"), self.home()) {
            (Some(rest), Some(home)) => format!("{home}/{rest}"),
            _ => path.to_owned(),
        }
    }

    /// Whether a path is none of this machine's; that is refused.
    pub(super) fn refuse_remote(&mut self, path: &str, span: Span) -> bool {
        let remote = [
            "https://",
            "http://",
            "git://",
            "ssh://",
            "oci://",
            "git@",
            "github.com/",
        ];
        let is_remote = remote.iter().any(|prefix| path.starts_with(prefix));
        if is_remote {
            self.fail(
                Diagnostic::unsupported(format!("`{path}` would be fetched, and nothing is"))
                    .at(span)
                    .help("fetch it beforehand, and name the file"),
            );
        }
        is_remote
    }

    pub(super) fn missing_service<'s>(
        &mut self,
        span: Span,
        name: &str,
        base: &str,
        known: impl Iterator<Item = &'s str>,
        file: Option<&str>,
    ) {
        let place = file.map(|file| format!(" in {file}")).unwrap_or_default();
        let mut error = Diagnostic::invalid(format!(
            "services.{name} extends {base}, and there is no such service{place}"
        ))
        .at(span);
        error.help = nearest(base, known).map(|near| format!("did you mean {near}?"));
        self.fail(error);
    }

    /// Reads a file's text.
    pub(super) fn text(
        &mut self,
        path: &FsPath,
        brought: Option<Brought>,
    ) -> Result<(SourceId, std::sync::Arc<str>), Stop> {
        let labelled = |error: Diagnostic| match brought {
            Some(brought) => error.at(brought.by),
            None => error,
        };
        let Some(left) = self.files_left.checked_sub(1) else {
            let problem = format!("a project has at most {} files", self.options.limits.files);
            return self.stop(labelled(Diagnostic::invalid(problem)));
        };
        self.files_left = left;
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let error = labelled(Diagnostic::invalid(chain(&error)));
                return self.stop(error);
            }
        };
        let shown = self.shown(path).to_owned();
        let Ok(text) = String::from_utf8(bytes) else {
            let problem = format!("{} is not UTF-8", shown.display());
            return self.stop(labelled(Diagnostic::invalid(problem)));
        };
        let text: std::sync::Arc<str> = text.into();
        let source = match brought {
            Some(brought) => self.sources.add_brought(shown, text.clone(), brought),
            None => self.sources.add(shown, text.clone()),
        };
        Ok((source, text))
    }

    /// Reads a file's documents.
    pub(super) fn documents(
        &mut self,
        path: &FsPath,
        brought: Option<Brought>,
    ) -> Result<Vec<Node>, Stop> {
        let (source, text) = self.text(path, brought)?;
        match yaml::read(&text, source, &self.options.limits, &mut self.nodes_left) {
            Ok(read) => {
                self.warnings.extend(read.warnings);
                Ok(read.documents)
            }
            Err(error) => self.stop(error),
        }
    }

    /// Merges the documents of the project's own files.
    pub(super) fn model(
        &mut self,
        files: Vec<(PathBuf, Vec<Node>)>,
        scope: &Scope,
    ) -> Result<Node, Stop> {
        let mut tree = empty();
        for (path, documents) in files {
            let open = [path.clone()];
            for document in documents {
                let purpose = Purpose::Model;
                (tree, _) = self.document(tree, document, &path, scope, &open, purpose)?;
            }
        }
        self.complete(&mut tree, scope)?;
        Ok(tree)
    }

    /// Loads the files of an include.
    pub(super) fn included_model(
        &mut self,
        files: &[(PathBuf, Brought)],
        scope: &Scope,
        open: &[PathBuf],
    ) -> Result<Node, Stop> {
        let mut tree = empty();
        for (path, brought) in files {
            let open = [open, std::slice::from_ref(path)].concat();
            for document in self.documents(path, Some(*brought))? {
                let purpose = Purpose::Model;
                (tree, _) = self.document(tree, document, path, scope, &open, purpose)?;
            }
        }
        self.complete(&mut tree, scope)?;
        Ok(tree)
    }

    /// Loads a file for a service in it; also what its last document resets.
    pub(super) fn extended_file(
        &mut self,
        path: &FsPath,
        brought: Brought,
        scope: &Scope,
    ) -> Result<(Node, Resets), Stop> {
        let (mut tree, mut resets) = (empty(), Resets::default());
        for document in self.documents(path, Some(brought))? {
            let purpose = Purpose::Extended;
            (tree, resets) = self.document(tree, document, path, scope, &[], purpose)?;
        }
        Ok((tree, resets))
    }

    /// One document on top of what was loaded before it.
    fn document(
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
            ..Canonical::default()
        };
        canonical.project(&mut tree);
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
            if !self.warnings.iter().any(|w| w.message == warning.message) {
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

    /// What a set of merged files needs to stand on its own.
    fn complete(&mut self, tree: &mut Node, scope: &Scope) -> Result<(), Stop> {
        self.checkpoint()?;
        defaults::set(tree);
        references::check_resources(tree, &mut self.errors);
        let home = self.home();
        let bases = Bases {
            folder: &scope.folder,
            home: home.as_deref(),
        };
        paths::absolute(tree, Path::default(), bases, &mut self.errors);
        normalize::inherit_listed(tree, &scope.environment);
        self.checkpoint()
    }

    /// What env files give, later ones over earlier ones; `environment` is asked first for the
    /// variables in their values.
    pub(super) fn env_files(
        &mut self,
        files: &[(PathBuf, Option<Span>)],
        environment: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Stop> {
        let mut given = BTreeMap::new();
        for (path, span) in files {
            let brought = span.map(|by| Brought {
                by,
                how: Bringing::EnvFile,
            });
            if self.files.kind(path) == Some(FileKind::Directory) {
                let problem = format!("{} is a folder", self.shown(path).display());
                let error = Diagnostic::invalid(problem);
                return self.stop(match span {
                    Some(span) => error.at(*span),
                    None => error,
                });
            }
            let (source, text) = self.text(path, brought)?;
            let before = |name: &str| given.get(name).cloned();
            let lookup = |name: &str| environment.get(name).cloned();
            let parsed = dotenv::parse(&text, &before, &lookup, &self.options.limits);
            match parsed {
                Ok(variables) => given.extend(variables),
                Err(error) => return self.stop(dotenv_diagnostic(&error, source)),
            }
        }
        Ok(given)
    }
}

/// An env file's mistake, with its place.
pub(super) fn dotenv_diagnostic(error: &dotenv::DotenvError, source: SourceId) -> Diagnostic {
    let at = u32::try_from(error.at).unwrap_or(u32::MAX);
    Diagnostic::invalid(error.to_string()).at(Span {
        source,
        start: at,
        end: at,
    })
}

/// An error with its causes.
fn chain(error: &FileError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn empty() -> Node {
    Node::new(Value::Map(super::node::Map::default()), Span::default())
}
