//! `ps`: the pods of the host and how their services are.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use serde_json::{Value, json};

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use super::service_flags::ServiceFlags;
use super::table::table;
use crate::containerd::rfc3339;
use crate::journal::HealthView;
use crate::operator::state::{self, PodState, ServiceNow, ServiceState};

/// Flags of `ps`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor ps                    the project's pods in this folder, else all of the host
  compose-executor ps -A                 all pods of the host, Mesos' too
  compose-executor ps -A web             their services of this name
  compose-executor ps --pod web.3f2a     one pod, by its task's id or the beginning of it
  compose-executor ps --format json      an array, an object a pod; \"schema\": 1 in each

A pod is \"alive\" as long as the process that runs it; what a dead one left, `cleanup` takes away.
Health is that of services with a health check while they run: starting, healthy, unhealthy.")]
pub(super) struct PsArgs {
    #[command(flatten)]
    pods: PodFlags,
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Only the pods' ids
    #[arg(short, long)]
    quiet: bool,
    #[command(flatten)]
    services: ServiceFlags,
}

pub(super) fn run(
    args: &PsArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let mut pods = args.pods.select(project, host, environment)?;
    args.services.check(&pods)?;
    pods.retain(|pod| args.services.are_of(pod));
    if args.quiet {
        let ids: Vec<String> = pods
            .iter()
            .map(|pod| format!("{}\n", pod.record.pod))
            .collect();
        exit::print(&ids.concat())?;
        return Ok(exit::SUCCESS);
    }
    let states = block_on(async { Ok(state::look(pods, &host.folders()).await) })?;
    let text = match args.format {
        Format::Table => people(&states, &args.services),
        Format::Json => {
            let shown = states.iter().map(|state| show(state, &args.services));
            format!("{:#}\n", shown.collect::<Value>())
        }
    };
    exit::print(&text)?;
    Ok(exit::SUCCESS)
}

fn people(states: &[PodState], meant: &ServiceFlags) -> String {
    let mut rows = Vec::new();
    for state in states {
        let record = &state.pod.record;
        let services = record.services.iter().zip(&state.services);
        for (service, now) in services.filter(|(service, _)| meant.mean(&service.service)) {
            rows.push([
                record.pod.to_string(),
                record.task.clone(),
                state.pod.owner.word().to_owned(),
                service.service.clone(),
                status(now.state),
                now.health().map_or("-", HealthView::word).to_owned(),
                now.restarts().to_string(),
                service.image.clone(),
            ]);
        }
    }
    table(
        [
            "POD", "TASK", "OWNER", "SERVICE", "STATUS", "HEALTH", "RESTARTS", "IMAGE",
        ],
        &rows,
    )
}

fn status(state: ServiceState) -> String {
    match state.exit_code() {
        Some(code) => format!("{} ({code})", state.word()),
        None => state.word().to_owned(),
    }
}

/// A pod for programs, with those of its services that are meant; `inspect` adds to it.
pub(super) fn show(state: &PodState, meant: &ServiceFlags) -> Value {
    let record = &state.pod.record;
    let service = |(service, now): (&crate::journal::ServiceRecord, &ServiceNow)| {
        json!({
            "service": service.service,
            "container": service.container,
            "image": service.image,
            "status": now.state.word(),
            "pid": now.state.pid(),
            "exit_code": now.state.exit_code(),
            "health": now.health().map(HealthView::word),
            "restarts": now.restarts(),
        })
    };
    let services = record.services.iter().zip(&state.services);
    let services = services.filter(|(service, _)| meant.mean(&service.service));
    let created = UNIX_EPOCH.checked_add(Duration::from_secs(record.created));
    json!({
        "schema": 1,
        "pod": record.pod.as_str(),
        "task": record.task,
        "project": record.project,
        "folder": record.sandbox.display().to_string(),
        "created": rfc3339(created.unwrap_or(SystemTime::UNIX_EPOCH)),
        "owner": {"state": state.pod.owner.word(), "pid": record.maker.pid},
        "mesos": record.mesos.as_ref().map(|mesos| json!({
            "framework": mesos.framework,
            "executor": mesos.executor,
            "container": mesos.container,
        })),
        "services": services.map(service).collect::<Value>(),
    })
}
