//! Relative paths of a file to absolute ones, as seen from a folder.

use std::path::Path as FsPath;

use super::diagnostic::Diagnostic;
use super::files::{clean, resolve};
use super::node::{Node, Value};
use super::path::Path;

/// Where relative paths begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bases<'a> {
    pub folder: &'a FsPath,
    /// What `~` stands for.
    pub home: Option<&'a str>,
}

impl Bases<'_> {
    fn expand(self, path: &str) -> String {
        match (path.strip_prefix('~'), self.home) {
            (Some(rest), Some(home)) => clean(FsPath::new(&format!("{home}/{rest}")))
                .to_string_lossy()
                .into_owned(),
            _ => path.to_owned(),
        }
    }

    fn absolute(self, path: &str) -> String {
        let path = self.expand(path);
        if path.is_empty() || path.starts_with('/') {
            return path;
        }
        resolve(self.folder, &path).to_string_lossy().into_owned()
    }

    /// As [`Self::absolute`], for what may be a path of Windows.
    fn host(self, path: &str) -> String {
        let path = self.expand(path);
        if path.starts_with('/') || is_windows_absolute(&path) {
            return path;
        }
        resolve(self.folder, &path).to_string_lossy().into_owned()
    }

    /// As [`Self::absolute`], for what may be a repository or an image.
    fn context(self, path: &str) -> String {
        let remote = [
            "https://",
            "http://",
            "git://",
            "ssh://",
            "github.com/",
            "git@",
        ];
        if path.contains("://")
            || path.starts_with("service:")
            || remote.iter().any(|prefix| path.starts_with(prefix))
        {
            return path.to_owned();
        }
        self.absolute(path)
    }
}

/// `C:\…`, `\\server\share`.
fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let separator = |byte: Option<&u8>| matches!(byte, Some(b'\\' | b'/'));
    match bytes {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => separator(bytes.get(2)),
        [b'\\' | b'/', b'\\' | b'/', ..] => true,
        _ => false,
    }
}

/// Makes every path of a tree absolute.
pub(super) fn absolute(
    node: &mut Node,
    path: Path<'_>,
    bases: Bases<'_>,
    errors: &mut Vec<Diagnostic>,
) {
    match path.parts() {
        ["services", _, "build", "context"] => {
            return on_text(node, |text| bases.context(text));
        }
        ["services", _, "build", "additional_contexts", _] => {
            return on_text(node, |text| bases.context(text));
        }
        ["services", _, "env_file", "[]", "path"]
        | ["services", _, "label_file", "[]"]
        | ["services", _, "develop", "watch", "[]", "path"]
        | ["services", _, "extends", "file"] => {
            return on_text(node, |text| bases.absolute(text));
        }
        ["services", _, "build", "ssh", _] | ["configs" | "secrets", _, "file"] => {
            return on_text(node, |text| bases.host(text));
        }
        ["services", _, "volumes", "[]"] => return mount(node, path, bases, errors),
        ["volumes", _] => return driver_device(node, bases),
        // Nothing below these is a path.
        ["networks" | "models", ..] => return,
        ["services", _, key] if !holds_paths(key) => return,
        [key] if key.starts_with("x-") => return,
        _ => {}
    }
    match &mut node.value {
        Value::Map(map) => {
            for (key, _, node) in map.iter_mut() {
                absolute(node, path.key(key), bases, errors);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                absolute(item, path.item(index), bases, errors);
            }
        }
        _ => {}
    }
}

fn holds_paths(key: &str) -> bool {
    matches!(
        key,
        "build" | "env_file" | "label_file" | "develop" | "extends" | "volumes"
    )
}

fn on_text(node: &mut Node, f: impl FnOnce(&str) -> String) {
    if let Value::String(text) = &mut node.value {
        *text = f(text);
    }
}

fn mount(node: &mut Node, path: Path<'_>, bases: Bases<'_>, errors: &mut Vec<Diagnostic>) {
    let is_bind = node.get("type").and_then(Node::as_str) == Some("bind");
    if !is_bind {
        return;
    }
    let span = node.span;
    match node.get_mut("source") {
        Some(source) => on_text(source, |text| bases.host(text)),
        None => errors
            .push(Diagnostic::invalid(format!("{path}: a bind mount needs a `source`")).at(span)),
    }
}

/// A volume of the local driver that is really a bind mount.
fn driver_device(volume: &mut Node, bases: Bases<'_>) {
    if volume.get("driver").and_then(Node::as_str) != Some("local") {
        return;
    }
    let Some(options) = volume.get_mut("driver_opts") else {
        return;
    };
    if options.get("o").and_then(Node::as_str) == Some("bind")
        && let Some(device) = options.get_mut("device")
    {
        on_text(device, |text| bases.host(text));
    }
}
