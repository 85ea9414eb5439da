//! `down`: pods ended, and what they left taken away.

use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::plan;
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use crate::executor::with_causes;
use crate::journal::EndedPod;
use crate::operator::down::{self, Down};
use crate::supervisor::kept::{self, KeptError};

/// Flags of `down`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor down                    the project's pods in this folder
  compose-executor down -p shop            the project's, wherever it is
  compose-executor down --pod 3f2a -t 5    one pod; what has not ended after 5 seconds is killed
  compose-executor down -v                 and the named volumes of the project, with all that is in them

Services are stopped in the reverse of their start, each with its stop_signal and
stop_grace_period. What a detached pod wrote that has ended by itself is removed too. A pod of
Mesos' is ended through its executor, and with it the executor's other tasks; its framework is told
that the task was killed, and may start another. Exits with 4 when something is left.")]
pub(super) struct DownArgs {
    #[command(flatten)]
    pods: PodFlags,
    /// Kill what has not ended after so many seconds
    #[arg(short, long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Also remove the project's named volumes; one that another pod uses stays
    #[arg(short, long)]
    volumes: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(
    args: &DownArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let (pods, over) = args.pods.to_end(project, host, environment)?;
    let folders = host.folders();
    // Read before anything ends: a file that can't be read names no volumes.
    let volumes = if args.volumes {
        let project = plan::load(project, environment, None)?;
        kept::of_project(&folders, &project.loaded.project)
    } else {
        Vec::new()
    };
    if pods.is_empty() && over.is_empty() && volumes.is_empty() {
        exit::warn("compose-executor: no pod to end");
    }
    let limit = args.timeout.map(Duration::from_secs);
    let results = block_on(async {
        let results = Box::pin(down::down(&pods, &folders, limit)).await;
        results.map_err(CommandError::failed)
    })?;
    // A detached pod keeps what it wrote when it ends, by us or not.
    for pod in pods.iter().chain(&over) {
        EndedPod::forget(&folders, &pod.record.pod).map_err(CommandError::failed)?;
    }
    let removed: Vec<_> = volumes
        .iter()
        .map(|name| (name, kept::remove(&folders, name)))
        .collect();
    let ended = pods.iter().zip(results.iter().map(|result| word(*result)));
    let ended = ended.chain(over.iter().map(|pod| (pod, "logs removed")));
    let text = match args.format {
        Format::Table => {
            let pods = ended.map(|(pod, result)| format!("{}: {}\n", pod.title(), result));
            let volumes = removed
                .iter()
                .map(|(name, result)| format!("volume {name}: {}\n", fate(result)));
            pods.chain(volumes).collect::<Vec<_>>().concat()
        }
        Format::Json => {
            let pods = ended.map(|(pod, result)| {
                json!({
                    "schema": 1,
                    "pod": pod.record.pod.as_str(),
                    "task": pod.record.task,
                    "result": result,
                })
            });
            let volumes = removed.iter().map(
                |(name, result)| json!({ "schema": 1, "volume": name, "result": fate(result) }),
            );
            format!("{:#}\n", pods.chain(volumes).collect::<Value>())
        }
    };
    exit::print(&text)?;
    let left = results.contains(&Down::Left) || removed.iter().any(|(_, it)| it.is_err());
    Ok(if left {
        exit::INCOMPLETE
    } else {
        exit::SUCCESS
    })
}

/// What became of a volume.
fn fate(result: &Result<(), KeptError>) -> String {
    match result {
        Ok(()) => "removed".to_owned(),
        Err(error) => with_causes(error),
    }
}

fn word(result: Down) -> &'static str {
    match result {
        Down::Ended => "ended",
        Down::CleanedUp => "cleaned up",
        Down::Left => "something is left",
    }
}
