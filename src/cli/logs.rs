//! `logs`: what a pod's services wrote.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::json;

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use super::service_flags::ServiceFlags;
use crate::compose::units;
use crate::containerd::{parse_rfc3339, rfc3339};
use crate::journal::EndedPod;
use crate::logfile::Side;
use crate::operator::end::PodEnd;
use crate::operator::logs::{Piece, PodLogs, Wanted};
use crate::operator::pods::HostPod;

/// Flags of `logs`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor logs                          all services of the project's pod in this folder
  compose-executor logs -f --tail 20 web         one service, and what it still writes
  compose-executor logs --since 10m --pod 3f2a   a pod by the beginning of its id
  compose-executor logs -t --since 2026-01-02T15:04:05Z
  compose-executor logs --format json            an object a line

What a service wrote to its standard error is written to standard error. Before the command, -f
names a Compose file. A detached pod's logs stay when it has ended, until `down` or the end of its
project's next one; then standard error also says how it ended.")]
pub(super) struct LogsArgs {
    #[command(flatten)]
    pods: PodFlags,
    /// A Compose file: here -f follows
    // The id is the global flag's, which is so left out of this command, and with it its -f.
    #[arg(id = "file", long, value_name = "FILE", hide = true)]
    _files: Vec<PathBuf>,
    /// Go on with what is written, until the pod ends
    #[arg(short, long)]
    follow: bool,
    /// Only what was written since then: a time as 2026-01-02T15:04:05Z, or a while ago as 10m
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only so many of each service's last lines, or `all`
    #[arg(short = 'n', long, value_name = "N", default_value = "all", value_parser = tail)]
    tail: Tail,
    /// Show when each line was written
    #[arg(short, long)]
    timestamps: bool,
    /// Show lines without their service
    #[arg(long)]
    no_log_prefix: bool,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    services: ServiceFlags,
}

#[derive(Clone, Copy, Debug)]
struct Tail(Option<usize>);

fn tail(text: &str) -> Result<Tail, String> {
    match text {
        "all" => Ok(Tail(None)),
        number => number
            .parse()
            .map(|number| Tail(Some(number)))
            .map_err(|_| "a number of lines, or all".to_owned()),
    }
}

pub(super) fn run(
    args: &LogsArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let since = args.since.as_deref().map(since).transpose()?;
    let pod = args.pods.one_even_ended(project, host, environment)?;
    args.services.check(std::slice::from_ref(&pod))?;
    let services = args.services.of(&pod);
    let wanted = Wanted {
        since,
        tail: args.tail.0,
    };
    let mut logs = PodLogs::open(&pod, &services, wanted).map_err(CommandError::failed)?;
    let show = Show {
        width: services.iter().map(|name| name.chars().count()).max(),
        prefixed: !args.no_log_prefix && pod.record.services.len() > 1,
        pod: pod.record.pod.to_string(),
        timestamps: args.timestamps,
        format: args.format,
        services,
    };
    block_on(async {
        let mut end = args.follow.then(|| PodEnd::of(&pod, &host.folders()));
        if let Some(end) = &mut end {
            end.heed_written(logs.folder());
        }
        loop {
            // This look comes first: what was written before the end counts.
            let is_over = end.as_ref().map_or(Ok(true), PodEnd::is_over);
            let is_over = is_over.map_err(CommandError::failed)?;
            while let Some(piece) = logs.read().map_err(CommandError::failed)? {
                show.write(&piece).map_err(CommandError::Output)?;
            }
            match &mut end {
                Some(end) if !is_over => end.news().await,
                _ => break,
            }
        }
        if args.format == Format::Table {
            tell_end(host, &pod)?;
        }
        Ok(exit::SUCCESS)
    })
}

/// Says of a pod that is over when and how it ended.
fn tell_end(host: &HostFlags, pod: &HostPod) -> Result<(), CommandError> {
    let ended = EndedPod::all(&host.folders()).map_err(CommandError::failed)?;
    let Some(ended) = ended.iter().find(|it| it.record.pod == pod.record.pod) else {
        return Ok(());
    };
    let at = rfc3339(UNIX_EPOCH + Duration::from_secs(ended.end.at));
    let title = pod.title();
    let message = &ended.end.message;
    exit::warn(&format!(
        "compose-executor: the pod {title} ended at {at}: {message}"
    ));
    Ok(())
}

fn since(text: &str) -> Result<SystemTime, CommandError> {
    let ago = || {
        let nanoseconds = units::duration(text).ok()?;
        SystemTime::now().checked_sub(units::positive(nanoseconds)?)
    };
    parse_rfc3339(text).or_else(ago).ok_or_else(|| {
        CommandError::Usage(format!(
            "--since: \"{text}\" is no time as 2026-01-02T15:04:05Z and no while as 10m"
        ))
    })
}

/// How lines are shown.
struct Show {
    services: Vec<String>,
    width: Option<usize>,
    prefixed: bool,
    pod: String,
    timestamps: bool,
    format: Format,
}

impl Show {
    fn write(&self, piece: &Piece) -> io::Result<()> {
        let service = &self.services[piece.service];
        let at = piece.at.map(rfc3339);
        let mut text = Vec::with_capacity(piece.lines.len());
        for line in piece.lines.split_inclusive(|&byte| byte == b'\n') {
            match self.format {
                Format::Table => {
                    if self.prefixed {
                        let width = self.width.unwrap_or_default();
                        write!(text, "{service:width$} | ")?;
                    }
                    if self.timestamps {
                        write!(text, "{} ", at.as_deref().unwrap_or("-"))?;
                    }
                    text.extend_from_slice(line);
                }
                Format::Json => {
                    let line = line.strip_suffix(b"\n").unwrap_or(line);
                    let row = json!({
                        "schema": 1,
                        "pod": self.pod,
                        "service": service,
                        "stream": match piece.side {
                            Side::Stdout => "stdout",
                            Side::Stderr => "stderr",
                        },
                        "time": at,
                        "line": String::from_utf8_lossy(line),
                    });
                    writeln!(text, "{row}")?;
                }
            }
        }
        if piece.side == Side::Stderr && self.format == Format::Table {
            return io::stderr().write_all(&text);
        }
        let mut out = io::stdout().lock();
        out.write_all(&text)?;
        out.flush()
    }
}
