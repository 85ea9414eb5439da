//! Which files a project is made of, and its folder.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::diagnostic::Diagnostic;
use super::files::{FileKind, resolve};
use super::load::Discovery;
use super::loading::{Loading, Stop};

const NAMES: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
];

const OVERRIDES: [&str; 4] = [
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
];

/// The files that are named or found, absolute, in the order in which they are merged.
pub(super) fn compose_files(
    loading: &mut Loading<'_>,
    environment: &BTreeMap<String, String>,
) -> Result<Vec<PathBuf>, Stop> {
    let options = loading.options;
    let absolute = |path: &Path| {
        if path == Path::new("-") {
            path.to_owned()
        } else {
            resolve(&options.working_dir, path)
        }
    };
    if !options.files.is_empty() {
        return Ok(options.files.iter().map(|path| absolute(path)).collect());
    }
    if let Some(files) = environment.get("COMPOSE_FILE") {
        let separator = environment
            .get("COMPOSE_PATH_SEPARATOR")
            .filter(|separator| !separator.is_empty())
            .map_or(":", String::as_str);
        let files = files.split(separator).map(Path::new);
        return Ok(files.map(absolute).collect());
    }
    let start = named_directory(loading).unwrap_or_else(|| options.working_dir.clone());
    let folders = start.ancestors().take(match options.discovery {
        Discovery::WalkUp => usize::MAX,
        Discovery::Folder => 1,
    });
    for folder in folders {
        if let Some(main) = pick(loading, folder, &NAMES) {
            let main = folder.join(main);
            let others = pick(loading, folder, &OVERRIDES).map(|name| folder.join(name));
            return Ok([main].into_iter().chain(others).collect());
        }
    }
    let message = format!(
        "there is no Compose file in {}{}",
        start.display(),
        match options.discovery {
            Discovery::WalkUp => ", nor above it",
            Discovery::Folder => "",
        }
    );
    let help = format!("name one with -f, or call it {}", NAMES[0]);
    loading.stop(Diagnostic::invalid(message).help(help))
}

/// The first of the names that is in a folder; a warning if there are others.
fn pick(loading: &mut Loading<'_>, folder: &Path, names: &[&'static str]) -> Option<&'static str> {
    let there = |name: &&&str| {
        let kind = loading.files.kind(&folder.join(name));
        kind.is_some_and(|kind| kind != FileKind::Directory)
    };
    let found: Vec<&str> = names.iter().filter(there).copied().collect();
    let first = *found.first()?;
    if found.len() > 1 {
        loading.warn(Diagnostic::warning(format!(
            "there are {}; {first} is taken",
            found.join(" and ")
        )));
    }
    Some(first)
}

/// The folder that the user named.
pub(super) fn named_directory(loading: &Loading<'_>) -> Option<PathBuf> {
    let directory = loading.options.project_directory.as_ref()?;
    Some(resolve(&loading.options.working_dir, directory))
}

/// What the relative paths of a project's files are relative to.
pub(super) fn project_directory(loading: &Loading<'_>, files: &[PathBuf]) -> PathBuf {
    let of_first = || {
        let first = files.iter().find(|path| *path != Path::new("-"))?;
        first.parent().map(ToOwned::to_owned)
    };
    named_directory(loading)
        .or_else(of_first)
        .unwrap_or_else(|| loading.options.working_dir.clone())
}
