//! What the fold finds wrong, or odd, with a project's resources.

use crate::compose::diagnostic::{Diagnostic, Severity};

/// Diagnostics as they come up, so that a user hears of all errors at once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Diagnostic>,
    pub(super) warnings: Vec<Diagnostic>,
}

impl Findings {
    pub(super) fn add(&mut self, diagnostic: Diagnostic) {
        match diagnostic.severity {
            Severity::Error => self.errors.push(diagnostic),
            Severity::Warning => self.warnings.push(diagnostic),
        }
    }
}
