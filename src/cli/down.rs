//! `down`: pods ended, and what they left taken away.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::pod_flags::{Otherwise, PodFlags};
use super::project::ProjectFlags;
use crate::operator::down::{self, Down};

/// Flags of `down`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor down                    the project's pods in this folder
  compose-executor down -p shop            the project's, wherever it is
  compose-executor down --pod 3f2a -t 5    one pod; what has not ended after 5 seconds is killed

Services are stopped in the reverse of their start, each with its stop_signal and
stop_grace_period. A pod of Mesos' is ended through its executor, and with it the executor's other
tasks; its framework is told that the task was killed, and may start another. Exits with 4 when
something is left.")]
pub(super) struct DownArgs {
    #[command(flatten)]
    pods: PodFlags,
    /// Kill what has not ended after so many seconds
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<u64>,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(
    args: &DownArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let pods = args
        .pods
        .select(project, host, environment, Otherwise::None)?;
    if pods.is_empty() {
        exit::warn("compose-executor: no pod to end");
    }
    let limit = args.timeout.map(Duration::from_secs);
    let folders = host.folders();
    let results = block_on(async {
        let results = Box::pin(down::down(&pods, &folders, limit)).await;
        results.map_err(CommandError::failed)
    })?;
    let ended = pods.iter().zip(&results);
    let text = match args.format {
        Format::Table => ended
            .map(|(pod, result)| format!("{}: {}\n", pod.title(), word(*result)))
            .collect::<Vec<_>>()
            .concat(),
        Format::Json => {
            let rows = ended.map(|(pod, result)| {
                json!({
                    "schema": 1,
                    "pod": pod.record.pod.as_str(),
                    "task": pod.record.task,
                    "result": word(*result),
                })
            });
            format!("{:#}\n", rows.collect::<Value>())
        }
    };
    exit::print(&text)?;
    Ok(if results.contains(&Down::Left) {
        exit::INCOMPLETE
    } else {
        exit::SUCCESS
    })
}

fn word(result: Down) -> &'static str {
    match result {
        Down::Ended => "ended",
        Down::CleanedUp => "cleaned up",
        Down::Left => "something is left",
    }
}
