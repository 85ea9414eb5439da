//! `events`: what happens to pods, as it happens.

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use super::Environment;
use super::containerd::likely_socket;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use super::service_flags::ServiceFlags;
use crate::containerd::rfc3339;
use crate::executor::config::Config;
use crate::operator::events::{Follower, PodEvent, What};
use crate::supervisor::host::NAMESPACE;

/// Flags of `events`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor events                    of all pods of the host, those to come too
  compose-executor events --pod 3f2a         of one pod
  compose-executor events web                of the services of this name
  compose-executor events --format json      an object a line, with \"schema\": 1

Events: create, start, exit (with its code), oom, remove, health (healthy or unhealthy, when it has
changed). One without a service is the pod's own: of
its pause container, which comes first and goes last.")]
pub(super) struct EventsArgs {
    #[command(flatten)]
    pods: PodFlags,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    services: ServiceFlags,
}

pub(super) fn run(
    args: &EventsArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let config = Config::load(host.config.as_deref())?;
    let socket = likely_socket(host, &config, environment);
    let pods = args.pods.select(project, host, environment)?;
    let mut containerds: BTreeSet<_> = pods
        .iter()
        .map(|pod| &pod.record.containerd)
        .map(|at| (at.socket.clone(), at.namespace.clone()))
        .collect();
    containerds.insert((socket, NAMESPACE.to_owned()));
    let named = args.pods.is_narrow(project);
    // Else a pod that has it may come.
    if named {
        args.services.check(&pods)?;
    }
    let wanted: BTreeSet<String> = pods.iter().map(|pod| pod.record.pod.to_string()).collect();
    block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
        let follower = Follower::start(host.folders(), containerds);
        let mut follower = follower.map_err(CommandError::failed)?;
        loop {
            let event = tokio::select! {
                event = follower.next() => event,
                _ = interrupt.recv() => return Ok(exit::INTERRUPTED),
            };
            let Some(event) = event else {
                return Ok(exit::SUCCESS);
            };
            let is_of_pod = !named || wanted.contains(&event.pod);
            let is_of_service = match &event.service {
                Some(service) => args.services.mean(service),
                None => args.services.are_all(),
            };
            if !is_of_pod || !is_of_service {
                continue;
            }
            exit::print(&match args.format {
                Format::Table => people(&event),
                Format::Json => show(&event),
            })?;
        }
    })
}

fn people(event: &PodEvent) -> String {
    let at = rfc3339(event.at);
    let service = event.service.as_deref().unwrap_or("-");
    let more = match event.what {
        What::Exited { code } => format!(" {code}"),
        What::Health(health) => format!(" {}", health.word()),
        _ => String::new(),
    };
    let what = event.what.word();
    format!("{at} {} {} {service} {what}{more}\n", event.pod, event.task)
}

fn show(event: &PodEvent) -> String {
    let code = match event.what {
        What::Exited { code } => Some(code),
        _ => None,
    };
    let health = match event.what {
        What::Health(health) => Some(health),
        _ => None,
    };
    let row = json!({
        "schema": 1,
        "time": rfc3339(event.at),
        "event": event.what.word(),
        "pod": event.pod,
        "task": event.task,
        "project": event.project,
        "service": event.service,
        "exit_code": code,
        "health": health,
    });
    format!("{row}\n")
}
