//! `!reset` and `!override`: what a document takes out of the files before it.

use super::node::{Node, Tag, Value};

/// The places that a document resets, each as the keys that lead to it.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets {
    paths: Vec<Vec<String>>,
}

impl Resets {
    /// Takes the tags out of a document: what is reset goes, what overrides loses its tag.
    ///
    /// On an item of a list both do nothing but take the item out, or leave it.
    pub(super) fn take(document: &mut Node) -> Self {
        let mut resets = Self::default();
        resets.visit(document, &mut Vec::new());
        resets
    }

    fn visit(&mut self, node: &mut Node, path: &mut Vec<String>) {
        match &mut node.value {
            Value::Map(map) => map.retain(|key, node| {
                path.push(key.to_owned());
                let keep = self.entry(node, path);
                path.pop();
                keep
            }),
            Value::List(items) => items.retain_mut(|item| {
                // No path leads to an item of a list in the files before.
                path.push(String::new());
                let keep = self.entry(item, path);
                path.pop();
                keep
            }),
            _ => {}
        }
    }

    /// Whether the value stays in the document.
    fn entry(&mut self, node: &mut Node, path: &mut Vec<String>) -> bool {
        if let Some(tag) = node.tag.take() {
            self.paths.push(path.clone());
            tag == Tag::Override
        } else {
            self.visit(node, path);
            true
        }
    }

    /// Takes the places out of what was loaded before.
    pub(super) fn apply(&self, tree: &mut Node) {
        for path in &self.paths {
            remove(tree, path);
        }
    }

    /// Takes the places below a service out of the service that it extends.
    pub(super) fn apply_to_service(&self, name: &str, service: &mut Node) {
        for path in &self.paths {
            if let [services, service_name, rest @ ..] = path.as_slice()
                && services == "services"
                && service_name == name
            {
                remove(service, rest);
            }
        }
    }
}

fn remove(node: &mut Node, path: &[String]) {
    let [key, rest @ ..] = path else { return };
    let Some(map) = node.as_map_mut() else { return };
    if rest.is_empty() {
        map.remove(key);
    } else if let Some(next) = map.get_mut(key) {
        remove(next, rest);
    }
}
