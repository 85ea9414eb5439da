//! The name of a project.

use std::collections::BTreeMap;
use std::path::Path;

use super::diagnostic::Diagnostic;
use super::interpolate::Interpolation;
use super::loading::{Loading, Stop};
use super::node::Node;

/// The name that was asked for, else the last that the files give, else the folder's.
pub(super) fn project_name<'n>(
    loading: &mut Loading<'_>,
    documents: impl Iterator<Item = &'n Node>,
    folder: &Path,
    environment: &BTreeMap<String, String>,
) -> Result<String, Stop> {
    let asked = loading.options.project_name.as_ref();
    let asked = asked.or_else(|| environment.get("COMPOSE_PROJECT_NAME"));
    if let Some(name) = asked.filter(|name| !name.is_empty()) {
        if normalized(name) == *name {
            return Ok(name.clone());
        }
        let problem = format!("`{name}` is no project name");
        let help = "a project name has a-z 0-9 _ -, and begins with a letter or a digit";
        return loading.stop(Diagnostic::invalid(problem).help(help));
    }
    let written = documents
        .filter_map(|document| document.get("name"))
        .filter(|name| name.as_str().is_some_and(|name| !name.is_empty()))
        .last();
    let Some(written) = written else {
        let folder = folder.file_name().unwrap_or_default();
        return not_empty(loading, &normalized(&folder.to_string_lossy()), None);
    };
    let text = written.as_str().unwrap_or_default();
    let mut name = text.to_owned();
    if loading.options.interpolate {
        let lookup = |name: &str| environment.get(name).cloned();
        let mut pass = Interpolation::new(&lookup, &loading.options.limits);
        match pass.text(text, written.span) {
            Ok(value) => name = value,
            Err(error) => {
                let problem = format!("name: {error}");
                return loading.stop(Diagnostic::invalid(problem).at(written.span));
            }
        }
    }
    not_empty(loading, &normalized(&name), Some(written))
}

fn not_empty(
    loading: &mut Loading<'_>,
    name: &str,
    written: Option<&Node>,
) -> Result<String, Stop> {
    if !name.is_empty() {
        return Ok(name.to_owned());
    }
    let error = Diagnostic::invalid("the project has no name").help("give it one with -p");
    loading.stop(match written {
        Some(node) => error.at(node.span),
        None => error,
    })
}

/// Lower case, and nothing but `[a-z0-9_-]`, with a letter or a digit first.
pub(super) fn normalized(name: &str) -> String {
    let kept: String = name
        .to_lowercase()
        .chars()
        .filter(|c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-'))
        .collect();
    kept.trim_start_matches(['_', '-']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_normalized() {
        assert_eq!(normalized("My.App"), "myapp");
        assert_eq!(normalized("_-x_y"), "x_y");
        assert_eq!(normalized("Ünder"), "nder");
    }
}
