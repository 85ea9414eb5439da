//! `extends`: a service that begins as a copy of another, of the same document or of another file.

use std::path::PathBuf;

use super::diagnostic::Diagnostic;
use super::files::resolve;
use super::loading::{ExtendedFile, Loading, Scope, Stop};
use super::merge::merge;
use super::node::{Map, Node};
use super::path::Path;
use super::reset::Resets;
use super::source::{Bringing, Brought, SourceId, Span};

/// One step on the way to a base; a step that comes again is a circle.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    file: SourceId,
    path: PathBuf,
    service: String,
    span: Span,
}

/// The services of one document, and what to know to extend them.
struct Document<'a> {
    scope: &'a Scope,
    path: PathBuf,
    source: SourceId,
    resets: &'a Resets,
}

/// Puts into each service of a document what it extends.
pub(super) fn apply(
    loading: &mut Loading<'_>,
    document: &mut Node,
    path: &std::path::Path,
    resets: &Resets,
    scope: &Scope,
) -> Result<(), Stop> {
    let source = document.span.source;
    let Some(services) = document.get_mut("services") else {
        return Ok(());
    };
    let (span, kind) = (services.span, services.value.kind());
    let Some(services) = services.as_map_mut() else {
        let problem = format!("services must be a mapping, and this is {kind}");
        return loading.stop(Diagnostic::invalid(problem).at(span));
    };
    if !services
        .iter()
        .any(|(_, _, service)| service.get("extends").is_some())
    {
        return Ok(());
    }
    let document = Document {
        scope,
        path: path.to_owned(),
        source,
        resets,
    };
    let names: Vec<String> = services.keys().map(str::to_owned).collect();
    for name in names {
        extend(loading, services, &name, &document, &[])?;
    }
    Ok(())
}

/// Completes one service of `services`, and those that it builds on.
fn extend(
    loading: &mut Loading<'_>,
    services: &mut Map,
    name: &str,
    document: &Document<'_>,
    way: &[Step],
) -> Result<(), Stop> {
    let Some(extends) = services
        .get(name)
        .and_then(|service| service.get("extends"))
    else {
        return Ok(());
    };
    let span = extends.span;
    let base = extends
        .as_str()
        .or_else(|| extends.get("service")?.as_str());
    let Some(base) = base.map(str::to_owned) else {
        let problem = format!("services.{name}.extends must name a service");
        loading.fail(Diagnostic::invalid(problem).at(span));
        return Ok(());
    };
    let file = extends.get("file").filter(|file| !file.is_null());
    let file = match file.map(|file| (file.as_str(), file.span)) {
        Some((Some(file), file_span)) => Some((file.to_owned(), file_span)),
        Some((None, file_span)) => {
            let problem = format!("services.{name}.extends.file must be a string");
            loading.fail(Diagnostic::invalid(problem).at(file_span));
            return Ok(());
        }
        None => None,
    };

    let step = Step {
        file: document.source,
        path: document.path.clone(),
        service: name.to_owned(),
        span,
    };
    if circle(loading, way, &step) || too_far(loading, way, span) {
        return Ok(());
    }
    let way = [way, &[step]].concat();

    let found = match file {
        Some((file, file_span)) => {
            from_file(loading, &file, file_span, &base, name, document, &way)?
        }
        None => from_document(loading, services, span, &base, name, document, &way)?,
    };
    let Some(mut found) = found else {
        return Ok(());
    };
    if found.is_null() {
        return Ok(());
    }
    document.resets.apply_to_service(name, &mut found);
    let span = found.span;
    let slot = services.get_mut(name).expect("it was there above");
    let own = std::mem::replace(slot, Node::null(span));
    let path = Path::of(&["services", name]);
    let mut merged = merge(found, own, path, &mut loading.errors);
    if let Some(map) = merged.as_map_mut() {
        map.remove("extends");
    }
    *services.get_mut(name).expect("it was there above") = merged;
    Ok(())
}

