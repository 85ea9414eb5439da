//! What an executor says of its tasks.

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::id::{ExecutorId, TaskId};
use super::info::Label;
use super::proto;
use super::resource::Resources;

/// One update of a task's status. Its uuid, time and source are the driver's to add.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    pub task: TaskId,
    pub state: TaskState,
    pub reason: Option<Reason>,
    /// For people: schedulers show it.
    pub message: Option<String>,
    /// For programs: schedulers pass it on.
    pub data: Option<Bytes>,
    /// None until there is a result of the task's health check.
    pub healthy: Option<bool>,
    /// Where the task is reached. Given with each update: the agent does not remember it, and puts
    /// its own address in where there is none.
    pub networks: Vec<NetworkStatus>,
    /// Owed with every update of a task that has a check.
    pub check: Option<CheckStatus>,
    pub labels: Vec<Label>,
    /// The limits that the task has hit.
    pub limitation: Option<Resources>,
}

impl StatusUpdate {
    /// An update that tells nothing but the state.
    pub fn new(task: TaskId, state: TaskState) -> Self {
        Self {
            task,
            state,
            reason: None,
            message: None,
            data: None,
            healthy: None,
            networks: Vec::new(),
            check: None,
            labels: Vec::new(),
            limitation: None,
        }
    }
}

/// The states that are an executor's to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TaskState {
    Starting,
    Running,
    /// Only for frameworks with [`super::Capability::TaskKillingState`].
    Killing,
    Finished,
    Failed,
    Killed,
    /// The task's description is wrong. Some schedulers try such a task again for ever.
    Error,
}

impl TaskState {
    /// Nothing comes after it: the agent takes no more updates, and frees the task's resources.
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Starting | Self::Running | Self::Killing => false,
            Self::Finished | Self::Failed | Self::Killed | Self::Error => true,
        }
    }
}

/// Why, in Mesos' words. None is better than a wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    TaskInvalid,
    TaskUnauthorized,
    TaskGroupInvalid,
    TaskGroupUnauthorized,
    TaskKilledDuringLaunch,
    ContainerLaunchFailed,
    ContainerLimitation,
    ContainerLimitationMemory,
    ContainerLimitationDisk,
    TaskHealthCheckStatusUpdated,
    TaskCheckStatusUpdated,
    MaxCompletionTimeReached,
}

/// One network that a task is in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NetworkStatus {
    pub name: Option<String>,
    pub addresses: Vec<IpAddr>,
    pub port_mappings: Vec<PortMapping>,
}

/// A port of the host that leads into a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortMapping {
    pub host_port: u16,
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: Option<String>,
}

/// A check's last result; none until there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStatus {
    /// The exit code.
    Command(Option<i32>),
    /// The status code.
    Http(Option<u16>),
    /// Whether it connected.
    Tcp(Option<bool>),
}

/// What an update is known by until the agent has acknowledged it: a random UUID, the same each
/// time it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpdateId(Uuid);

impl UpdateId {
    pub(super) fn random() -> Self {
        Self(Uuid::new_v4())
    }

    /// None for what is not 16 bytes long.
    pub(super) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Uuid::from_slice(bytes).ok().map(Self)
    }

    pub(super) fn to_bytes(self) -> Bytes {
        Bytes::copy_from_slice(self.0.as_bytes())
    }
}

impl fmt::Display for UpdateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl StatusUpdate {
    /// `agent_id` is left out: the agent knows itself, and drops an update that names another.
    pub(super) fn into_proto(
        self,
        id: UpdateId,
        executor: &ExecutorId,
        time: SystemTime,
    ) -> proto::call::Update {
        let timestamp = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs_f64();
        let networks: Vec<_> = self.networks.into_iter().map(network).collect();
        proto::call::Update {
            status: proto::TaskStatus {
                task_id: proto::TaskId {
                    value: self.task.to_string(),
                },
                state: state(self.state).into(),
                data: self.data,
                message: self.message,
                agent_id: None,
                timestamp: Some(timestamp),
                executor_id: Some(proto::ExecutorId {
                    value: executor.to_string(),
                }),
                healthy: self.healthy,
                source: Some(proto::task_status::Source::Executor.into()),
                reason: self.reason.map(|given| reason(given).into()),
                uuid: Some(id.to_bytes()),
                labels: labels(self.labels),
                container_status: (!networks.is_empty()).then_some(proto::ContainerStatus {
                    network_infos: networks,
                }),
                check_status: self.check.map(check),
                limitation: self.limitation.map(|limits| proto::TaskResourceLimitation {
                    resources: limits.to_proto(),
                }),
            },
        }
    }
}

fn state(state: TaskState) -> proto::TaskState {
    match state {
        TaskState::Starting => proto::TaskState::TaskStarting,
        TaskState::Running => proto::TaskState::TaskRunning,
        TaskState::Killing => proto::TaskState::TaskKilling,
        TaskState::Finished => proto::TaskState::TaskFinished,
        TaskState::Failed => proto::TaskState::TaskFailed,
        TaskState::Killed => proto::TaskState::TaskKilled,
        TaskState::Error => proto::TaskState::TaskError,
    }
}

