//! What stands in the way of a project's pod, found before anything is made: what is wrong with its
//! files on any machine, what the operator does not allow, what no pod can be, and what this host
//! lacks. Its user is told all of it at once.

use crate::compose::diagnostic::{Diagnostic, Kind, Severity};
use crate::compose::engine_checks;
use crate::compose::model::Project;
use crate::compose::source::{SourceMap, Span};
use crate::policy::{self, Policy, Surroundings, Violation};
use crate::supervisor::LaunchError;

use super::outcome::with_causes;
use super::refusal::Refusal;

/// All that is known to be in the way.
#[derive(Clone, Debug, Default)]
pub struct Objections {
    violations: Vec<Violation>,
    diagnostics: Vec<Diagnostic>,
}

impl Objections {
    /// What the files alone tell, and the operator's policy where there is one; beside it, what their
    /// user should know all the same.
    pub fn of(
        project: &Project,
        policy: Option<(&Policy, Surroundings<'_>)>,
    ) -> (Self, Vec<Diagnostic>) {
        let (diagnostics, warnings) = engine_checks(project)
            .into_iter()
            .partition(|it| it.severity == Severity::Error);
        let violations = policy.map(|(policy, place)| policy::check(project, policy, place));
        let objections = Self {
            violations: violations.unwrap_or_default(),
            diagnostics,
        };
        (objections, warnings)
    }

    /// What the planner has found. What it forbids and the policy does, too, is told once.
    pub fn add_planned(&mut self, errors: Vec<Diagnostic>) {
        let told = |error: &Diagnostic| {
            let place = error.labels.first().map(|label| label.span);
            let mut violations = self.violations.iter();
            error.kind == Kind::Forbidden && violations.any(|it| Some(it.span) == place)
        };
        let errors: Vec<_> = errors.into_iter().filter(|error| !told(error)).collect();
        self.diagnostics.extend(errors);
    }

    /// What the host does not have.
    pub fn add_found(&mut self, errors: &[LaunchError]) {
        self.diagnostics.extend(errors.iter().map(diagnostic));
    }

    pub fn is_empty(&self) -> bool {
        self.violations.is_empty() && self.diagnostics.is_empty()
    }

    /// In the order of the files.
    pub fn into_diagnostics(self) -> Vec<Diagnostic> {
        let violations = self.violations.iter().map(Violation::diagnostic);
        let mut all: Vec<_> = violations.chain(self.diagnostics).collect();
        all.sort_by_key(place);
        all
    }

    /// None where nothing is in the way.
    pub(super) fn into_refusal(self, sources: SourceMap) -> Option<Refusal> {
        let Self {
            violations,
            mut diagnostics,
        } = self;
        diagnostics.sort_by_key(place);
        if !violations.is_empty() {
            return Some(Refusal::Policy {
                violations,
                diagnostics,
                sources,
            });
        }
        (!diagnostics.is_empty()).then_some(Refusal::Files {
            diagnostics,
            sources,
        })
    }
}

fn place(diagnostic: &Diagnostic) -> Option<Span> {
    diagnostic.labels.first().map(|label| label.span)
}

/// What stands in a launch's way, with its place in the file where it has one.
pub fn diagnostic(error: &LaunchError) -> Diagnostic {
    let mut diagnostic = Diagnostic::invalid(with_causes(error));
    diagnostic.help = error.help().map(str::to_owned);
    match error.span() {
        Some(span) => diagnostic.at(span),
        None => diagnostic,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::compose::testing::project_of;
    use crate::policy::{PolicyFile, Whom};

    const TEXT: &str = "
services:
  web:
    image: app:1
    privileged: true
    mem_limit: 1k
    volumes: ['/etc:/etc']
";

    fn objections(planned: Vec<Diagnostic>) -> Objections {
        let project = project_of(TEXT);
        let policy = PolicyFile::default().in_force(&Whom::default());
        let place = Surroundings {
            sandbox: Path::new("/p"),
            guarded: &[],
            archives: &[],
        };
        let (mut objections, _) = Objections::of(&project, Some((&policy, place)));
        objections.add_planned(planned);
        objections
    }

    fn lines(objections: Objections) -> Vec<String> {
        let all = objections.into_diagnostics();
        let first = |it: Diagnostic| it.message.split(": ").next().unwrap().to_owned();
        all.into_iter().map(first).collect()
    }

    #[test]
    fn what_is_wrong_is_told_beside_what_is_forbidden() {
        let keys = [
            "services.web.privileged",
            "services.web.mem_limit",
            "services.web.volumes[0]",
        ];
        assert_eq!(lines(objections(Vec::new())), keys);
    }

    #[test]
    fn what_the_policy_forbids_is_told_once() {
        let twice = objections(Vec::new()).violations;
        let bind = twice.iter().find(|it| it.key.contains("volumes")).unwrap();
        let planned = vec![
            Diagnostic::error(Kind::Forbidden, "outside").at(bind.span),
            Diagnostic::invalid("gpus").at(bind.span),
        ];
        let told = lines(objections(planned));
        assert_eq!(told.len(), 4);
        assert!(told.contains(&"gpus".to_owned()));
    }

    #[test]
    fn a_pod_without_objections_is_not_refused() {
        assert!(Objections::default().is_empty());
        assert!(
            Objections::default()
                .into_refusal(SourceMap::default())
                .is_none()
        );
    }

    #[test]
    fn what_the_operator_forbids_decides_the_reason() {
        let refusal = objections(Vec::new()).into_refusal(SourceMap::default());
        let Some(Refusal::Policy {
            violations,
            diagnostics,
            ..
        }) = refusal
        else {
            panic!("{refusal:?}");
        };
        assert_eq!((violations.len(), diagnostics.len()), (2, 1));
    }
}
