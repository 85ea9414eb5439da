//! A load under way: the files read so far, what they had wrong, and the steps from a file to a
//! merged tree that the project's own files, included and extended ones share.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path as FsPath, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use super::defaults;
use super::diagnostic::Diagnostic;
use super::document::Purpose;
use super::dotenv;
use super::encoding;
use super::files::{FileError, FileKind, Files};
use super::load::LoadOptions;
use super::near::nearest;
use super::node::{Node, Value};
use super::normalize;
use super::path::Path;
use super::paths::{self, Bases};
use super::references;
use super::reset::Resets;
use super::source::{Bringing, Brought, SourceId, SourceMap, Span};
use super::yaml;

/// The load can't go on; what is wrong is among [`Loading::errors`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Stop;

/// What relative paths and variables of a file refer to.
#[derive(Clone, Debug)]
pub(super) struct Scope {
    pub folder: PathBuf,
    pub environment: Rc<BTreeMap<String, String>>,
    /// Tells environments apart.
    pub id: usize,
}

/// The state of a load.
pub(super) struct Loading<'a> {
    pub options: &'a LoadOptions,
    pub files: &'a dyn Files,
    pub sources: SourceMap,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    warned: HashSet<Diagnostic>,
    /// What was said of variables, each of which is warned of once.
    pub warned_of_variables: HashSet<String>,
    /// What only a launch refuses.
    pub deferred: Vec<Diagnostic>,
    /// Files that services were taken from.
    extended: HashMap<(PathBuf, usize), ExtendedFile>,
    seen: HashSet<(PathBuf, Role)>,
    scopes: usize,
    reads_left: usize,
    pub nodes_left: usize,
}

/// A file that a service was taken from, for the next that is.
pub(super) struct ExtendedFile {
    pub tree: Node,
    pub resets: Resets,
}

/// What a file is to a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Role {
    Compose,
    Env,
}

impl<'a> Loading<'a> {
    pub(super) fn new(options: &'a LoadOptions, files: &'a dyn Files) -> Self {
        Self {
            options,
            files,
            sources: SourceMap::default(),
            errors: Vec::new(),
            warnings: Vec::new(),
            warned: HashSet::new(),
            warned_of_variables: HashSet::new(),
            deferred: Vec::new(),
            extended: HashMap::new(),
            seen: HashSet::new(),
            scopes: 0,
            reads_left: options.limits.reads,
            nodes_left: options.limits.nodes,
        }
    }

    pub(super) fn fail(&mut self, error: Diagnostic) {
        self.errors.push(error);
    }

    /// The scope of a project or of an included one.
    pub(super) fn scope(
        &mut self,
        folder: PathBuf,
        environment: BTreeMap<String, String>,
    ) -> Scope {
        self.scopes += 1;
        Scope {
            folder,
            environment: Rc::new(environment),
            id: self.scopes,
        }
    }

    /// Fails, and ends the load.
    pub(super) fn stop<T>(&mut self, error: Diagnostic) -> Result<T, Stop> {
        self.fail(error);
        Err(Stop)
    }

    pub(super) fn warn(&mut self, warning: Diagnostic) {
        if self.warned.insert(warning.clone()) {
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
        role: Role,
        brought: Option<Brought>,
    ) -> Result<(SourceId, Arc<str>), Stop> {
        let labelled = |error: Diagnostic| match brought {
            Some(brought) => error.at(brought.by),
            None => error,
        };
        self.seen.insert((path.to_owned(), role));
        let seen = self.seen.iter().filter(|(_, other)| *other == role).count();
        let (most, what) = match role {
            Role::Compose => (self.options.limits.files, "Compose files"),
            Role::Env => (self.options.limits.env_files, "env files"),
        };
        if seen > most {
            let problem = format!("a project has at most {most} {what}");
            return self.stop(labelled(Diagnostic::invalid(problem)));
        }
        let Some(left) = self.reads_left.checked_sub(1) else {
            let most = self.options.limits.reads;
            let problem = format!("files are included more than {most} times");
            return self.stop(labelled(Diagnostic::invalid(problem)));
        };
        self.reads_left = left;
        let bytes = match self.files.read(path) {
            Ok(bytes) => bytes,
            Err(error) => {
                let error = labelled(Diagnostic::invalid(chain(&error)));
                return self.stop(error);
            }
        };
        let shown = self.shown(path).to_owned();
        let text = match role {
            Role::Compose => encoding::yaml_text(bytes),
            Role::Env => encoding::env_text(bytes),
        };
        let Some(text) = text else {
            let problem = format!("{} is not UTF-8", shown.display());
            return self.stop(labelled(Diagnostic::invalid(problem)));
        };
        let text: Arc<str> = text.into();
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
        let (source, text) = self.text(path, Role::Compose, brought)?;
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

    /// A file for a service in it: as it was left by the last that asked, or read. It is to be given
    /// back with [`Loading::keep_extended`].
    pub(super) fn extended_file(
        &mut self,
        path: &FsPath,
        brought: Brought,
        scope: &Scope,
    ) -> Result<ExtendedFile, Stop> {
        let key = (path.to_owned(), scope.id);
        if let Some(file) = self.extended.remove(&key) {
            return Ok(file);
        }
        if self.files.kind(path).is_none() {
            let problem = format!("{} does not exist", self.shown(path).display());
            return self.stop(Diagnostic::invalid(problem).at(brought.by));
        }
        let (mut tree, mut resets) = (empty(), Resets::default());
        for document in self.documents(path, None)? {
            let purpose = Purpose::Extended;
            (tree, resets) = self.document(tree, document, path, scope, &[], purpose)?;
        }
        let home = self.home();
        let bases = Bases {
            folder: &scope.folder,
            home: home.as_deref(),
        };
        paths::absolute(&mut tree, Path::default(), bases, &mut self.errors);
        Ok(ExtendedFile { tree, resets })
    }

    /// Keeps a file for the next service that is taken from it.
    pub(super) fn keep_extended(&mut self, path: &FsPath, scope: &Scope, file: ExtendedFile) {
        let key = (path.to_owned(), scope.id);
        self.extended.insert(key, file);
    }

    /// A copy of a service for one that extends it, counted, with a note of who copied on each place.
    pub(super) fn copied(&mut self, base: &Node, by: Span) -> Result<Node, Stop> {
        self.spend_on_copies(base.size(), by)?;
        let before = self.sources.len();
        let brought = Brought {
            by,
            how: Bringing::Extends,
        };
        let mut copy = base.clone();
        let mut derived: HashMap<SourceId, SourceId> = HashMap::new();
        let sources = &mut self.sources;
        copy.map_spans(&mut |mut span| {
            span.source = *derived
                .entry(span.source)
                .or_insert_with(|| sources.derive(span.source, brought));
            span
        });
        // The longer the way by which a value came, the more there is to note.
        let notes = self.sources.len() - before;
        self.spend_on_copies(notes, by)?;
        Ok(copy)
    }

    fn spend_on_copies(&mut self, nodes: usize, by: Span) -> Result<(), Stop> {
        let Some(left) = self.nodes_left.checked_sub(nodes) else {
            let problem = "services extend one another to more values than a project may have";
            return self.stop(Diagnostic::invalid(problem).at(by));
        };
        self.nodes_left = left;
        Ok(())
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
        if self.options.interpolate {
            normalize::inherit_listed(tree, &scope.environment);
        }
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
            let (source, text) = self.text(path, Role::Env, brought)?;
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
