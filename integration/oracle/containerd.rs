//! L3 to L7: what containerd keeps, asked with its own client.

use super::Kind;
use crate::lab::containerd::Containerd;

/// How `ctr` lists each kind.
const LISTS: [(Kind, &[&str]); 7] = [
    (Kind::Container, &["containers", "list", "-q"]),
    (Kind::Task, &["tasks", "list", "-q"]),
    (Kind::Snapshot, &["snapshots", "list"]),
    (Kind::Image, &["images", "list", "-q"]),
    (Kind::Blob, &["content", "list", "-q"]),
    (Kind::Lease, &["leases", "list", "-q"]),
    (Kind::Ingest, &["content", "active"]),
];

/// All objects, by kind, in all namespaces.
pub(super) fn objects(containerd: &Containerd) -> Vec<(Kind, Vec<String>)> {
    let namespaces = containerd.namespaces();
    let list = |(kind, words): (Kind, &[&str])| {
        let what = namespaces.iter().flat_map(|namespace| {
            let answer = containerd.ctr(namespace, words);
            // No answer is nothing that a test could pass with.
            let text = answer.unwrap_or_else(|error| format!("(ctr {words:?}: {error})"));
            names(&text, namespace, words)
        });
        (kind, what.collect())
    };
    LISTS.into_iter().map(list).collect()
}

/// The first column; a table's first line is its head, and a list asked for with -q has none.
fn names(text: &str, namespace: &str, words: &[&str]) -> Vec<String> {
    let head = usize::from(words.last() != Some(&"-q"));
    text.lines()
        .skip(head)
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| format!("{namespace}/{name}"))
        .collect()
}
