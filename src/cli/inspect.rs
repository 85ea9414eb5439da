//! `inspect`: all that is known of pods.

use clap::Args;
use serde_json::{Value, json};

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use super::ps;
use super::service_flags::ServiceFlags;
use crate::operator::state::{self, PodState};

/// Flags of `inspect`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor inspect                        the project's pods in this folder
  compose-executor inspect --pod 3f2a web         one service of one pod, with its runtime document
  compose-executor inspect | jq '.[].cgroup'

Always JSON: an array, an object a pod, as `ps --format json` has it and more; \"schema\": 1 in each.
The runtime documents hold the containers' environment.")]
pub(super) struct InspectArgs {
    #[command(flatten)]
    pods: PodFlags,
    #[command(flatten)]
    services: ServiceFlags,
}

pub(super) fn run(
    args: &InspectArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let mut pods = args.pods.select(project, host, environment)?;
    args.services.check(&pods)?;
    pods.retain(|pod| args.services.are_of(pod));
    let shown = block_on(async {
        let mut shown = Vec::new();
        for state in state::look(pods, &host.folders()).await {
            shown.push(show(&state, &args.services).await);
        }
        Ok(shown)
    })?;
    exit::print(&format!("{:#}\n", Value::from(shown)))?;
    Ok(exit::SUCCESS)
}

/// What containerd does not tell stays out: a pod that is half gone is looked at too.
async fn show(state: &PodState, meant: &ServiceFlags) -> Value {
    let record = &state.pod.record;
    let client = state.pod.connect().await.ok();
    let mut shown = ps::show(state, meant);
    let mut services = Vec::new();
    let summaries = shown["services"].as_array().cloned().unwrap_or_default();
    let meant = record.services.iter().filter(|it| meant.mean(&it.service));
    for (service, mut summary) in meant.zip(summaries) {
        let container = match &client {
            Some(client) => client
                .containers()
                .get(&service.container)
                .await
                .ok()
                .flatten(),
            None => None,
        };
        let document = container
            .as_ref()
            .and_then(|container| serde_json::from_slice::<Value>(&container.spec).ok());
        summary["cgroup"] = json!(service.cgroup);
        summary["labels"] = json!(service.labels);
        summary["runtime"] = json!(container.map(|it| it.runtime.options.binary_name));
        summary["document"] = json!(document);
        services.push(summary);
    }
    shown["services"] = Value::from(services);
    shown["cgroup"] = json!(record.cgroup.pod);
    shown["logs"] = json!(record.logs);
    shown["containerd"] = json!({
        "socket": record.containerd.socket,
        "namespace": record.containerd.namespace,
        "snapshotter": record.containerd.snapshotter,
        "lease": record.containerd.lease,
        "pause": record.containerd.pause,
    });
    shown["version"] = json!(record.maker.version);
    shown
}
