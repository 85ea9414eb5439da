//! `K=V` pairs and host names, which files write as lists or as mappings.

use super::NormalForm;
use crate::compose::merge::to_text;
use crate::compose::node::{Map, Node, Value};
use crate::compose::path::Path;
use crate::compose::schema::Pairs;
use crate::compose::source::Span;

impl NormalForm {
    pub(super) fn pairs(&mut self, pairs: Pairs, node: &Node, path: Path<'_>) -> Map {
        let mut out = Map::default();
        let value = |value: Option<Node>, span| match (value, pairs) {
            (Some(node), _) if !node.is_null() => Node::string(to_text(&node.value), node.span),
            (_, Pairs::Environment) => Node::null(span),
            (_, Pairs::Labels) => Node::string("", span),
        };
        match &node.value {
            Value::Map(map) => {
                for (key, key_span, node) in map.iter() {
                    out.insert(key, key_span, value(Some(node.clone()), node.span));
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let text = item.as_str().unwrap_or_default();
                    let (key, text) = match text.split_once('=') {
                        Some((key, text)) => (key, Some(Node::string(text, item.span))),
                        None => (text, None),
                    };
                    if pairs == Pairs::Environment && key.ends_with(char::is_whitespace) {
                        let problem = format!("the name `{key}` ends with a blank");
                        self.fail(item.span, path.item(index), problem);
                    }
                    out.insert(key, item.span, value(text, item.span));
                }
            }
            _ => {}
        }
        out
    }

    /// Host names and addresses as `NAME=ADDRESS`, sorted.
    pub(super) fn hosts(&mut self, node: &Node, path: Path<'_>) -> Vec<Node> {
        let mut hosts: Vec<(String, String, Span)> = Vec::new();
        match &node.value {
            Value::Map(map) => {
                for (host, _, node) in map.iter() {
                    let addresses = node.as_list().unwrap_or(std::slice::from_ref(node));
                    for address in addresses {
                        hosts.push((host.to_owned(), to_text(&address.value), address.span));
                    }
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    let text = to_text(&item.value);
                    if let Some((host, addresses)) =
                        text.split_once('=').or_else(|| text.split_once(':'))
                    {
                        let addresses = addresses.split(',');
                        hosts.extend(
                            addresses
                                .map(|address| (host.to_owned(), address.to_owned(), item.span)),
                        );
                    } else {
                        let problem = format!("`{text}` has no address; write name=address");
                        self.fail(item.span, path.item(index), problem);
                    }
                }
            }
            _ => {}
        }
        let mut out = Vec::with_capacity(hosts.len());
        for (host, address, span) in hosts {
            if host.is_empty() || host.contains([':', '=']) {
                self.fail(span, path, format!("`{host}` is no host name"));
                continue;
            }
            let bare = address
                .strip_prefix('[')
                .and_then(|address| address.strip_suffix(']'))
                .filter(|address| !address.is_empty());
            let address = bare.unwrap_or(&address);
            out.push(Node::string(format!("{host}={address}"), span));
        }
        out.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
        out
    }
}
