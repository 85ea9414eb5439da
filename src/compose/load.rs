//! From the files of a project to a [`Project`]: the whole way, in the order of its steps.
//!
//! 1. Choose the files, and by them the project's folder ([`super::discovery`]).
//! 2. Read the environment: the caller's, then `.env` ([`super::environment`]).
//! 3. Name the project ([`super::name`]).
//! 4. Document by document: interpolate, extend, reset, include, merge, check against the schema,
//!    bring to long forms ([`super::document`]).
//! 5. Set defaults, check resources, make paths absolute.
//! 6. Add what the whole implies ([`super::normalize`]), convert values ([`super::normal_form`]).
//! 7. Leave out what no active profile has, check the rest ([`super::references`]).
//! 8. Read env files and label files; drop what nothing uses; decode ([`super::decode`]).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::decode::{self, Decoder};
use super::diagnostic::{Diagnostic, Severity};
use super::discovery;
use super::environment;
use super::files::Files;
use super::limits::Limits;
use super::loading::{Loading, Scope, Stop};
use super::model::Project;
use super::name::project_name;
use super::node::{Map, Node, Value};
use super::normal_form::NormalForm;
use super::normalize;
use super::prune::{self, Profiles};
use super::references::{self, Whole};
use super::render::render;
use super::service_files;
use super::source::{SourceMap, Spanned};

/// Where Compose files are looked for when none is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Discovery {
    /// In the folder and all above it, as Docker Compose does.
    #[default]
    WalkUp,
    /// In the folder alone.
    Folder,
}

/// What to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Compose files, relative to `working_dir`; none: `COMPOSE_FILE`, else `discovery`.
    pub files: Vec<PathBuf>,
    pub discovery: Discovery,
    /// Absolute.
    pub working_dir: PathBuf,
    /// In the stead of the first file's folder.
    pub project_directory: Option<PathBuf>,
    pub project_name: Option<String>,
    /// Active profiles; none: `COMPOSE_PROFILES`.
    pub profiles: Vec<String>,
    /// The services to load, with what they depend on, whatever their profiles; none: all.
    pub selected: Vec<String>,
    /// In the stead of `.env`.
    pub env_files: Vec<PathBuf>,
    /// What variables are looked up in before any file.
    pub environment: BTreeMap<String, String>,
    pub limits: Limits,
    /// Whether variables are replaced; without, only [`load_model`] makes sense.
    pub interpolate: bool,
    /// Whether implied resources, dependencies and names are added.
    pub normalize: bool,
}

impl LoadOptions {
    /// The files of a folder, by their usual names.
    pub fn new(working_dir: impl Into<PathBuf>) -> Self {
        Self {
            files: Vec::new(),
            discovery: Discovery::default(),
            working_dir: working_dir.into(),
            project_directory: None,
            project_name: None,
            profiles: Vec::new(),
            selected: Vec::new(),
            env_files: Vec::new(),
            environment: BTreeMap::new(),
            limits: Limits::default(),
            interpolate: true,
            normalize: true,
        }
    }
}

impl Default for LoadOptions {
    /// The current folder's files; the caller knows better which folder that is.
    fn default() -> Self {
        Self::new(".")
    }
}

/// A project, and how it came about.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub project: Project,
    /// The active services and what they use, in normal form: what `config` prints.
    pub tree: Node,
    /// The profiles of all services, active or not; sorted.
    pub profiles: Vec<String>,
    /// What variables were looked up in, `.env` and the project's name included.
    pub environment: BTreeMap<String, String>,
    /// The variables of those whose values are secrets' contents: these are not to be printed.
    pub secret_variables: BTreeSet<String>,
    pub sources: SourceMap,
    pub warnings: Vec<Diagnostic>,
}

/// A project as its merged files, before values are converted.
#[derive(Clone, Debug)]
pub struct Model {
    pub tree: Node,
    pub sources: SourceMap,
    pub warnings: Vec<Diagnostic>,
}

