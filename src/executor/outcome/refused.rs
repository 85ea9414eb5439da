//! A task that never became a pod: why, in a code, a reason, and the places in its files.

use super::super::refusal::Refusal;
use super::super::status_data::{Data, problems, violations};
use super::{finish, with_causes};
use crate::compose::diagnostic::Kind;
use crate::mesos::{Reason, StatusUpdate, TaskId, TaskState};

/// The terminal update of a task that never became a pod.
pub(in super::super) fn refused(task: TaskId, refusal: &Refusal) -> StatusUpdate {
    let problems = match refusal {
        Refusal::Files {
            diagnostics,
            sources,
        } => problems(diagnostics, sources),
        Refusal::Policy {
            violations: found,
            diagnostics,
            sources,
        } => {
            let mut all = violations(found, sources);
            all.extend(problems(diagnostics, sources));
            all
        }
        _ => Vec::new(),
    };
    let (code, reason) = classify(refusal);
    let text = match problems.as_slice() {
        [] => with_causes(refusal),
        [first, rest @ ..] => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!(" (+{} more)", rest.len())
            };
            format!("{}{more}", first.line())
        }
    };
    let mut data = Data::new(code);
    data.errors = problems;
    finish(
        StatusUpdate {
            reason: Some(reason),
            ..StatusUpdate::new(task, TaskState::Failed)
        },
        code,
        &text,
        data,
    )
}

/// The terminal update of a task that was refused with its group, `other` being to blame.
pub(in super::super) fn refused_with(
    task: TaskId,
    other: &TaskId,
    refusal: &Refusal,
) -> StatusUpdate {
    let (code, reason) = classify(refusal);
    let reason = match reason {
        Reason::TaskInvalid => Reason::TaskGroupInvalid,
        Reason::TaskUnauthorized => Reason::TaskGroupUnauthorized,
        other => other,
    };
    let update = StatusUpdate {
        reason: Some(reason),
        ..StatusUpdate::new(task, TaskState::Failed)
    };
    let text =
        format!("task \"{other}\" of the same group can't be launched ({code}), so none of it is");
    finish(update, "CE-GROUP", &text, Data::new("CE-GROUP"))
}

/// The code and the reason of a refusal.
fn classify(refusal: &Refusal) -> (&'static str, Reason) {
    match refusal {
        Refusal::Files { diagnostics, .. }
            if diagnostics.iter().any(|it| it.kind == Kind::Forbidden) =>
        {
            ("CE-POLICY", Reason::TaskUnauthorized)
        }
        Refusal::Policy { .. } => ("CE-POLICY", Reason::TaskUnauthorized),
        Refusal::Files { .. } | Refusal::Description(_) | Refusal::Check(_) => {
            ("CE-SPEC", Reason::TaskInvalid)
        }
        Refusal::Sandbox(_) => ("CE-SANDBOX", Reason::TaskInvalid),
        Refusal::Configuration(_) => ("CE-CONFIG", Reason::TaskUnauthorized),
        Refusal::NotRoot => ("CE-HOST", Reason::TaskInvalid),
        Refusal::Fault => ("CE-FAULT", Reason::ContainerLaunchFailed),
        Refusal::Host(_) | Refusal::Placement(_) => ("CE-HOST", Reason::ContainerLaunchFailed),
    }
}
