//! `include`: the resources of another project, loaded on its own and copied in.

use std::collections::BTreeMap;
use std::path::{Path as FsPath, PathBuf};

use super::diagnostic::Diagnostic;
use super::files::{FileKind, resolve};
use super::loading::{Loading, Scope, Stop};
use super::node::{Node, Value};
use super::source::{Bringing, Brought, Span};

/// The sections that are copied.
const SECTIONS: [&str; 6] = [
    "services", "volumes", "networks", "secrets", "configs", "models",
];

/// One entry of `include`.
struct Entry {
    /// The main file, and files that override it.
    paths: Vec<(String, Span)>,
    project_directory: Option<String>,
    env_files: Vec<(String, Span)>,
}

/// Loads what a document includes into the document, and takes the key out.
pub(super) fn apply(
    loading: &mut Loading<'_>,
    document: &mut Node,
    scope: &Scope,
    open: &[PathBuf],
) -> Result<(), Stop> {
    let Some(include) = document.as_map_mut().and_then(|map| map.remove("include")) else {
        return Ok(());
    };
    if include.is_null() {
        return Ok(());
    }
    let Some(items) = include.as_list() else {
        loading.fail(
            Diagnostic::invalid(format!(
                "include must be a list, and this is {}",
                include.value.kind()
            ))
            .at(include.span)
            .help("write `include: [other.yaml]`"),
        );
        return Ok(());
    };
    for item in items {
        let Some(entry) = entry(loading, item) else {
            continue;
        };
        if let Some(part) = load(loading, &entry, item.span, scope, open)? {
            copy(loading, part, document);
        }
    }
    Ok(())
}

fn entry(loading: &mut Loading<'_>, item: &Node) -> Option<Entry> {
    let texts = |loading: &mut Loading<'_>, node: Option<&Node>, key: &str| match node {
        None => Some(Vec::new()),
        Some(node) if node.is_null() => Some(Vec::new()),
        Some(node) => {
            let items = node.as_list().unwrap_or(std::slice::from_ref(node));
            let texts: Option<Vec<_>> = items
                .iter()
                .map(|item| Some((item.as_str()?.to_owned(), item.span)))
                .collect();
            if texts.is_none() {
                let problem = format!("include: {key} must be a string or a list of strings");
                loading.fail(Diagnostic::invalid(problem).at(node.span));
            }
            texts
        }
    };
    match &item.value {
        Value::Null => Some(Entry {
            paths: Vec::new(),
            project_directory: None,
            env_files: Vec::new(),
        }),
        Value::String(path) => Some(Entry {
            paths: vec![(path.clone(), item.span)],
            project_directory: None,
            env_files: Vec::new(),
        }),
        Value::Map(map) => {
            for (key, key_span, _) in map.iter() {
                if !matches!(key, "path" | "project_directory" | "env_file") {
                    loading.warn(
                        Diagnostic::warning(format!("include has no key `{key}`; it is ignored"))
                            .at(key_span),
                    );
                }
            }
            let directory = map.get("project_directory").filter(|node| !node.is_null());
            let project_directory = match directory.map(|node| (node.as_str(), node.span)) {
                Some((None, span)) => {
                    let problem = "include: project_directory must be a string";
                    loading.fail(Diagnostic::invalid(problem).at(span));
                    return None;
                }
                Some((Some(text), _)) => Some(text.to_owned()).filter(|text| !text.is_empty()),
                None => None,
            };
            Some(Entry {
                paths: texts(loading, map.get("path"), "path")?,
                project_directory,
                env_files: texts(loading, map.get("env_file"), "env_file")?,
            })
        }
        value => {
            let problem = format!("an include can't be {}", value.kind());
            loading.fail(Diagnostic::invalid(problem).at(item.span));
            None
        }
    }
}

/// The project that an entry names, complete but for what the whole decides.
fn load(
    loading: &mut Loading<'_>,
    entry: &Entry,
    span: Span,
    scope: &Scope,
    open: &[PathBuf],
) -> Result<Option<Node>, Stop> {
    let mut paths = Vec::with_capacity(entry.paths.len());
    for (path, path_span) in &entry.paths {
        if loading.refuse_remote(path, *path_span) {
            return Ok(None);
        }
        let path = resolve(&scope.folder, loading.expand_home(path));
        paths.push((path, *path_span));
    }
    let Some((main, main_span)) = paths.first().cloned() else {
        loading.warn(Diagnostic::warning("this includes nothing").at(span));
        return Ok(None);
    };
    if open.contains(&main) {
        let problem = format!("{} includes itself", loading.shown(&main).display());
        loading.fail(Diagnostic::invalid(problem).at(main_span));
        return Ok(None);
    }
    if open.len() > loading.options.limits.references {
        let problem = "files include one another too deeply";
        loading.fail(Diagnostic::invalid(problem).at(main_span));
        return Ok(None);
    }
    let folder = match &entry.project_directory {
        Some(directory) => resolve(&scope.folder, loading.expand_home(directory)),
        None => main.parent().map(ToOwned::to_owned).unwrap_or_default(),
    };
    let environment = environment(loading, entry, &folder, scope)?;
    let inner = loading.scope(folder, environment);
    let files: Vec<_> = paths
        .into_iter()
        .map(|(path, by)| {
            let how = Bringing::Include;
            (path, Brought { by, how })
        })
        .collect();
    loading.included_model(&files, &inner, open).map(Some)
}

/// The includer's variables, then those of the part's env files.
fn environment(
    loading: &mut Loading<'_>,
    entry: &Entry,
    folder: &FsPath,
    scope: &Scope,
) -> Result<BTreeMap<String, String>, Stop> {
    let mut files: Vec<(PathBuf, Option<Span>)> = Vec::new();
    if entry.env_files.is_empty() {
        let default = folder.join(".env");
        if loading.files.kind(&default) == Some(FileKind::File) {
            files.push((default, None));
        }
    }
    for (path, span) in &entry.env_files {
        // The way to say that there is none.
        if path != "/dev/null" {
            files.push((
                resolve(&scope.folder, loading.expand_home(path)),
                Some(*span),
            ));
        }
    }
    let own = loading.env_files(&files, &scope.environment)?;
    let mut environment = scope.environment.as_ref().clone();
    for (name, value) in own {
        environment.entry(name).or_insert(value);
    }
    Ok(environment)
}

fn copy(loading: &mut Loading<'_>, part: Node, document: &mut Node) {
    let Value::Map(part) = part.value else { return };
    let Some(document) = document.as_map_mut() else {
        return;
    };
    for (section, section_span, resources) in part {
        if !SECTIONS.contains(&section.as_str()) || resources.is_null() {
            continue;
        }
        if document.get(&section).is_none_or(Node::is_null) {
            document.insert(section.clone(), section_span, Node::map(resources.span));
        }
        let (Some(Value::Map(target)), Value::Map(resources)) = (
            document.get_mut(&section).map(|node| &mut node.value),
            resources.value,
        ) else {
            continue;
        };
        for (name, key_span, resource) in resources {
            match target.get(&name) {
                None => {
                    target.insert(name, key_span, resource);
                }
                Some(own) if *own == resource => {}
                Some(_) => {
                    let own = target.key_span(&name).unwrap_or_default();
                    loading.fail(
                        Diagnostic::invalid(format!(
                            "{section}.{name} is included, and declared here as well"
                        ))
                        .at(own)
                        .label(key_span, "the included one")
                        .help("change what is included in an override file, which `include` takes as a list of paths"),
                    );
                }
            }
        }
    }
}
