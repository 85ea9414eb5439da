//! Diagnostics for people: each with the lines it is about.

use std::fmt::Write as _;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Severity};
use super::source::{SourceMap, Span};

/// More than these nobody reads at once.
const SHOWN: usize = 20;

/// One behind the other, each ending with a line feed; of very many the first, and how many there are.
pub fn render<'d>(
    diagnostics: impl IntoIterator<Item = &'d Diagnostic>,
    sources: &SourceMap,
    color: bool,
) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut diagnostics = diagnostics.into_iter();
    let mut out = String::new();
    for diagnostic in diagnostics.by_ref().take(SHOWN) {
        out.push_str(&renderer.render(&[group(diagnostic, sources)]));
        out.push('\n');
    }
    match diagnostics.count() {
        0 => {}
        others => {
            let _ = writeln!(out, "and {others} more");
        }
    }
    out
}

/// A place, what it has to do with the message, and whether it is what the message is about.
struct Mark {
    span: Span,
    text: String,
    kind: AnnotationKind,
}

fn group<'s>(diagnostic: &'s Diagnostic, sources: &'s SourceMap) -> Group<'s> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(printable(&diagnostic.message));
    let mut group = Group::with_title(title);
    let mut marks = marks(diagnostic, sources);
    let mut any = false;
    while !marks.is_empty() {
        // The marks of one text are shown together, in the order of the texts' first marks.
        let name = sources.get(marks[0].span.source).map(|source| &source.name);
        let same = |mark: &Mark| sources.get(mark.span.source).map(|source| &source.name) == name;
        let (these, others): (Vec<Mark>, Vec<Mark>) = marks.into_iter().partition(same);
        marks = others;
        let Some(source) = sources.get(these[0].span.source) else {
            continue;
        };
        if source.text.is_empty() {
            continue;
        }
        let mut snippet = Snippet::source(source.text.as_ref())
            .path(source.name.to_string_lossy())
            .fold(true);
        for mark in these {
            let range = lines_shown(&source.text, mark.span);
            let annotation = mark.kind.span(range);
            snippet = snippet.annotation(match mark.text.as_str() {
                "" => annotation,
                text => annotation.label(text.to_owned()),
            });
        }
        group = group.element(snippet);
        any = true;
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(printable(help)));
    } else if !any {
        return group;
    }
    group
}

fn marks(diagnostic: &Diagnostic, sources: &SourceMap) -> Vec<Mark> {
    let mut marks: Vec<Mark> = Vec::new();
    for (rank, label) in diagnostic.labels.iter().enumerate() {
        marks.push(Mark {
            span: label.span,
            text: printable(&label.text),
            kind: match rank {
                0 => AnnotationKind::Primary,
                _ => AnnotationKind::Context,
            },
        });
        if rank == 0 {
            for step in sources.chain(label.span) {
                marks.push(Mark {
                    span: step.by,
                    text: step.how.label().to_owned(),
                    kind: AnnotationKind::Context,
                });
            }
        }
    }
    marks
}

/// A longer text, or a longer mark, is cut: hostile files have names of a megabyte.
const LONGEST: usize = 1024;

/// The part of a span that is worth a mark: a value of many lines is shown by its first.
fn lines_shown(text: &str, span: Span) -> std::ops::Range<usize> {
    let start = (span.start as usize).min(text.len());
    let end = (span.end as usize).clamp(start, text.len());
    let first_line = text[start..end]
        .find('\n')
        .map_or(end, |newline| start + newline);
    start..text.floor_char_boundary(first_line.min(start + LONGEST))
}

/// Without the characters that would do something to a terminal.
fn printable(text: &str) -> String {
    let cut = text.floor_char_boundary(LONGEST);
    let more = if cut < text.len() { "…" } else { "" };
    let shown = [&text[..cut], more];
    shown
        .iter()
        .flat_map(|part| part.chars())
        .map(|c| match c {
            '\n' | '\t' => ' ',
            c if c.is_control() => '\u{fffd}',
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
            c => c,
        })
        .collect()
}
