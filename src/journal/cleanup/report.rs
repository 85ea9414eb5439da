//! What a cleanup found and did, for people and for programs.

use std::fmt;

use serde::Serialize;

use super::findings::Findings;
use crate::journal::folders::Folders;
use crate::journal::record::{Record, Stored};
use crate::pod::names::PodId;

/// What happened, pod by pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// 1.
    pub schema: u32,
    pub dry_run: bool,
    pub pods: Vec<CleanedPod>,
    /// What is ours and belongs to no pod: objects in containerd that carry our mark, a containerd
    /// that was started for pods and that nobody uses.
    pub orphans: Vec<Remnant>,
    /// What kept the cleanup as a whole from its work.
    pub errors: Vec<String>,
}

/// A pod that there was anything of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CleanedPod {
    pub pod: String,
    /// None when there is no record that can be read.
    pub task: Option<String>,
    pub state: PodState,
    pub remnants: Vec<Remnant>,
}

/// What became of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PodState {
    /// Its owner lives; it was left alone.
    Live,
    /// It has no owner, and would be removed.
    Dead,
    /// Nothing of it is left.
    Removed,
    /// Something of it is left, and the record with it.
    Incomplete,
    /// There was no time for it.
    Postponed,
}

/// One thing of a pod's that was there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Remnant {
    pub kind: Kind,
    pub name: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// What a remnant is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Processes,
    Containerd,
    Task,
    Container,
    Snapshot,
    Sandbox,
    Image,
    Lease,
    Shim,
    ShimSocket,
    RuntimeState,
    Mount,
    Folder,
    Cgroup,
    Record,
    Lock,
}

/// What was done about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It is there, and was left.
    Found,
    Removed,
    Failed {
        error: String,
    },
}

impl Report {
    pub(super) fn new(dry_run: bool) -> Self {
        Self {
            schema: 1,
            dry_run,
            pods: Vec::new(),
            orphans: Vec::new(),
            errors: Vec::new(),
        }
    }

    /// Whether everything was done that was to be.
    pub fn is_complete(&self) -> bool {
        let unfinished =
            |pod: &CleanedPod| matches!(pod.state, PodState::Incomplete | PodState::Postponed);
        self.errors.is_empty()
            && !self.pods.iter().any(unfinished)
            && !self.orphans.iter().any(Remnant::has_failed)
    }

    /// Whether a dead owner's things are on the host: what a dry run is asked by monitoring.
    pub fn has_remnants(&self) -> bool {
        let dead = |pod: &CleanedPod| !matches!(pod.state, PodState::Live | PodState::Removed);
        self.pods.iter().any(dead) || self.orphans.iter().any(|it| it.outcome == Outcome::Found)
    }
}

impl CleanedPod {
    pub(super) fn of(pod: &PodId, task: Option<String>, findings: Findings) -> Self {
        let state = if findings.have_failed() {
            PodState::Incomplete
        } else if findings.dry_run {
            PodState::Dead
        } else {
            PodState::Removed
        };
        Self {
            pod: pod.to_string(),
            task,
            state,
            remnants: findings.remnants,
        }
    }

    pub(super) fn live(folders: &Folders, pod: &PodId) -> Self {
        // Nobody waits for this name: a record that is being replaced has none for a moment.
        let task = match Record::read(&folders.record(pod), pod) {
            Ok(Some(Stored::Known(record))) => Some(record.task),
            _ => None,
        };
        Self {
            task,
            ..Self::without_remnants(pod, PodState::Live)
        }
    }

    pub(super) fn postponed(pod: &PodId) -> Self {
        Self::without_remnants(pod, PodState::Postponed)
    }

    fn without_remnants(pod: &PodId, state: PodState) -> Self {
        Self {
            pod: pod.to_string(),
            task: None,
            state,
            remnants: Vec::new(),
        }
    }
}

impl Remnant {
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed { .. })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pods.is_empty() && self.orphans.is_empty() && self.errors.is_empty() {
            return writeln!(f, "nothing to clean up");
        }
        for pod in &self.pods {
            let task = pod.task.as_deref().unwrap_or("-");
            writeln!(f, "{}  {:<10}  {task}", pod.pod, pod.state.to_string())?;
            for remnant in &pod.remnants {
                writeln!(f, "  {remnant}")?;
            }
        }
        if !self.orphans.is_empty() {
            writeln!(f, "without a pod")?;
        }
        for orphan in &self.orphans {
            writeln!(f, "  {orphan}")?;
        }
        for error in &self.errors {
            writeln!(f, "error: {error}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Remnant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.outcome {
            Outcome::Found => "found",
            Outcome::Removed => "removed",
            Outcome::Failed { .. } => "failed",
        };
        write!(f, "{word:<7}  {:<13}  {}", self.kind.to_string(), self.name)?;
        match &self.outcome {
            Outcome::Failed { error } => write!(f, ": {error}"),
            Outcome::Found | Outcome::Removed => Ok(()),
        }
    }
}

impl fmt::Display for PodState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Dead => "dead",
            Self::Removed => "removed",
            Self::Incomplete => "incomplete",
            Self::Postponed => "postponed",
        })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Processes => "processes",
            Self::Containerd => "containerd",
            Self::Task => "task",
            Self::Container => "container",
            Self::Snapshot => "snapshot",
            Self::Sandbox => "sandbox",
            Self::Image => "image",
            Self::Lease => "lease",
            Self::Shim => "shim",
            Self::ShimSocket => "shim socket",
            Self::RuntimeState => "runtime state",
            Self::Mount => "mount",
            Self::Folder => "folder",
            Self::Cgroup => "cgroup",
            Self::Record => "record",
            Self::Lock => "lock",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let remnant = |kind, name: &str, outcome| Remnant {
            kind,
            name: name.to_owned(),
            outcome,
        };
        let failed = Outcome::Failed {
            error: "cannot unmount /run/x: device busy".to_owned(),
        };
        Report {
            pods: vec![
                CleanedPod {
                    pod: "0123456789ab".to_owned(),
                    task: Some("web-42".to_owned()),
                    state: PodState::Incomplete,
                    remnants: vec![
                        remnant(Kind::Container, "web-42-0123456789ab.web", Outcome::Removed),
                        remnant(Kind::Mount, "/run/x", failed),
                    ],
                },
                CleanedPod {
                    pod: "ba9876543210".to_owned(),
                    task: None,
                    state: PodState::Live,
                    remnants: vec![],
                },
            ],
            ..Report::new(false)
        }
    }

    #[test]
    fn people_read_a_list() {
        insta::assert_snapshot!(report(), @"
        0123456789ab  incomplete  web-42
          removed  container      web-42-0123456789ab.web
          failed   mount          /run/x: cannot unmount /run/x: device busy
        ba9876543210  live        -
        ");
        insta::assert_snapshot!(Report::new(false), @"nothing to clean up");
    }

    #[test]
    fn programs_read_json() {
        insta::assert_json_snapshot!(report().pods[0].remnants, @r#"
        [
          {
            "kind": "container",
            "name": "web-42-0123456789ab.web",
            "outcome": "removed"
          },
          {
            "kind": "mount",
            "name": "/run/x",
            "outcome": "failed",
            "error": "cannot unmount /run/x: device busy"
          }
        ]
        "#);
    }

    #[test]
    fn what_is_left_makes_it_incomplete() {
        let mut report = report();
        assert!(!report.is_complete());
        assert!(report.has_remnants());
        report.pods.remove(0);
        assert!(report.is_complete());
        assert!(!report.has_remnants());
    }
}
