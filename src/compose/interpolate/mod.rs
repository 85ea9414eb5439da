//! `$NAME`, `${NAME}` and `${NAME:-default}` in a file's values.
//!
//! Keys are never touched. Where Compose wants a number or a boolean, what interpolation made is
//! read as one.

mod cast;
mod template;

use super::diagnostic::Diagnostic;
use super::limits::Limits;
use super::node::{Node, Value};
use super::path::Path;
use super::source::Span;

pub use template::{Template, TemplateError};

/// What variables are looked up in, and what a pass over a tree has found.
pub struct Interpolation<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    limits: &'a Limits,
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
}

impl std::fmt::Debug for Interpolation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interpolation")
            .field("errors", &self.errors)
            .field("warnings", &self.warnings)
            .finish_non_exhaustive()
    }
}

impl<'a> Interpolation<'a> {
    pub fn new(lookup: &'a dyn Fn(&str) -> Option<String>, limits: &'a Limits) -> Self {
        Self {
            lookup,
            limits,
            errors: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// Interpolates every value of a document, and casts those that Compose wants typed.
    pub fn tree(&mut self, node: &mut Node, path: Path<'_>) {
        let span = node.span;
        match &mut node.value {
            Value::String(text) => {
                if text.contains('$') {
                    match self.text(text, span) {
                        Ok(value) => *text = value,
                        Err(error) => return self.fail(&error, text, path, span),
                    }
                }
                self.cast(node, path);
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    self.tree(item, path.item(index));
                }
            }
            Value::Map(map) => {
                for (key, _, node) in map.iter_mut() {
                    self.tree(node, path.key(key));
                }
            }
            _ => {}
        }
    }

    /// One text, interpolated. Variables that are not set are warned of, once each.
    pub fn text(&mut self, text: &str, span: Span) -> Result<String, TemplateError> {
        let mut template = Template::new(self.lookup, self.limits);
        let value = template.substitute(text)?;
        for name in template.unset {
            let warning = Diagnostic::warning(format!(
                "the variable {name} is not set; it stands for an empty string"
            ))
            .at(span);
            if !self.warnings.iter().any(|w| w.message == warning.message) {
                self.warnings.push(warning);
            }
        }
        Ok(value)
    }

    fn fail(&mut self, error: &TemplateError, text: &str, path: Path<'_>, span: Span) {
        let diagnostic = Diagnostic::invalid(format!("{path}: {error}")).at(span);
        self.errors.push(match error {
            TemplateError::Invalid => diagnostic.help(format!(
                "a $ that is meant as such is written $$: `{}`",
                text.replace('$', "$$")
            )),
            _ => diagnostic,
        });
    }

    fn cast(&mut self, node: &mut Node, path: Path<'_>) {
        let Some(cast) = cast::of(path.parts()) else {
            return;
        };
        let text = node.as_str().unwrap_or_default();
        match cast.apply(text) {
            Ok((value, false)) => node.value = value,
            Ok((value, true)) => {
                self.warnings.push(
                    Diagnostic::warning(format!("{path}: `{text}` is no boolean of YAML 1.2"))
                        .at(node.span)
                        .help("write `true` or `false`"),
                );
                node.value = value;
            }
            Err(problem) => self
                .errors
                .push(Diagnostic::invalid(format!("{path}: {problem}")).at(node.span)),
        }
    }
}
