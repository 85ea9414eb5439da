//! The tree that a Compose file is until it is decoded: plain values, each with its place.

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::source::Span;

/// A value of a file.
#[derive(Clone, Debug)]
pub struct Node {
    pub value: Value,
    pub span: Span,
    /// What the value says about the files before it.
    pub tag: Option<Tag>,
}

/// The tags that Compose gives a meaning to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tag {
    /// `!reset`: take what is here out of the files before.
    Reset,
    /// `!override`: replace it, where a merge would add to it.
    Override,
}

/// What YAML knows. Equality looks through to the values: places and the order of keys don't count.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer beyond `i64`.
    Unsigned(u64),
    Float(f64),
    /// An unquoted date, as written: what YAML 1.1 makes of it is nothing that Compose takes.
    Date(String),
    String(String),
    List(Vec<Node>),
    Map(Map),
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    pub fn new(value: Value, span: Span) -> Self {
        Self {
            value,
            span,
            tag: None,
        }
    }

    pub fn string(text: impl Into<String>, span: Span) -> Self {
        Self::new(Value::String(text.into()), span)
    }

    pub fn bool(value: bool, span: Span) -> Self {
        Self::new(Value::Bool(value), span)
    }

    pub fn null(span: Span) -> Self {
        Self::new(Value::Null, span)
    }

    pub fn map(span: Span) -> Self {
        Self::new(Value::Map(Map::default()), span)
    }

    pub fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The value below a key; none if this is no mapping or has no such key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// This node and all below it, keys included.
    pub(super) fn size(&self) -> usize {
        match &self.value {
            Value::List(items) => items.iter().map(Self::size).sum::<usize>() + 1,
            Value::Map(map) => {
                map.iter()
                    .map(|(_, _, node)| node.size() + 1)
                    .sum::<usize>()
                    + 1
            }
            _ => 1,
        }
    }

    /// Changes the span of this node and of all below it, keys included.
    pub fn map_spans(&mut self, f: &mut impl FnMut(Span) -> Span) {
        self.span = f(self.span);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.map_spans(f)),
            Value::Map(map) => {
                for entry in map.entries.values_mut() {
                    entry.key_span = f(entry.key_span);
                    entry.node.map_spans(f);
                }
            }
            _ => {}
        }
    }
}

impl Value {
    /// With its article, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Unsigned(_) => "an integer",
            Self::Float(_) => "a number",
            Self::Date(_) => "a date",
            Self::String(_) => "a string",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// A mapping; keeps the order in which keys were first written.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// A faster hash than the standard library's: it is keyed too, and a project has but so many
    /// nodes ([`super::limits`]), so that keys that collide cost little.
    entries: IndexMap<String, Entry, RandomState>,
}

#[derive(Clone, Debug)]
struct Entry {
    key_span: Span,
    node: Node,
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, _, node)| other.get(key) == Some(node))
    }
}

impl Map {
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: IndexMap::with_capacity_and_hasher(capacity, RandomState::default()),
        }
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.get(key).map(|entry| &entry.node)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.get_mut(key).map(|entry| &mut entry.node)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where a key is written.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entries.get(key).map(|entry| entry.key_span)
    }

    /// Sets a key's value; a key that was there keeps its rank, and its old value is given back.
    pub fn insert(&mut self, key: impl Into<String>, key_span: Span, node: Node) -> Option<Node> {
        let entry = Entry { key_span, node };
        self.entries.insert(key.into(), entry).map(|old| old.node)
    }

    /// For a value that the loader makes: its key is where the value is.
    pub fn insert_made(&mut self, key: impl Into<String>, node: Node) {
        self.insert(key, node.span, node);
    }

    pub fn remove(&mut self, key: &str) -> Option<Node> {
        self.entries.shift_remove(key).map(|entry| entry.node)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Node) -> bool) {
        self.entries.retain(|key, entry| keep(key, &mut entry.node));
    }

    /// Key, the key's place, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Span, &Node)> {
        self.entries
            .iter()
            .map(|(key, entry)| (key.as_str(), entry.key_span, &entry.node))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, Span, &mut Node)> {
        self.entries
            .iter_mut()
            .map(|(key, entry)| (key.as_str(), entry.key_span, &mut entry.node))
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

impl IntoIterator for Map {
    type Item = (String, Span, Node);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter {
            entries: self.entries.into_iter(),
        }
    }
}

/// The entries of a [`Map`]: key, the key's place, value.
#[derive(Debug)]
pub struct IntoIter {
    entries: indexmap::map::IntoIter<String, Entry>,
}

impl Iterator for IntoIter {
    type Item = (String, Span, Node);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, entry) = self.entries.next()?;
        Some((key, entry.key_span, entry.node))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.entries.size_hint()
    }
}
