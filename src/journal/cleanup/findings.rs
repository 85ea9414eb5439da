//! What has been found so far, and the one way in which things are removed.

use std::error::Error;
use std::fmt::Display;

use tokio::task::spawn_blocking;

use super::report::{Kind, Outcome, Remnant};

/// The remnants of a pod, as they are found.
#[derive(Clone, Debug)]
pub(super) struct Findings {
    pub(super) dry_run: bool,
    pub(super) remnants: Vec<Remnant>,
}

impl Findings {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            dry_run,
            remnants: Vec::new(),
        }
    }

    /// Removes something that is there; tells of it only, in a dry run.
    pub(super) async fn remove<E: Error + Send>(
        &mut self,
        kind: Kind,
        name: impl Display,
        remove: impl Future<Output = Result<(), E>>,
    ) {
        let outcome = if self.dry_run {
            Outcome::Found
        } else {
            match remove.await {
                Ok(()) => Outcome::Removed,
                Err(error) => Outcome::Failed {
                    error: chain(&error),
                },
            }
        };
        self.add(kind, name, outcome);
    }

    /// Tells of something that can't be removed, or not even looked at.
    pub(super) fn failed(&mut self, kind: Kind, name: impl Display, error: String) {
        self.add(kind, name, Outcome::Failed { error });
    }

    pub(super) fn have_failed(&self) -> bool {
        self.remnants.iter().any(Remnant::has_failed)
    }

    fn add(&mut self, kind: Kind, name: impl Display, outcome: Outcome) {
        self.remnants.push(Remnant {
            kind,
            name: name.to_string(),
            outcome,
        });
    }
}

/// An error and what caused it, on one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        // A transparent error says what its source says.
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

/// Calls of the kernel that may wait, where nothing else waits for them.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
