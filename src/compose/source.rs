//! Where a piece of a Compose file stands: the texts that were read, and places in them.
//!
//! A [`Span`] is small and is carried on every node, so that an error found late, after overrides,
//! `extends` and `include` have been merged, can still show the line its value was written on. How
//! the value came into the project is told by its source: a file that was included, or the copy of
//! a service that was extended, is a source of its own, which names the place that [brought] it.
//!
//! [brought]: Brought

use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One of the texts in a [`SourceMap`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId(pub u32);

/// A range of bytes in one source. Empty where only a place is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    pub source: SourceId,
    /// Byte offset of the first byte.
    pub start: u32,
    /// Byte offset behind the last byte.
    pub end: u32,
}

/// A value and where it was written. Equality looks at the value alone.
#[derive(Clone, Debug, Default)]
pub struct Spanned<T> {
    pub value: T,
    pub span: Span,
}

impl<T> Spanned<T> {
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }

    pub fn map<U>(self, f: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: f(self.value),
            span: self.span,
        }
    }
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<T: Eq> Eq for Spanned<T> {}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A text that was read, or a value that came from elsewhere (the environment, a flag).
#[derive(Clone, Debug)]
pub struct Source {
    /// As it is shown to people: the path as the user gave it, or `environment`.
    pub name: PathBuf,
    pub text: Arc<str>,
    /// What brought it into the project; none for a file that the user named.
    pub brought: Option<Brought>,
}

/// The key that made the loader read a source, or copy a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Brought {
    pub by: Span,
    pub how: Bringing,
}

/// How a source comes into a project.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Bringing {
    Extends,
    Include,
    EnvFile,
}

impl Bringing {
    /// For the label of a diagnostic at the place in [`Brought::by`].
    pub fn label(self) -> &'static str {
        match self {
            Self::Extends => "extended from here",
            Self::Include => "included from here",
            Self::EnvFile => "read for this",
        }
    }
}

/// Every text of one load. Sources are only added, so a [`Span`] stays good.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    sources: Vec<Source>,
}

impl SourceMap {
    /// Takes a text in, and gives the id that spans into it carry.
    ///
    /// # Panics
    /// With more than 2³² sources; the limits on files are far below.
    pub fn add(&mut self, name: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> SourceId {
        self.push(Source {
            name: name.into(),
            text: text.into(),
            brought: None,
        })
    }

    /// As [`SourceMap::add`], for a file that another one asks for.
    ///
    /// # Panics
    /// As [`SourceMap::add`].
    pub fn add_brought(
        &mut self,
        name: impl Into<PathBuf>,
        text: impl Into<Arc<str>>,
        brought: Brought,
    ) -> SourceId {
        self.push(Source {
            name: name.into(),
            text: text.into(),
            brought: Some(brought),
        })
    }

    /// A second id for the text of `source`, for what `brought` copies from it. Where the text had
    /// been copied before, within the source that `brought` stands in, that step comes first.
    ///
    /// # Panics
    /// As [`SourceMap::add`], and if `source` is of another map.
    pub fn derive(&mut self, source: SourceId, brought: Brought) -> SourceId {
        let original = self.get(source).expect("the source is of this map");
        let mut copy = Source {
            brought: Some(brought),
            ..original.clone()
        };
        if let Some(mut before) = original.brought
            && source != brought.by.source
        {
            before.by.source = self.derive(before.by.source, brought);
            copy.brought = Some(before);
        }
        self.push(copy)
    }

    /// How many sources there are.
    pub(super) fn len(&self) -> usize {
        self.sources.len()
    }

    fn push(&mut self, source: Source) -> SourceId {
        let id = u32::try_from(self.sources.len()).expect("fewer than 2^32 sources");
        self.sources.push(source);
        SourceId(id)
    }

    /// The source a span points into; none for an id of another map.
    pub fn get(&self, id: SourceId) -> Option<&Source> {
        self.sources.get(id.0 as usize)
    }

    /// The text a span covers.
    pub fn text(&self, span: Span) -> &str {
        self.get(span.source)
            .and_then(|source| source.text.get(span.start as usize..span.end as usize))
            .unwrap_or_default()
    }

    /// File, line and column of a span's start, the latter two counted from 1 (columns in characters).
    pub fn place(&self, span: Span) -> Option<Place<'_>> {
        let source = self.get(span.source)?;
        let before = source
            .text
            .get(..span.start as usize)
            .unwrap_or(&source.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some(Place {
            file: &source.name,
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        })
    }

    /// How what stands at `span` came into the project, the nearest step first.
    pub fn chain(&self, span: Span) -> impl Iterator<Item = Brought> + '_ {
        let brought = move |id: SourceId| self.get(id).and_then(|source| source.brought);
        std::iter::successors(brought(span.source), move |step| brought(step.by.source))
    }
}

/// A span for people: `compose.yaml:3:5`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    pub file: &'a Path,
    pub line: usize,
    pub column: usize,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let mut sources = SourceMap::default();
        let source = sources.add("compose.yaml", "a: 1\nü: two\n");
        let span = Span {
            source,
            start: 9,
            end: 12,
        };
        assert_eq!(sources.text(span), "two");
        assert_eq!(sources.place(span).unwrap().to_string(), "compose.yaml:2:4");
    }

    #[test]
    fn a_derived_source_names_the_place_that_brought_it() {
        let mut sources = SourceMap::default();
        let main = sources.add("compose.yaml", "one two three");
        let at = |source, start| Span {
            source,
            start,
            end: start + 3,
        };
        let brought = Brought {
            by: at(main, 4),
            how: Bringing::Extends,
        };
        let copy = sources.derive(main, brought);
        assert_eq!(sources.text(at(copy, 0)), "one");
        assert_eq!(sources.chain(at(copy, 0)).collect::<Vec<_>>(), [brought]);
        assert_eq!(sources.chain(at(main, 0)).count(), 0);
    }

    #[test]
    fn a_copy_of_a_copy_tells_both_steps_the_nearest_first() {
        let mut sources = SourceMap::default();
        let main = sources.add("compose.yaml", "one two three");
        let at = |source, start| Span {
            source,
            start,
            end: start + 3,
        };
        let step = |by| Brought {
            by,
            how: Bringing::Extends,
        };
        let copy = sources.derive(main, step(at(main, 4)));
        let again = sources.derive(copy, step(at(main, 8)));
        let chain: Vec<_> = sources
            .chain(at(again, 0))
            .map(|step| step.by.start)
            .collect();
        assert_eq!(chain, [4, 8]);
    }
}
