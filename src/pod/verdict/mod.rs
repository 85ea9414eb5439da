//! What becomes of each key of a Compose file: the one table that the planner goes by, that
//! diagnostics quote, and that `docs/compose-support.md` is generated from.
//!
//! A key is never dropped silently. What has no effect here because it needs none is `Harmless`, what
//! changes less than its user may think is `Warned`, and what would run in another way than the file
//! says is `Refused`. Where that depends on a key's value, the value has a row of its own, and the
//! planner asks for it by name: `network_mode: host`.

mod files;
mod network;
#[cfg(test)]
mod page;
mod process;
mod resources;
mod top;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;
use crate::compose::source::Span;

/// What a key's presence leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It has its effect.
    Supported(Seen),
    /// The pod runs, and a warning says what is different.
    Warned,
    /// It needs no effect in a pod.
    Harmless,
    /// It would run in another way than the file says, so it doesn't.
    Refused {
        /// What its user can do.
        instead: &'static str,
    },
}

/// Whether the effect was seen in a running container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The integration test that saw it.
    By(&'static str),
    /// Why no test can: the machines that tests run on lack something.
    Not(&'static str),
}

/// One key, or one value of a key, and its verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// As in a file: `mem_limit`, `network_mode: host`.
    pub key: &'static str,
    pub verdict: Verdict,
    /// A line: the effect, what is different, why it needs none, or why it is refused.
    pub text: &'static str,
}

/// The keys of one mapping of a file.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub title: &'static str,
    /// Where the mapping stands: `services.*`; empty for the top level.
    pub path: &'static str,
    pub rows: &'static [Row],
}

/// Four sections for the keys of a service, then those of the other mappings.
pub const SECTIONS: [Section; 13] = [
    process::SECTION,
    network::SECTION,
    resources::SECTION,
    files::SECTION,
    top::TOP,
    top::X_POD,
    top::BUILD,
    top::DEPLOY,
    top::HEALTHCHECK,
    top::NETWORKS,
    top::VOLUMES,
    top::CONFIGS,
    top::SECRETS,
];

const SERVICE: &str = "services.*";

impl Row {
    const fn supported(key: &'static str, text: &'static str, seen_by: &'static str) -> Self {
        let verdict = Verdict::Supported(Seen::By(seen_by));
        Self { key, verdict, text }
    }

    const fn unseen(key: &'static str, text: &'static str, why: &'static str) -> Self {
        let verdict = Verdict::Supported(Seen::Not(why));
        Self { key, verdict, text }
    }

    const fn warned(key: &'static str, text: &'static str) -> Self {
        let verdict = Verdict::Warned;
        Self { key, verdict, text }
    }

    const fn harmless(key: &'static str, text: &'static str) -> Self {
        let verdict = Verdict::Harmless;
        Self { key, verdict, text }
    }

    const fn refused(key: &'static str, text: &'static str, instead: &'static str) -> Self {
        let verdict = Verdict::Refused { instead };
        Self { key, verdict, text }
    }

    /// What a user is told of it where `path` (`services.web.cpuset`) stands; nothing of what needs
    /// no word.
    pub(super) fn diagnose(&self, path: &str, span: Span) -> Option<Diagnostic> {
        let text = self.text;
        let diagnostic = match self.verdict {
            Verdict::Supported(_) | Verdict::Harmless => return None,
            Verdict::Warned => Diagnostic::warning(format!("{path}: {text}")),
            Verdict::Refused { instead } => {
                Diagnostic::unsupported(format!("{path}: {text}")).help(instead)
            }
        };
        Some(diagnostic.at(span))
    }
}

/// The row of a key, or of a value, in the section at `path`.
fn row(path: &str, key: &str) -> Option<&'static Row> {
    let sections = SECTIONS.iter().filter(|section| section.path == path);
    sections
        .flat_map(|section| section.rows)
        .find(|row| row.key == key)
}

/// What the table says of `key`, or of a value (`network_mode: host`), in the section `section`;
/// `at` is where the section's mapping stands in the file: `services.web`, `networks.front`.
///
/// # Panics
/// If the table has no such row: the names that are asked for are this program's own.
pub(super) fn of(section: &str, key: &str, at: &str, span: Span) -> Option<Diagnostic> {
    let row = row(section, key)
        .unwrap_or_else(|| panic!("the table of verdicts has {key:?} below {section:?}"));
    let at = if at.is_empty() {
        String::new()
    } else {
        format!("{at}.")
    };
    row.diagnose(&format!("{at}{key}"), span)
}

/// What the table says of a service's key or value.
pub(super) fn of_service(service: &Service, key: &str, span: Span) -> Option<Diagnostic> {
    of(
        SERVICE,
        key,
        &format!("services.{}", service.name.value),
        span,
    )
}

/// The errors and warnings of one service's keys. The loader has refused what Compose does not know,
/// so that a key without a row is an extension.
pub(super) fn check(service: &Service) -> Vec<Diagnostic> {
    let name = &service.name.value;
    let keys = service.keys.iter();
    keys.filter_map(|key| {
        let path = format!("services.{name}.{}", key.value);
        row(SERVICE, key)?.diagnose(&path, key.span)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::context::testing::context;
    use super::super::planner;
    use super::super::testing::messages;
    use super::*;
    use crate::compose::testing::{keys_at, project_of};

    /// The keys of a section's rows, values left out.
    fn keys(path: &str) -> BTreeSet<&'static str> {
        let sections = SECTIONS.iter().filter(|section| section.path == path);
        sections
            .flat_map(|section| section.rows)
            .map(|row| row.key.split_once(':').map_or(row.key, |(key, _)| key))
            .collect()
    }

    #[test]
    fn each_key_and_value_has_one_row() {
        let mut seen = BTreeSet::new();
        for section in SECTIONS {
            for row in section.rows {
                assert!(
                    seen.insert((section.path, row.key)),
                    "{} is there twice",
                    row.key
                );
            }
        }
    }

    #[test]
    fn every_key_that_the_loader_takes_has_a_row() {
        let paths: BTreeSet<&str> = SECTIONS.iter().map(|section| section.path).collect();
        for path in paths.into_iter().filter(|path| !path.contains("x-pod")) {
            let known: BTreeSet<&str> = keys_at(path).into_iter().collect();
            let rows = keys(path);
            let missing: Vec<_> = known.difference(&rows).collect();
            assert!(missing.is_empty(), "below {path:?}: {missing:?}");
        }
    }

    #[test]
    fn models_that_nobody_uses_are_told_of() {
        let text = "services: {a: {image: i}}\nmodels: {m: {model: x}}\n";
        let project = project_of(text);
        let planned = planner::plan(&project, &context()).unwrap();
        insta::assert_snapshot!(messages(&planned.warnings).join("\n"), @"models: no model runner is on an agent; no service uses them");
    }

    #[test]
    fn a_row_is_a_line_that_ends_without_a_stop() {
        for row in SECTIONS.iter().flat_map(|section| section.rows) {
            let mut texts = vec![row.text];
            if let Verdict::Refused { instead } = row.verdict {
                texts.push(instead);
            }
            for text in texts {
                let good = !text.is_empty() && !text.contains('\n') && !text.ends_with('.');
                assert!(good && !text.contains('|'), "{}: {text}", row.key);
            }
        }
    }
}
