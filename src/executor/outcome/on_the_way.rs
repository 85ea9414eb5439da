//! A pod that goes on: how far it is, where it is reached, and how its health is.

use std::net::IpAddr;

use super::line;
use crate::mesos::{CheckStatus, NetworkStatus, Reason, StatusUpdate, TaskId, TaskState};
use crate::supervisor::checks::CheckResult;
use crate::supervisor::report::PodReport;

/// The update of a pod that goes on.
pub(in super::super) fn on_the_way(task: &TaskId, report: PodReport) -> Option<StatusUpdate> {
    let update = |state| StatusUpdate::new(task.clone(), state);
    match report {
        PodReport::Progress(text) => Some(StatusUpdate {
            message: Some(line(&text)),
            ..update(TaskState::Starting)
        }),
        PodReport::Running { healthy, addresses } => Some(StatusUpdate {
            healthy,
            networks: networks(addresses),
            ..update(TaskState::Running)
        }),
        PodReport::Health(health) => {
            let text = match &health.service {
                Some(service) => format!("service \"{service}\" is unhealthy: {}", health.output),
                None => "all services are healthy again".to_owned(),
            };
            Some(StatusUpdate {
                healthy: Some(health.healthy),
                reason: Some(Reason::TaskHealthCheckStatusUpdated),
                message: Some(line(&text)),
                ..update(TaskState::Running)
            })
        }
        PodReport::CheckedHealth { healthy, output } => Some(StatusUpdate {
            healthy: Some(healthy),
            reason: Some(Reason::TaskHealthCheckStatusUpdated),
            message: Some(line(&if healthy {
                "the task's health check succeeds".to_owned()
            } else {
                format!("the task's health check fails: {output}")
            })),
            ..update(TaskState::Running)
        }),
        PodReport::Checked(result) => Some(StatusUpdate {
            check: Some(match result {
                CheckResult::Command(code) => CheckStatus::Command(code),
                CheckResult::Http(code) => CheckStatus::Http(code),
                CheckResult::Tcp(connected) => CheckStatus::Tcp(connected),
            }),
            reason: Some(Reason::TaskCheckStatusUpdated),
            ..update(TaskState::Running)
        }),
        PodReport::Ended(_) => None,
    }
}

/// A pod without an address of its own is reached by its host's, which is the agent's to tell.
fn networks(addresses: Vec<IpAddr>) -> Vec<NetworkStatus> {
    if addresses.is_empty() {
        return Vec::new();
    }
    vec![NetworkStatus {
        addresses,
        ..NetworkStatus::default()
    }]
}
