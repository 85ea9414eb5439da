//! The variables that a project's files see: the process' own, then those of `.env` or of the files
//! given in its stead.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::files::{FileKind, resolve};
use super::loading::{Loading, Stop};
use super::source::Span;

/// Adds to `environment` what the env files of a folder give and it has not.
///
/// A project's folder is known only when its files are, and these can be named in an env file: so
/// this is done for the folder where the search begins, and again for the one where it ends.
pub(super) fn add_env_files(
    loading: &mut Loading<'_>,
    folder: &Path,
    environment: &mut BTreeMap<String, String>,
) -> Result<(), Stop> {
    let files = chosen(loading, folder)?;
    let files: Vec<(PathBuf, Option<Span>)> = files.into_iter().map(|path| (path, None)).collect();
    let given = loading.env_files(&files, environment)?;
    for (name, value) in given {
        environment.entry(name).or_insert(value);
    }
    Ok(())
}

/// Whether env files were named, so that no folder has a say.
pub(super) fn are_named(loading: &Loading<'_>) -> bool {
    !named(loading).is_empty()
}

fn named(loading: &Loading<'_>) -> Vec<PathBuf> {
    let options = loading.options;
    if !options.env_files.is_empty() {
        return options.env_files.clone();
    }
    let listed = options.environment.get("COMPOSE_ENV_FILES");
    let listed = listed.map_or("", String::as_str).split(',');
    listed
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .collect()
}

fn chosen(loading: &mut Loading<'_>, folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let named = named(loading);
    if !named.is_empty() {
        let base = &loading.options.working_dir;
        return Ok(named.iter().map(|path| resolve(base, path)).collect());
    }
    if let Some(text) = loading.options.environment.get("COMPOSE_DISABLE_ENV_FILE") {
        match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => return Ok(Vec::new()),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => {}
            text => {
                let problem =
                    format!("COMPOSE_DISABLE_ENV_FILE: `{text}` is neither true nor false");
                return loading.stop(Diagnostic::invalid(problem));
            }
        }
    }
    let default = folder.join(".env");
    let there = loading.files.kind(&default) == Some(FileKind::File);
    Ok(there.then_some(default).into_iter().collect())
}
