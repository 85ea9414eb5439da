//! Text to [`Node`]s: the only file that knows the YAML reader.
//!
//! The reader gives events with byte ranges; the tree is built here, so that places, duplicate
//! keys, aliases and merge keys come out as Compose files need them. Plain scalars are resolved as
//! Docker Compose's reader resolves them ([`super::scalar`]).

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Options, Parser, ScalarStyle, ScanError, StrInput};
use serde_saphyr::granit_parser::{Span as EventSpan, Tag as EventTag};

use super::diagnostic::Diagnostic;
use super::limits::Limits;
use super::node::{Map, Node, Tag, Value};
use super::scalar;
use super::source::{SourceId, Span};

/// The documents of a text, and what is odd about them.
#[derive(Debug, Default)]
pub(super) struct Documents {
    pub documents: Vec<Node>,
    pub warnings: Vec<Diagnostic>,
}

/// Reads all documents of a text.
///
/// `nodes` is how many the whole load may still make; it is lowered by what this text makes, an
/// alias counted as what it stands for.
pub(super) fn read(
    text: &str,
    source: SourceId,
    limits: &Limits,
    nodes: &mut usize,
) -> Result<Documents, Diagnostic> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader = Reader {
        events: Parser::new_from_str_with_options(text, options),
        text,
        source,
        depth: limits.depth,
        nodes_left: nodes,
        anchors: HashMap::new(),
        warnings: Vec::new(),
    };
    let documents = reader.documents()?;
    Ok(Documents {
        documents,
        warnings: reader.warnings,
    })
}

struct Reader<'t, 'n> {
    events: Parser<'t, StrInput<'t>>,
    text: &'t str,
    source: SourceId,
    depth: usize,
    nodes_left: &'n mut usize,
    anchors: HashMap<usize, Anchor>,
    warnings: Vec<Diagnostic>,
}

/// What an alias can stand for.
enum Anchor {
    /// Its value is still being read: an alias to it would be a part of itself.
    Open(Span),
    Known {
        node: Node,
        size: usize,
    },
}

/// A value, and how many nodes it is.
struct Sized {
    node: Node,
    size: usize,
}