/// The base in the same document: completed, copied, each of its places with a note of who copied.
fn from_document(
    loading: &mut Loading<'_>,
    services: &mut Map,
    span: Span,
    base: &str,
    name: &str,
    document: &Document<'_>,
    way: &[Step],
) -> Result<Option<Node>, Stop> {
    if !services.contains(base) {
        loading.missing_service(span, name, base, services.keys(), None);
        return Ok(None);
    }
    extend(loading, services, base, document, way)?;
    let base_service = services.get(base).expect("it was there above");
    if base_service.as_map().is_none() && !base_service.is_null() {
        let problem = format!("services.{base} must be a mapping");
        loading.fail(Diagnostic::invalid(problem).at(base_service.span));
        return Ok(None);
    }
    loading.copied(base_service, span).map(Some)
}

/// The base in another file, which is read for it; its paths are relative to that file.
fn from_file(
    loading: &mut Loading<'_>,
    file: &str,
    span: Span,
    base: &str,
    name: &str,
    document: &Document<'_>,
    way: &[Step],
) -> Result<Option<Node>, Stop> {
    if loading.refuse_remote(file, span) {
        return Ok(None);
    }
    let path = resolve(&document.scope.folder, loading.expand_home(file));
    let brought = Brought {
        by: span,
        how: Bringing::Extends,
    };
    // The variables are the project's, not the folder's.
    let scope = Scope {
        folder: path.parent().map(ToOwned::to_owned).unwrap_or_default(),
        ..document.scope.clone()
    };
    let ExtendedFile { mut tree, resets } = loading.extended_file(&path, brought, &scope)?;
    let source = tree.span.source;
    let found = match tree.get_mut("services").and_then(Node::as_map_mut) {
        None => {
            let problem = format!("services.{name}.extends: {file} has no services");
            loading.fail(Diagnostic::invalid(problem).at(span));
            None
        }
        Some(services) if !services.contains(base) => {
            loading.missing_service(span, name, base, services.keys(), Some(file));
            None
        }
        Some(services) => {
            let document = Document {
                scope: &scope,
                path: path.clone(),
                source,
                resets: &resets,
            };
            extend(loading, services, base, &document, way)?;
            let found = services.get(base).expect("it was there above");
            Some(loading.copied(found, span)?)
        }
    };
    loading.keep_extended(&path, &scope, ExtendedFile { tree, resets });
    Ok(found)
}

fn circle(loading: &mut Loading<'_>, way: &[Step], step: &Step) -> bool {
    let same = |other: &&Step| other.path == step.path && other.service == step.service;
    let Some(start) = way.iter().position(|other| same(&other)) else {
        return false;
    };
    let round = &way[start..];
    let names: Vec<&str> = round
        .iter()
        .chain([step])
        .map(|step| step.service.as_str())
        .collect();
    let mut error = Diagnostic::invalid(format!(
        "services extend each other in a circle: {}",
        names.join(" → ")
    ));
    for step in round {
        error = error.label(step.span, format!("{} extends", step.service));
    }
    // Every service of the circle would tell of it.
    if !loading
        .errors
        .iter()
        .any(|other| same_places(other, &error))
    {
        loading.fail(error);
    }
    true
}

fn same_places(a: &Diagnostic, b: &Diagnostic) -> bool {
    let places = |diagnostic: &Diagnostic| {
        let mut starts: Vec<u32> = diagnostic
            .labels
            .iter()
            .map(|label| label.span.start)
            .collect();
        starts.sort_unstable();
        starts
    };
    places(a) == places(b)
}

fn too_far(loading: &mut Loading<'_>, way: &[Step], span: Span) -> bool {
    let limit = loading.options.limits.references;
    if way.len() < limit {
        return false;
    }
    let problem = format!("more than {limit} services extend one another");
    loading.fail(Diagnostic::invalid(problem).at(span));
    true
}
