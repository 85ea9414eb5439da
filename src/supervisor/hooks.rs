//! The hooks of a service's life: commands that are run in its container after its start and
//! before its stop.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::exec::{Exec, ExecEnd, How};
use crate::containerd::RpcError;

/// A hook that did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum HookError {
    #[error("{how}{}", after(.output))]
    Failed { how: String, output: String },
    #[error("it can't be run")]
    NotStarted(#[source] RpcError),
    #[error("it was not run to its end")]
    Cut,
}

fn after(output: &str) -> String {
    match output {
        "" => String::new(),
        output => format!(": {output}"),
    }
}

/// A hook, and how people know it.
#[derive(Debug)]
pub(super) struct Hook {
    pub(super) command: String,
    pub(super) exec: Exec,
}

/// Runs hooks, one after the other, until one fails; that one's command and error.
pub(super) async fn run(
    hooks: Vec<Hook>,
    within: Option<Duration>,
    cancel: &CancellationToken,
) -> Result<(), (String, HookError)> {
    let end = within.map(|within| Instant::now() + within);
    for hook in hooks {
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let ended = hook.exec.run(left, cancel).await;
        verdict(ended).map_err(|error| (hook.command, error))?;
    }
    Ok(())
}

fn verdict(ended: ExecEnd) -> Result<(), HookError> {
    let output = ended.output;
    match ended.how {
        How::Exited(status) if status.shell_code() == 0 => Ok(()),
        How::Exited(status) => Err(HookError::Failed {
            how: status.to_string(),
            output,
        }),
        How::TimedOut => Err(HookError::Failed {
            how: "it took too long".to_owned(),
            output,
        }),
        How::NotStarted(error) => Err(HookError::NotStarted(error)),
        How::Unknown(how) => Err(HookError::Failed { how, output }),
        How::Cancelled => Err(HookError::Cut),
    }
}