/// Everything that is wrong with a project's files, as far as it could be told at once.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.summary())]
pub struct LoadError {
    /// Errors, one at least; then what was warned of before, which often is the cause.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: SourceMap,
}

impl LoadError {
    /// For people: each with the lines that it is about.
    pub fn render(&self, color: bool) -> String {
        render(&self.diagnostics, &self.sources, color)
    }

    fn summary(&self) -> String {
        let first = self.diagnostics.first();
        let first = first.map(|first| first.one_line(&self.sources));
        let errors = self.diagnostics.iter();
        let errors = errors.filter(|diagnostic| diagnostic.severity == Severity::Error);
        let others = match errors.count().saturating_sub(1) {
            0 => String::new(),
            others => format!(" (and {others} more)"),
        };
        format!("{}{others}", first.unwrap_or_default())
    }
}

/// Loads a project.
pub fn load(options: &LoadOptions, files: &dyn Files) -> Result<Loaded, LoadError> {
    let mut loading = Loading::new(options, files);
    match project(&mut loading) {
        Ok(parts) => Ok(Loaded {
            project: parts.project,
            tree: parts.tree,
            profiles: parts.profiles,
            environment: parts.environment,
            secret_variables: parts.secret_variables,
            sources: loading.sources,
            warnings: loading.warnings,
        }),
        Err(Stop) => Err(refused(loading)),
    }
}

/// Merges a project's files and goes no further: for printing them as they are written.
pub fn load_model(options: &LoadOptions, files: &dyn Files) -> Result<Model, LoadError> {
    let mut loading = Loading::new(options, files);
    match merged(&mut loading) {
        Ok(merged) => Ok(Model {
            tree: merged.tree,
            sources: loading.sources,
            warnings: loading.warnings,
        }),
        Err(Stop) => Err(refused(loading)),
    }
}

fn refused(loading: Loading<'_>) -> LoadError {
    // A value that is in several services was wrong in each of them.
    let mut told: HashSet<Diagnostic> = HashSet::new();
    let mut diagnostics = loading.errors;
    diagnostics.retain(|error| told.insert(error.clone()));
    diagnostics.extend(loading.warnings);
    LoadError {
        diagnostics,
        sources: loading.sources,
    }
}

/// The files of a project as one tree.
struct Merged {
    name: String,
    scope: Scope,
    tree: Node,
    /// The keys of each service, before any are implied.
    given: HashMap<String, Vec<Spanned<String>>>,
}

/// Steps 1 to 5, and the names and implied parts of step 6.
fn merged(loading: &mut Loading<'_>) -> Result<Merged, Stop> {
    // 1 and 2: the environment can name the files, and the files' folder holds the environment.
    let mut environment = loading.options.environment.clone();
    let start = discovery::project_directory(loading, &loading.options.files);
    let start = crate::compose::files::resolve(&loading.options.working_dir, start);
    environment::add_env_files(loading, &start, &mut environment)?;
    let paths = discovery::compose_files(loading, &environment)?;
    let folder = discovery::project_directory(loading, &paths);
    if folder != start && !environment::are_named(loading) {
        environment::add_env_files(loading, &folder, &mut environment)?;
    }

    // 3
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let documents = loading.documents(&path, None)?;
        files.push((path, documents));
    }
    let documents = files.iter().flat_map(|(_, documents)| documents);
    let name = project_name(loading, documents, &folder, &environment)?;
    environment.insert("COMPOSE_PROJECT_NAME".to_owned(), name.clone());

    // 4 and 5
    let scope = loading.scope(folder, environment);
    let mut tree = loading.model(files, &scope)?;
    if tree.as_map().is_none_or(Map::is_empty) {
        return loading.stop(Diagnostic::invalid("the Compose file is empty"));
    }

    // 6
    let given = given_keys(&tree);
    if loading.options.normalize {
        let span = tree.get("name").map_or(tree.span, |name| name.span);
        if let Some(top) = tree.as_map_mut() {
            top.insert("name", span, Node::string(name.clone(), span));
        }
        // What is printed as it is written has no variables.
        let none = BTreeMap::new();
        let variables = if loading.options.interpolate {
            scope.environment.as_ref()
        } else {
            &none
        };
        normalize::normalize(&mut tree, &name, variables);
    }
    Ok(Merged {
        name,
        scope,
        tree,
        given,
    })
}

