//! For tests: files that are nowhere but in the test.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::files::{FileError, FileKind, Files};
use super::load::{LoadError, LoadOptions, Loaded, load};
use super::model::Project;
use super::schema::{PROJECT, Shape};
use super::{Printed, to_json, to_yaml};

/// The folder in which tests put their files.
pub(crate) const FOLDER: &str = "/p";

/// Files by their paths below [`FOLDER`].
#[derive(Clone, Debug, Default)]
pub(crate) struct MemoryFiles {
    files: BTreeMap<PathBuf, String>,
}

impl MemoryFiles {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let entry =
            |(path, text): &(&str, &str)| (Path::new(FOLDER).join(path), (*text).to_owned());
        Self {
            files: files.iter().map(entry).collect(),
        }
    }
}

impl Files for MemoryFiles {
    fn read(&self, path: &Path) -> Result<Vec<u8>, FileError> {
        match self.files.get(path) {
            Some(text) => Ok(text.clone().into_bytes()),
            None => Err(FileError::NotFound {
                path: path.to_owned(),
            }),
        }
    }

    fn kind(&self, path: &Path) -> Option<FileKind> {
        if self.files.contains_key(path) {
            return Some(FileKind::File);
        }
        let below = |file: &PathBuf| file.starts_with(path);
        self.files.keys().any(below).then_some(FileKind::Directory)
    }
}

/// Options as most tests want them.
pub(crate) fn options() -> LoadOptions {
    LoadOptions::new(FOLDER)
}

/// Loads `compose.yaml` and its like from these files.
pub(crate) fn load_files(files: &[(&str, &str)]) -> Result<Loaded, LoadError> {
    load(&options(), &MemoryFiles::new(files))
}

/// Loads one text.
pub(crate) fn load_text(text: &str) -> Result<Loaded, LoadError> {
    load_files(&[("compose.yaml", text)])
}

/// The project of a text without errors.
pub(crate) fn project_of(text: &str) -> Project {
    match load_text(text) {
        Ok(loaded) => loaded.project,
        Err(error) => panic!("{}", error.render(false)),
    }
}

/// The normal form of files without errors, as YAML.
pub(crate) fn yaml_of(files: &[(&str, &str)]) -> String {
    match load_files(files) {
        Ok(loaded) => to_yaml(&loaded.tree, Printed::Project),
        Err(error) => panic!("{}", error.render(false)),
    }
}

/// The normal form of a text without errors, as JSON.
pub(crate) fn json_of(text: &str) -> serde_json::Value {
    match load_text(text) {
        Ok(loaded) => serde_json::from_str(&to_json(&loaded.tree, Printed::Project)).unwrap(),
        Err(error) => panic!("{}", error.render(false)),
    }
}

/// The messages of what a text has wrong.
pub(crate) fn errors_of(text: &str) -> Vec<String> {
    match load_text(text) {
        Ok(_) => Vec::new(),
        Err(error) => error.diagnostics.into_iter().map(|it| it.message).collect(),
    }
}

/// The keys that a mapping of a file may have: `services.*.deploy`; empty for the top level.
pub(crate) fn keys_at(path: &str) -> Vec<&'static str> {
    fn below(shape: &'static Shape, step: &str) -> &'static Shape {
        match shape {
            Shape::Named(named) => named.item,
            Shape::List(list) => list.item,
            Shape::Object(object) => object.key(step).expect("it has the key").shape,
            Shape::OneOf(shapes) => below(mapping(shapes), step),
            other => panic!("nothing is below {other:?}"),
        }
    }
    fn mapping(shapes: &'static [Shape]) -> &'static Shape {
        let found = shapes
            .iter()
            .find(|shape| matches!(shape, Shape::Object(_) | Shape::Named(_)));
        found.expect("one of them is a mapping")
    }
    let steps = path.split('.').filter(|step| !step.is_empty());
    match steps.fold(&PROJECT, below) {
        Shape::Object(object) => object.keys.iter().map(|key| key.name).collect(),
        Shape::OneOf(shapes) => match mapping(shapes) {
            Shape::Object(object) => object.keys.iter().map(|key| key.name).collect(),
            other => panic!("{path} has keys of its user's: {other:?}"),
        },
        other => panic!("{path} is no mapping: {other:?}"),
    }
}
