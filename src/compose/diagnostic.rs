//! What a file has wrong, or right but surprising: one message, the places it is about, and help.

use super::source::{SourceMap, Span};

/// How grave a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Error,
}

/// What kind of refusal an error is; it decides a task's reason and a command's exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The file is wrong: no Compose implementation could run it.
    Invalid,
    /// The file is right, but this program does not do what it asks for, or not yet.
    Unsupported,
    /// The operator does not allow it.
    Forbidden,
}

/// A place with a word on what it has to do with the message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label {
    pub span: Span,
    /// May be empty: then the place speaks for itself.
    pub text: String,
}

/// One error or warning.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Diagnostic {
    pub severity: Severity,
    pub kind: Kind,
    /// Lower case, no full stop; names the key's path where there is one (`services.web.ports[1]`).
    pub message: String,
    /// The first is where it is; the others are how it came there (extends, include, an override).
    pub labels: Vec<Label>,
    /// What the user can do.
    pub help: Option<String>,
}

impl Diagnostic {
    pub fn error(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Error,
            kind,
            message: message.into(),
            labels: Vec::new(),
            help: None,
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::error(Kind::Invalid, message)
    }

    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::error(Kind::Unsupported, message)
    }

    pub fn warning(message: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::invalid(message)
        }
    }

    #[must_use]
    pub fn at(self, span: Span) -> Self {
        self.label(span, "")
    }

    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Self {
        self.labels.push(Label {
            span,
            text: text.into(),
        });
        self
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// `compose.yaml:3:5: message; help`: a line for a log or a task's status.
    pub fn one_line(&self, sources: &SourceMap) -> String {
        let place = self
            .labels
            .first()
            .and_then(|label| sources.place(label.span));
        let place = place.map(|place| format!("{place}: ")).unwrap_or_default();
        let help = self
            .help
            .as_ref()
            .map(|help| format!("; {help}"))
            .unwrap_or_default();
        format!("{place}{}{help}", self.message)
    }
}
