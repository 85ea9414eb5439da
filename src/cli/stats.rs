//! `stats`: what services use, again and again at a terminal.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use super::service_flags::ServiceFlags;
use super::table::{bytes, table};
use crate::operator::pods::HostPod;
use crate::operator::stats::{Row, Use, Watch};

/// What CPU use is told over.
const INTERVAL: Duration = Duration::from_secs(1);

/// Flags of `stats`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor stats                      live, every second; Ctrl-C ends it
  compose-executor stats --no-stream -A       once, all pods of the host
  compose-executor stats web db               two services
  compose-executor stats --format json        an object a line and service; with --no-stream an array

CPU is told in percent of one CPU over the last second, memory without what the kernel could drop at
once. A limit is the service's own; below it the task's holds for all together.")]
pub(super) struct StatsArgs {
    #[command(flatten)]
    pods: PodFlags,
    /// Show it once
    #[arg(long)]
    no_stream: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    services: ServiceFlags,
}

pub(super) fn run(
    args: &StatsArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let pods = || args.pods.select(project, host, environment);
    let mut known = pods()?;
    args.services.check(&known)?;
    let mut watch = Watch::begin(&known).map_err(CommandError::failed)?;
    let once = args.no_stream || (args.format == Format::Table && !io::stdout().is_terminal());
    block_on(async {
        loop {
            sleep(INTERVAL).await;
            let mut seen = watch.look();
            seen.retain(|(row, _)| args.services.mean(&row.service));
            exit::print(&match (args.format, once) {
                (Format::Table, true) => people(&seen),
                // The screen is written over: first home, then each line cleared to its end.
                (Format::Table, false) => {
                    let text = people(&seen).replace('\n', "\x1b[K\n");
                    format!("\x1b[H{text}\x1b[J")
                }
                (Format::Json, true) => {
                    let rows = seen.iter().map(|(row, used)| show(row, used.as_ref()));
                    format!("{:#}\n", rows.collect::<Value>())
                }
                (Format::Json, false) => lines(&seen),
            })?;
            if once {
                return Ok(exit::SUCCESS);
            }
            let now = pods()?;
            if !is_same(&known, &now) {
                watch = Watch::begin(&now).map_err(CommandError::failed)?;
                known = now;
            }
        }
    })
}

fn is_same(before: &[HostPod], now: &[HostPod]) -> bool {
    let ids = |pods: &[HostPod]| -> Vec<String> {
        pods.iter().map(|pod| pod.record.pod.to_string()).collect()
    };
    ids(before) == ids(now)
}

fn people(seen: &[(&Row, Option<Use>)]) -> String {
    let dash = || "-".to_owned();
    let row = |(row, used): &(&Row, Option<Use>)| {
        let used = used.unwrap_or_default();
        [
            row.pod.clone(),
            row.task.clone(),
            row.service.clone(),
            used.cpus
                .map_or_else(dash, |cpus| format!("{:.1}%", cpus * 100.0)),
            used.memory.map_or_else(dash, bytes),
            used.memory_limit.map_or_else(dash, bytes),
            used.processes
                .map_or_else(dash, |number| number.to_string()),
        ]
    };
    let rows: Vec<_> = seen.iter().map(row).collect();
    table(
        ["POD", "TASK", "SERVICE", "CPU", "MEMORY", "LIMIT", "PIDS"],
        &rows,
    )
}

fn lines(seen: &[(&Row, Option<Use>)]) -> String {
    let mut text = String::new();
    for (row, used) in seen {
        writeln!(text, "{}", show(row, used.as_ref())).expect("a string takes all that is written");
    }
    text
}

fn show(row: &Row, used: Option<&Use>) -> Value {
    json!({
        "schema": 1,
        "pod": row.pod,
        "task": row.task,
        "service": row.service,
        "cpus": used.and_then(|used| used.cpus),
        "memory_bytes": used.and_then(|used| used.memory),
        "memory_limit_bytes": used.and_then(|used| used.memory_limit),
        "pids": used.and_then(|used| used.processes),
    })
}
