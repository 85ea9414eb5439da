//! What a project asks for and its policy forbids.

use crate::compose::diagnostic::{Diagnostic, Kind};
use crate::compose::source::Span;

/// One thing that is not allowed. It shows no values but those that the policy is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// For programs, one for each field of the policy: `CE-POLICY-CAP-ADD`.
    pub code: String,
    /// What asks: `services.web.cap_add[0]`.
    pub key: String,
    /// Where it was written.
    pub span: Span,
    /// What is asked for.
    pub what: String,
    /// The field of the policy that forbids it: `privileges.cap_add`.
    pub field: &'static str,
    /// Its value and where that comes from: `[], profile restricted, config.toml:2`.
    pub setting: String,
    /// What the user can do.
    pub hint: String,
}

impl Violation {
    /// `services.web.privileged: a privileged container is not allowed (…)`.
    pub fn message(&self) -> String {
        let Self {
            key,
            what,
            field,
            setting,
            ..
        } = self;
        format!("{key}: {what} is not allowed by the operator's policy ({field} = {setting})")
    }

    pub fn diagnostic(&self) -> Diagnostic {
        Diagnostic::error(Kind::Forbidden, self.message())
            .at(self.span)
            .help(&self.hint)
    }
}
