//! What Docker Compose leaves to the engine to refuse, and what it takes without a word: there is no
//! engine here, so a launch and `plan` check it beforehand. `config` does not.

use super::diagnostic::Diagnostic;
use super::model::Project;

/// Everything that keeps a project from being run anywhere.
pub fn engine_checks(project: &Project) -> Vec<Diagnostic> {
    project.deferred.clone()
}
