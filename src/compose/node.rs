//! The tree that a Compose file is until it is decoded: plain values, each with its place.

use super::source::Span;

pub use super::map::Map;

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
            Value::Map(map) => map.map_spans(f),
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