impl<'t> Reader<'t, '_> {
    fn documents(&mut self) -> Result<Vec<Node>, Diagnostic> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) => self.anchors.clear(),
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                _ => documents.push(self.node(event, span, 0)?.node),
            }
        }
        Ok(documents)
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, EventSpan)>, Diagnostic> {
        match self.events.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(self.syntax(&error)),
        }
    }

    /// The next event, where the reader promises one.
    fn expect(&mut self) -> Result<(Event<'t>, EventSpan), Diagnostic> {
        match self.next()? {
            Some(event) => Ok(event),
            None => Err(Diagnostic::invalid("the file ends in the midst of a value")),
        }
    }

    fn node(&mut self, event: Event<'t>, at: EventSpan, depth: usize) -> Result<Sized, Diagnostic> {
        let span = self.span(at);
        if depth >= self.depth {
            return Err(Diagnostic::invalid(format!(
                "values are nested more than {} deep",
                self.depth
            ))
            .at(span));
        }
        self.spend(1, span)?;
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let (value, tag) = self.scalar(&text, style, tag.as_deref(), span)?;
                let node = Node { value, span, tag };
                Ok(self.anchored(anchor, Sized { node, size: 1 }))
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.open(anchor, span);
                let tag = self.tag(tag.as_deref(), span);
                let (mut items, mut size) = (Vec::new(), 1);
                let end = loop {
                    let (event, at) = self.expect()?;
                    if matches!(event, Event::SequenceEnd) {
                        break at;
                    }
                    let item = self.node(event, at, depth + 1)?;
                    size += item.size;
                    items.push(item.node);
                };
                let value = Value::List(items);
                let span = self.through(span, end);
                let node = Node { value, span, tag };
                Ok(self.anchored(anchor, Sized { node, size }))
            }
            Event::MappingStart(_, anchor, tag) => {
                self.open(anchor, span);
                let tag = self.tag(tag.as_deref(), span);
                let (map, size, end) = self.mapping(depth)?;
                let value = Value::Map(map);
                let span = self.through(span, end);
                let node = Node { value, span, tag };
                Ok(self.anchored(anchor, Sized { node, size }))
            }
            Event::Alias(anchor) => self.alias(anchor, span),
            _ => Err(Diagnostic::invalid("a value was expected here").at(span)),
        }
    }

    /// The entries of a mapping up to its end, merge keys resolved.
    fn mapping(&mut self, depth: usize) -> Result<(Map, usize, EventSpan), Diagnostic> {
        let (mut map, mut merge, mut size) = (Map::default(), None, 1);
        let end = loop {
            let (event, at) = self.expect()?;
            if matches!(event, Event::MappingEnd) {
                break at;
            }
            let is_merge = matches!(
                &event,
                Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<"
            );
            let key = self.node(event, at, depth + 1)?;
            let (event, at) = self.expect()?;
            let value = self.node(event, at, depth + 1)?;
            size += key.size + value.size;
            let key_span = key.node.span;
            if is_merge {
                if let Some((first, _)) = merge {
                    return Err(duplicate("<<", key_span, first));
                }
                merge = Some((key_span, value.node));
                continue;
            }
            let Value::String(name) = key.node.value else {
                return Err(Diagnostic::invalid(format!(
                    "a key must be a string, and this is {}",
                    key.node.value.kind()
                ))
                .at(key_span)
                .help("put it in quotes"));
            };
            if let Some(first) = map.key_span(&name) {
                return Err(duplicate(&name, key_span, first));
            }
            map.insert(name, key_span, value.node);
        };
        if let Some((_, merged)) = merge {
            merge_into(&mut map, merged)?;
        }
        Ok((map, size, end))
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        tag: Option<&EventTag>,
        span: Span,
    ) -> Result<(Value, Option<Tag>), Diagnostic> {
        let Some(event_tag) = tag else {
            let value = match style {
                ScalarStyle::Plain => scalar::plain(text),
                _ => Value::String(text.to_owned()),
            };
            return Ok((value, None));
        };
        if let Some(kind) = own(event_tag) {
            return match scalar::tagged(&kind, text) {
                Some(value) => Ok((value, None)),
                None => Err(Diagnostic::invalid(format!("`{text}` is no !!{kind}")).at(span)),
            };
        }
        let untyped = event_tag.original() == "!" && style == ScalarStyle::Plain;
        let tag = self.tag(tag, span);
        // A tag that is none of YAML's says nothing of a type: the value is the text, whatever it
        // looks like (`!override 0777`). Where a number is wanted, the text is read as one.
        let value = if untyped {
            scalar::plain(text)
        } else {
            Value::String(text.to_owned())
        };
        Ok((value, tag))
    }

    /// A tag's meaning. One that is neither YAML's nor Compose's means nothing: that is said.
    fn tag(&mut self, tag: Option<&EventTag>, span: Span) -> Option<Tag> {
        let tag = tag?;
        match (own(tag), tag.original().as_str()) {
            (Some(_), _) | (None, "!") => None,
            (None, "!reset") => Some(Tag::Reset),
            (None, "!override") => Some(Tag::Override),
            (None, name) => {
                self.warnings.push(
                    Diagnostic::warning(format!("the tag {name} means nothing and is ignored"))
                        .at(span)
                        .help("the tags of Compose are !reset and !override"),
                );
                None
            }
        }
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<Sized, Diagnostic> {
        let (mut node, size) = match self.anchors.get(&anchor) {
            Some(Anchor::Known { node, size }) => (node.clone(), *size),
            Some(Anchor::Open(start)) => {
                return Err(
                    Diagnostic::invalid("an alias within the value it stands for")
                        .at(span)
                        .label(*start, "the value begins here"),
                );
            }
            None => return Err(Diagnostic::invalid("no anchor of this name").at(span)),
        };
        self.spend(size - 1, span)?;
        // A scalar is best shown where it is used; of a collection, the lines that it is made of.
        if !matches!(node.value, Value::List(_) | Value::Map(_)) {
            node.span = span;
        }
        Ok(Sized { node, size })
    }

    fn open(&mut self, anchor: usize, span: Span) {
        if anchor != 0 {
            self.anchors.insert(anchor, Anchor::Open(span));
        }
    }

    fn anchored(&mut self, anchor: usize, value: Sized) -> Sized {
        if anchor != 0 {
            let (node, size) = (value.node.clone(), value.size);
            self.anchors.insert(anchor, Anchor::Known { node, size });
        }
        value
    }

    fn spend(&mut self, nodes: usize, span: Span) -> Result<(), Diagnostic> {
        match self.nodes_left.checked_sub(nodes) {
            Some(left) => {
                *self.nodes_left = left;
                Ok(())
            }
            None => Err(Diagnostic::invalid(
                "the files hold more values than a project may have, aliases counted in full",
            )
            .at(span)),
        }
    }

    fn span(&self, at: EventSpan) -> Span {
        let offset = |bytes: Option<usize>| {
            let bytes = bytes.unwrap_or(self.text.len()).min(self.text.len());
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        Span {
            source: self.source,
            start: offset(at.start.byte_offset()),
            end: offset(at.end.byte_offset()),
        }
    }

    /// From the start of a collection to its end, less the blank lines that a block ends with.
    fn through(&self, start: Span, end: EventSpan) -> Span {
        let end = self.span(end).end.max(start.start);
        let covered = &self.text[start.start as usize..end as usize];
        let trimmed = u32::try_from(covered.trim_end().len()).unwrap_or(u32::MAX);
        Span {
            end: start.start + trimmed,
            ..start
        }
    }

    fn syntax(&self, error: &ScanError) -> Diagnostic {
        let marker = *error.marker();
        let span = self.span(EventSpan::empty(marker));
        let diagnostic = Diagnostic::invalid(error.info()).at(span);
        let rest = &self.text[span.start as usize..];
        let line_start = self.text[..span.start as usize]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let indent = &self.text[line_start..span.start as usize];
        if rest.starts_with('\t') || (indent.contains('\t') && indent.trim().is_empty()) {
            return diagnostic.help("YAML is indented with spaces; this line has a tab");
        }
        diagnostic
    }
}

/// The name of a tag of YAML's own: `int` for `!!int`.
fn own(tag: &EventTag) -> Option<std::borrow::Cow<'_, str>> {
    tag.suffix_in_namespace("tag:yaml.org,2002:")
}

fn duplicate(key: &str, second: Span, first: Span) -> Diagnostic {
    Diagnostic::invalid(format!("the key `{key}` is there twice"))
        .at(second)
        .label(first, "here it is first")
}

/// The value of a merge key: a mapping or a list of them, whose keys are taken where the mapping
/// has none of its own, from the first that has it.
fn merge_into(map: &mut Map, merged: Node) -> Result<(), Diagnostic> {
    let maps = match merged.value {
        Value::List(items) => items,
        _ => vec![merged],
    };
    for node in maps {
        let span = node.span;
        let Value::Map(other) = node.value else {
            return Err(Diagnostic::invalid(format!(
                "`<<` takes a mapping or a list of mappings, and this is {}",
                node.value.kind()
            ))
            .at(span));
        };
        for (key, key_span, value) in other {
            if !map.contains(&key) {
                map.insert(key, key_span, value);
            }
        }
    }
    Ok(())
}
