//! `!reset` and `!override`: what a document takes out of the files before it.

use std::collections::HashMap;

use super::node::{Node, Tag, Value};

/// The places that a document resets, by the keys that lead to them.
#[derive(Clone, Debug, Default)]
pub(super) struct Resets {
    root: Step,
}

/// One key on the way to such places.
#[derive(Clone, Debug, Default)]
struct Step {
    /// Whether the way ends here: this is reset, and all below it.
    ends: bool,
    next: HashMap<String, Step>,
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
            let start = &mut self.root;
            let end = path
                .iter()
                .fold(start, |step, key| step.next.entry(key.clone()).or_default());
            end.ends = true;
            tag == Tag::Override
        } else {
            self.visit(node, path);
            true
        }
    }

    /// Takes the places out of what was loaded before.
    pub(super) fn apply(&self, tree: &mut Node) {
        self.root.remove(tree);
    }

    /// Takes the places below a service out of the service that it extends.
    pub(super) fn apply_to_service(&self, name: &str, service: &mut Node) {
        let services = self.root.next.get("services");
        if let Some(step) = services.and_then(|step| step.next.get(name)) {
            step.remove(service);
        }
    }
}

impl Step {
    /// Takes out of a value what lies behind this step.
    fn remove(&self, node: &mut Node) {
        let Some(map) = node.as_map_mut().filter(|_| !self.next.is_empty()) else {
            return;
        };
        map.retain(|key, node| match self.next.get(key) {
            Some(step) if step.ends => false,
            Some(step) => {
                step.remove(node);
                true
            }
            None => true,
        });
    }
}
