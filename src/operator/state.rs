//! How the services of pods are: by containerd's word, and by that of the process that runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Serialize, Serializer};
use tracing::warn;

use super::pods::{HostPod, OwnerState, connect};
use crate::containerd::{Client, Task, TaskStatus};
use crate::journal::{Folders, HealthView, PodView, ServiceView};

/// What is known of a container now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    /// It has not been made, or is gone.
    Absent,
    Created,
    Running {
        pid: u32,
    },
    Paused {
        pid: u32,
    },
    Exited {
        code: u32,
    },
    /// containerd can't be asked.
    Unknown,
}

/// A pod and its services, in the order of the record.
#[derive(Clone, Debug)]
pub struct PodState {
    pub pod: HostPod,
    pub services: Vec<ServiceNow>,
}

/// A service now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceNow {
    pub state: ServiceState,
    view: ServiceView,
}

impl ServiceNow {
    /// Of one that runs and has a health check.
    pub fn health(self) -> Option<HealthView> {
        self.view.health.filter(|_| self.state.pid().is_some())
    }

    /// How often it was started again, or is about to be.
    pub fn restarts(self) -> u64 {
        self.view.restarts
    }
}

/// A client for each of the pods' containerds, and why there is none.
type Clients = BTreeMap<(PathBuf, String), Option<Client>>;

/// Looks at all these pods. A containerd that does not answer is no error: its containers' states
/// are not known; nor is a view that can't be read, which is told of.
pub async fn look(pods: Vec<HostPod>, folders: &Folders) -> Vec<PodState> {
    let mut clients = Clients::new();
    let mut tasks = BTreeMap::new();
    for pod in &pods {
        let at = &pod.record.containerd;
        let key = (at.socket.clone(), at.namespace.clone());
        if clients.contains_key(&key) {
            continue;
        }
        let client = connect(&at.socket, &at.namespace).await.ok();
        let listed = match &client {
            Some(client) => client.tasks().list().await.ok(),
            None => None,
        };
        tasks.insert(key.clone(), listed.map(by_container));
        clients.insert(key, client);
    }
    let look = |pod: HostPod| {
        let at = &pod.record.containerd;
        let tasks = &tasks[&(at.socket.clone(), at.namespace.clone())];
        let view = PodView::read(&folders.view(&pod.record.pod)).unwrap_or_else(|error| {
            warn!(%error, "health and restarts are not known");
            PodView::of([])
        });
        let services = pod.record.services.iter();
        let services = services
            .map(|service| ServiceNow {
                state: ServiceState::of(tasks.as_ref(), &service.container),
                view: view.service(&service.service),
            })
            .collect();
        PodState { pod, services }
    };
    pods.into_iter().map(look).collect()
}

fn by_container(tasks: Vec<Task>) -> BTreeMap<String, Task> {
    tasks
        .into_iter()
        .map(|task| (task.container.clone(), task))
        .collect()
}

impl ServiceState {
    fn of(tasks: Option<&BTreeMap<String, Task>>, container: &str) -> Self {
        let Some(tasks) = tasks else {
            return Self::Unknown;
        };
        let Some(task) = tasks.get(container) else {
            return Self::Absent;
        };
        match task.status {
            TaskStatus::Created => Self::Created,
            TaskStatus::Running => Self::Running { pid: task.pid },
            TaskStatus::Paused | TaskStatus::Pausing => Self::Paused { pid: task.pid },
            TaskStatus::Stopped => Self::Exited {
                code: task.exit.map_or(u32::from(u8::MAX), |exit| exit.status),
            },
            TaskStatus::Unknown => Self::Unknown,
        }
    }

    /// A word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Created => "created",
            Self::Running { .. } => "running",
            Self::Paused { .. } => "paused",
            Self::Exited { .. } => "exited",
            Self::Unknown => "unknown",
        }
    }

    pub fn pid(self) -> Option<u32> {
        match self {
            Self::Running { pid } | Self::Paused { pid } => Some(pid),
            _ => None,
        }
    }

    pub fn exit_code(self) -> Option<u32> {
        match self {
            Self::Exited { code } => Some(code),
            _ => None,
        }
    }
}

impl Serialize for OwnerState {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.word())
    }
}

impl OwnerState {
    pub fn word(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_run_has_no_health() {
        let view = ServiceView {
            health: Some(HealthView::Healthy),
            restarts: 2,
        };
        let now = |state| ServiceNow { state, view };
        let running = now(ServiceState::Running { pid: 7 });
        assert_eq!(running.health(), Some(HealthView::Healthy));
        let ended = now(ServiceState::Exited { code: 1 });
        assert_eq!((ended.health(), ended.restarts()), (None, 2));
    }
}
