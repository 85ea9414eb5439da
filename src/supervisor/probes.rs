//! One probe of a service's health: run in its container, and what its end means.
//!
//! As in Docker every exit but 0 is a failure, and so is what the runtime can't start. Unlike there
//! a probe that containerd was away for, or gave no answer about, says nothing of the service: by
//! one hung containerd all pods of a host would be ill at once.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::command_fault::not_run;
use super::course::ProbeResult;
use super::exec::{Exec, How};
use super::report::ExitStatus;

/// Runs it. None is no result: containerd was away, or nobody wants to know any more.
pub(super) async fn run(
    exec: Exec,
    timeout: Duration,
    cancel: &CancellationToken,
) -> Option<ProbeResult> {
    let ended = exec.run(Some(timeout), cancel).await;
    let failure = |output| {
        Some(ProbeResult {
            success: false,
            output,
        })
    };
    match ended.how {
        How::Exited(ExitStatus::Code(0)) => Some(ProbeResult {
            success: true,
            output: ended.output,
        }),
        How::Exited(status) => failure(with(&status.to_string(), &ended.output)),
        How::TimedOut => failure(with(
            &format!("it did not end within {timeout:?}"),
            &ended.output,
        )),
        How::NotStarted(error) => failure(not_run(&error)),
        How::Cancelled | How::Unknown(_) => None,
    }
}

fn with(how: &str, output: &str) -> String {
    match output {
        "" => how.to_owned(),
        output => format!("{how}: {output}"),
    }
}