fn reason(reason: Reason) -> proto::task_status::Reason {
    use proto::task_status::Reason as Wire;
    match reason {
        Reason::TaskInvalid => Wire::TaskInvalid,
        Reason::TaskUnauthorized => Wire::TaskUnauthorized,
        Reason::TaskGroupInvalid => Wire::TaskGroupInvalid,
        Reason::TaskGroupUnauthorized => Wire::TaskGroupUnauthorized,
        Reason::TaskKilledDuringLaunch => Wire::TaskKilledDuringLaunch,
        Reason::ContainerLaunchFailed => Wire::ContainerLaunchFailed,
        Reason::ContainerLimitation => Wire::ContainerLimitation,
        Reason::ContainerLimitationMemory => Wire::ContainerLimitationMemory,
        Reason::ContainerLimitationDisk => Wire::ContainerLimitationDisk,
        Reason::TaskHealthCheckStatusUpdated => Wire::TaskHealthCheckStatusUpdated,
        Reason::TaskCheckStatusUpdated => Wire::TaskCheckStatusUpdated,
        Reason::MaxCompletionTimeReached => Wire::MaxCompletionTimeReached,
    }
}

fn network(network: NetworkStatus) -> proto::NetworkInfo {
    use proto::network_info::{IpAddress, PortMapping, Protocol};
    proto::NetworkInfo {
        labels: None,
        ip_addresses: network
            .addresses
            .into_iter()
            .map(|address| IpAddress {
                protocol: Some(match address {
                    IpAddr::V4(_) => Protocol::IPv4.into(),
                    IpAddr::V6(_) => Protocol::IPv6.into(),
                }),
                ip_address: Some(address.to_string()),
            })
            .collect(),
        name: network.name,
        port_mappings: network
            .port_mappings
            .into_iter()
            .map(|mapping| PortMapping {
                host_port: mapping.host_port.into(),
                container_port: mapping.container_port.into(),
                protocol: mapping.protocol,
            })
            .collect(),
    }
}

/// The message for the kind of check is there even when it has no result: the agent insists on it.
fn check(status: CheckStatus) -> proto::CheckStatusInfo {
    use proto::check_info::Type;
    use proto::check_status_info::{Command, Http, Tcp};
    let mut info = proto::CheckStatusInfo::default();
    match status {
        CheckStatus::Command(exit_code) => {
            info.set_type(Type::Command);
            info.command = Some(Command { exit_code });
        }
        CheckStatus::Http(code) => {
            info.set_type(Type::Http);
            info.http = Some(Http {
                status_code: code.map(u32::from),
            });
        }
        CheckStatus::Tcp(succeeded) => {
            info.set_type(Type::Tcp);
            info.tcp = Some(Tcp { succeeded });
        }
    }
    info
}

fn labels(labels: Vec<Label>) -> Option<proto::Labels> {
    (!labels.is_empty()).then(|| proto::Labels {
        labels: labels
            .into_iter()
            .map(|(key, value)| proto::Label { key, value })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn an_update_has_all_that_the_agent_insists_on() {
        let id = UpdateId::random();
        let mut update = StatusUpdate::new(TaskId::from("t-1"), TaskState::Failed);
        update.reason = Some(Reason::ContainerLimitationMemory);
        update.check = Some(CheckStatus::Http(None));
        update.networks = vec![NetworkStatus {
            name: Some("pods".to_owned()),
            addresses: vec!["10.1.2.3".parse().unwrap(), "fd00::1".parse().unwrap()],
            port_mappings: vec![PortMapping {
                host_port: 31000,
                container_port: 80,
                protocol: Some("tcp".to_owned()),
            }],
        }];
        let executor = ExecutorId::from("e-1");
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1500);
        let status = update.into_proto(id, &executor, time).status;

        assert_eq!(status.source(), proto::task_status::Source::Executor);
        assert_eq!(status.uuid().len(), 16);
        assert_eq!(UpdateId::from_bytes(status.uuid()), Some(id));
        assert_eq!(status.executor_id.as_ref().unwrap().value, "e-1");
        assert_eq!(status.agent_id, None);
        assert_eq!(status.timestamp().to_bits(), 1.5f64.to_bits());
        assert_eq!(
            status.check_status.as_ref().unwrap().http,
            Some(proto::check_status_info::Http::default())
        );
        assert!(status.encoded_len() > 0);
    }

    #[test]
    fn the_zeroth_reason_is_never_sent_by_chance() {
        let update = StatusUpdate::new(TaskId::from("t-1"), TaskState::Starting);
        let executor = ExecutorId::from("e-1");
        let status = update
            .into_proto(UpdateId::random(), &executor, SystemTime::UNIX_EPOCH)
            .status;
        assert_eq!(status.reason, None);
        assert_eq!(status.healthy, None);
        assert_eq!(status.container_status, None);
        assert_eq!(status.labels, None);
    }
}
