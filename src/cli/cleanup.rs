//! `cleanup`: takes away what pods whose executor died have left on the host.

use std::time::Duration;

use clap::Args;

use super::Environment;
use super::containerd::Containerd;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use crate::executor::config::Config;
use crate::executor::with_causes;
use crate::journal::Folders;
use crate::journal::cleanup::{self, Kind, Options, Outcome, Remnant, Sweep};
use crate::pod::names::PodId;
use crate::supervisor::host::NAMESPACE;
use crate::supervisor::leftovers::Leftovers;
use crate::supervisor::managed::{self, Presence};

/// Flags of `cleanup`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor cleanup --dry-run      tell what is left; exits with 1 when something is
  compose-executor cleanup                take it away; exits with 4 when something stays
  compose-executor cleanup --orphans      also objects of ours in containerd that no record names

A pod that lives is never touched: a lock that the kernel keeps tells whether it does. A containerd
of our own that nobody uses any more is ended.")]
pub(super) struct CleanupArgs {
    /// Tell what would be removed, and leave it
    #[arg(long)]
    dry_run: bool,
    /// Only this pod; may be given again
    #[arg(long = "pod", value_name = "ID")]
    pods: Vec<String>,
    /// Look for objects of ours in containerd that no record names
    #[arg(long)]
    orphans: bool,
    /// After so many seconds no further pod is begun
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    max_time: u64,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub(super) fn run(
    args: &CleanupArgs,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let config = Config::load(host.config.as_deref())?;
    let pods: Result<Vec<PodId>, _> = args
        .pods
        .iter()
        .map(|id| PodId::try_from(id.as_str()))
        .collect();
    let pods = pods.map_err(|error| CommandError::Usage(error.to_string()))?;
    let report = block_on(async {
        let folders = host.folders();
        let before = managed::presence(&folders).map_err(CommandError::Managed)?;
        let containerd =
            Containerd::open_for_cleanup(host, &config, environment, args.dry_run).await;
        let sweep = Sweep {
            socket: containerd.socket.clone(),
            namespace: NAMESPACE.to_owned(),
        };
        let options = Options {
            dry_run: args.dry_run,
            pods,
            sweep: args.orphans.then_some(sweep),
            within: Duration::from_secs(args.max_time),
            ..Options::new(host.folders())
        };
        let mut report = cleanup::run(&options, &Leftovers).await;
        let ended = end_containerd(containerd, &folders, before, args.dry_run).await;
        report.orphans.extend(ended);
        Ok(report)
    })?;
    exit::print(&match args.format {
        Format::Table => report.to_string(),
        Format::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&report).map_err(CommandError::failed)?
        ),
    })?;
    Ok(if !report.is_complete() {
        exit::INCOMPLETE
    } else if args.dry_run && report.has_remnants() {
        exit::FAILURE
    } else {
        exit::SUCCESS
    })
}

/// Last, since pods are cleaned up in it: a containerd of our own that nobody uses any more.
async fn end_containerd(
    containerd: Containerd,
    folders: &Folders,
    before: Presence,
    dry_run: bool,
) -> Option<Remnant> {
    let ended = match containerd.into_managed() {
        Some(managed) => managed.close().await,
        None if dry_run => Ok(()),
        None => managed::end_abandoned(folders).await,
    };
    let outcome = match ended {
        Err(error) => Outcome::Failed {
            error: with_causes(&error),
        },
        Ok(()) if before != Presence::Abandoned => return None,
        Ok(()) if dry_run => Outcome::Found,
        Ok(()) => Outcome::Removed,
    };
    Some(Remnant {
        kind: Kind::Containerd,
        name: folders.managed_state().display().to_string(),
        outcome,
    })
}