fn given_keys(tree: &Node) -> HashMap<String, Vec<Spanned<String>>> {
    let services = tree.get("services").and_then(Node::as_map);
    let services = services.into_iter().flat_map(Map::iter);
    services
        .map(|(name, _, service)| {
            let keys = service.as_map().into_iter().flat_map(Map::iter);
            let keys = keys.map(|(key, span, _)| Spanned::new(key.to_owned(), span));
            (name.to_owned(), keys.collect())
        })
        .collect()
}

/// What a load comes to.
struct Parts {
    project: Project,
    tree: Node,
    profiles: Vec<String>,
    environment: BTreeMap<String, String>,
    secret_variables: BTreeSet<String>,
}

/// The variables that the secrets of a project take their contents from, used or not.
fn secret_variables(normal: &Node) -> BTreeSet<String> {
    let secrets = normal.get("secrets").and_then(Node::as_map);
    let secrets = secrets.into_iter().flat_map(Map::iter);
    secrets
        .filter_map(|(_, _, secret)| Some(secret.get("environment")?.as_str()?.to_owned()))
        .collect()
}

fn project(loading: &mut Loading<'_>) -> Result<Parts, Stop> {
    let Merged {
        name,
        scope,
        mut tree,
        given,
    } = merged(loading)?;
    if let Some(top) = tree.as_map_mut() {
        let span = top.key_span("name").unwrap_or_default();
        top.insert("name", span, Node::string(name.clone(), span));
        if top.get("services").is_none_or(Node::is_null) {
            top.insert_made("services", Node::map(span));
        }
    }
    normalize::inherit_variables(&mut tree, &scope.environment);

    // 6
    let mut conversion = NormalForm::default();
    let mut normal = conversion.project(&tree);
    loading.errors.extend(conversion.errors);
    loading.deferred.extend(conversion.deferred);
    conversion
        .warnings
        .into_iter()
        .for_each(|w| loading.warn(w));
    loading.checkpoint()?;
    if normal.get("services").is_none()
        && let Some(top) = normal.as_map_mut()
    {
        let span = top.key_span("name").unwrap_or_default();
        top.insert_made("services", Node::new(Value::Map(Map::default()), span));
    }

    // 7
    let all_profiles = prune::all_profiles(&normal);
    let profiles = Profiles::of(loading.options, &normal, &scope.environment);
    let mut disabled = prune::take_disabled(&mut normal, &profiles);
    let whole = Whole {
        tree: &normal,
        disabled: &disabled,
    };
    references::check_project(&whole, &mut loading.errors);
    loading.checkpoint()?;
    normalize::replicas(&mut normal);

    // 8
    prune::select(&mut normal, &mut disabled, &loading.options.selected);
    service_files::resolve(loading, &tree, &mut normal, &scope.environment)?;
    let secret_variables = secret_variables(&normal);
    prune::drop_unused(&mut normal);
    let input = decode::Input {
        name: &name,
        folder: &scope.folder,
        raw: &tree,
        normal: &normal,
        disabled: disabled.keys().cloned().collect(),
        given: &given,
    };
    let mut decoder = Decoder::default();
    let mut project = decoder.project(&input);
    loading.errors.extend(decoder.errors);
    loading.checkpoint()?;
    project.deferred.append(&mut loading.deferred);
    Ok(Parts {
        project,
        tree: normal,
        profiles: all_profiles,
        environment: scope.environment.as_ref().clone(),
        secret_variables,
    })
}

impl LoadOptions {
    /// Names a file to load.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.files.push(path.as_ref().to_owned());
        self
    }
}
