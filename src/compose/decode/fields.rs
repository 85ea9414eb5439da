//! The keys of a mapping, each as the type that it is known to have.

use crate::compose::merge::to_text;
use crate::compose::model::{ByteSize, Cpus};
use crate::compose::node::{Map, Node, Value};
use crate::compose::source::{Span, Spanned};
use crate::compose::units;

/// A mapping in normal form, and as it was before.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    pub normal: &'a Node,
    pub raw: &'a Node,
}

impl<'a> Fields<'a> {
    pub(super) fn new(normal: &'a Node, raw: &'a Node) -> Self {
        Self { normal, raw }
    }

    /// A mapping whose values need no conversion.
    pub(super) fn plain(node: &'a Node) -> Self {
        Self::new(node, node)
    }

    pub(super) fn span(self) -> Span {
        self.normal.span
    }

    pub(super) fn node(self, key: &str) -> Option<&'a Node> {
        self.normal.get(key).filter(|node| !node.is_null())
    }

    /// The mapping below a key.
    pub(super) fn below(self, key: &str) -> Option<Fields<'a>> {
        let normal = self.node(key)?;
        Some(Self::new(normal, self.raw.get(key).unwrap_or(normal)))
    }

    pub(super) fn text(self, key: &str) -> Option<Spanned<String>> {
        let node = self.node(key)?;
        Some(Spanned::new(to_text(&node.value), node.span))
    }

    pub(super) fn str(self, key: &str) -> Option<&'a str> {
        self.node(key)?.as_str()
    }

    pub(super) fn flag(self, key: &str) -> Option<Spanned<bool>> {
        let node = self.node(key)?;
        match node.value {
            Value::Bool(value) => Some(Spanned::new(value, node.span)),
            _ => None,
        }
    }

    /// A flag that normal form leaves out where it is false: as it was written.
    pub(super) fn written_flag(self, key: &str) -> Option<Spanned<bool>> {
        self.flag(key).or_else(|| Self::plain(self.raw).flag(key))
    }

    pub(super) fn is_set(self, key: &str) -> bool {
        self.flag(key).is_some_and(|flag| flag.value)
    }

    pub(super) fn integer(self, key: &str) -> Option<Spanned<i64>> {
        let node = self.node(key)?;
        match &node.value {
            Value::Int(value) => Some(Spanned::new(*value, node.span)),
            Value::String(text) => Some(Spanned::new(text.parse().ok()?, node.span)),
            _ => None,
        }
    }

    /// An integer that is known not to be negative.
    pub(super) fn unsigned(self, key: &str) -> Option<Spanned<u64>> {
        let number = self.integer(key)?;
        Some(Spanned::new(number.value.try_into().ok()?, number.span))
    }

    /// A size; -1, where it is a limit, means none.
    pub(super) fn size(self, key: &str) -> Option<Spanned<ByteSize>> {
        self.unsigned(key).map(|size| size.map(ByteSize))
    }

    /// A number of CPUs, from the text as it was written: exact. Negative ones are none.
    pub(super) fn cpus(self, key: &str) -> Option<Spanned<Cpus>> {
        let node = self.raw.get(key)?;
        Some(Spanned::new(cpus(node)?, node.span))
    }

    /// A duration that is not negative.
    pub(super) fn duration(self, key: &str) -> Option<Spanned<std::time::Duration>> {
        let node = self.node(key)?;
        let nanoseconds = units::duration(node.as_str()?).ok()?;
        Some(Spanned::new(units::positive(nanoseconds)?, node.span))
    }

    pub(super) fn items(self, key: &str) -> &'a [Node] {
        self.node(key).and_then(Node::as_list).unwrap_or(&[])
    }

    /// The items of a list of mappings, with what they were before.
    pub(super) fn each(self, key: &str) -> impl Iterator<Item = Fields<'a>> {
        let raw = self.raw.get(key).and_then(Node::as_list).unwrap_or(&[]);
        let items = self.items(key);
        // Normal form keeps the items of such a list, one for one.
        let aligned = raw.len() == items.len();
        items
            .iter()
            .enumerate()
            .map(move |(index, item)| Self::new(item, if aligned { &raw[index] } else { item }))
    }

    pub(super) fn texts(self, key: &str) -> Vec<Spanned<String>> {
        let text = |node: &Node| Spanned::new(to_text(&node.value), node.span);
        self.items(key).iter().map(text).collect()
    }

    pub(super) fn strings(self, key: &str) -> Vec<String> {
        let items = self.items(key).iter();
        items.map(|node| to_text(&node.value)).collect()
    }

    pub(super) fn map(self, key: &str) -> impl Iterator<Item = (&'a str, Span, &'a Node)> {
        let map = self.node(key).and_then(Node::as_map);
        map.into_iter().flat_map(Map::iter)
    }

    /// Names and texts.
    pub(super) fn pairs(self, key: &str) -> Vec<(Spanned<String>, String)> {
        self.map(key)
            .map(|(key, span, node)| (Spanned::new(key.to_owned(), span), to_text(&node.value)))
            .collect()
    }
}

/// A number of CPUs; none if it is no number, or below zero.
pub(super) fn cpus(node: &Node) -> Option<Cpus> {
    let number = match &node.value {
        #[allow(clippy::cast_precision_loss, reason = "no machine has 2^53 CPUs")]
        Value::Int(number) => *number as f64,
        Value::Float(number) => *number,
        Value::String(text) => units::float(text)?,
        _ => return None,
    };
    let nanos = (number * 1e9).round();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the range is looked at first"
    )]
    (0.0..9e18).contains(&nanos).then_some(Cpus {
        nanos: nanos as u64,
    })
}
