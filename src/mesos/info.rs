//! Who takes part in a session, as SUBSCRIBED tells it: the framework, the agent, the executor.

use std::time::Duration;

use bytes::Bytes;

use super::id::{AgentId, ContainerId, ExecutorId, FrameworkId};
use super::proto;
use super::resource::Resources;
use super::task::Command;

/// Key and value; Mesos lets the value be absent, and a key stand twice.
pub type Label = (String, Option<String>);

/// What the agent says when it has accepted an executor.
#[derive(Clone, Debug)]
pub struct Subscribed {
    pub executor: ExecutorInfo,
    pub framework: FrameworkInfo,
    pub agent: AgentInfo,
    /// None from agents before 1.1.
    pub container_id: Option<ContainerId>,
}

/// The executor as its framework described it.
#[derive(Clone, Debug)]
pub struct ExecutorInfo {
    pub id: ExecutorId,
    pub name: Option<String>,
    pub labels: Vec<Label>,
    pub data: Option<Bytes>,
    /// Its own, on top of its tasks'.
    pub resources: Resources,
    pub command: Option<Command>,
    pub shutdown_grace_period: Option<Duration>,
}

/// The framework whose tasks are run.
#[derive(Clone, Debug)]
pub struct FrameworkInfo {
    pub id: Option<FrameworkId>,
    pub name: String,
    /// As whom its tasks run, where they don't say.
    pub user: String,
    /// As whom it authenticated with the master; a master that does not ask lets it say anything.
    pub principal: Option<String>,
    /// The roles it is subscribed to; `*` is everybody's.
    pub roles: Vec<String>,
    pub labels: Vec<Label>,
    /// Those that are known here.
    pub capabilities: Vec<Capability>,
}

/// What a framework declares it can deal with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// `TASK_KILLING` may be sent to it.
    TaskKillingState,
    /// It wants `TASK_GONE` and the like rather than `TASK_LOST`.
    PartitionAware,
    GpuResources,
}

/// The agent the executor runs under.
#[derive(Clone, Debug)]
pub struct AgentInfo {
    pub id: Option<AgentId>,
    pub hostname: String,
}

impl Subscribed {
    pub(super) fn from_proto(subscribed: &proto::event::Subscribed) -> Self {
        let agent = &subscribed.agent_info;
        Self {
            executor: ExecutorInfo::from_proto(&subscribed.executor_info),
            framework: FrameworkInfo::from_proto(&subscribed.framework_info),
            agent: AgentInfo {
                id: agent.id.as_ref().map(|id| AgentId::from(&*id.value)),
                hostname: agent.hostname.clone(),
            },
            container_id: subscribed
                .container_id
                .as_ref()
                .map(|id| ContainerId::from(&*id.value)),
        }
    }
}

impl FrameworkInfo {
    pub fn can(&self, capability: Capability) -> bool {
        self.capabilities.contains(&capability)
    }

    fn from_proto(framework: &proto::FrameworkInfo) -> Self {
        use proto::framework_info::capability::Type;
        let capability = |capability: &proto::framework_info::Capability| {
            Some(match capability.r#type() {
                Type::TaskKillingState => Capability::TaskKillingState,
                Type::PartitionAware => Capability::PartitionAware,
                Type::GpuResources => Capability::GpuResources,
                _ => return None,
            })
        };
        Self {
            id: framework
                .id
                .as_ref()
                .map(|id| FrameworkId::from(&*id.value)),
            name: framework.name.clone(),
            user: framework.user.clone(),
            principal: framework.principal.clone(),
            // The list goes with the capability MULTI_ROLE; others have the one.
            roles: match framework.roles.as_slice() {
                [] => vec![framework.role().to_owned()],
                roles => roles.to_vec(),
            },
            labels: labels(framework.labels.as_ref()),
            capabilities: framework
                .capabilities
                .iter()
                .filter_map(capability)
                .collect(),
        }
    }
}

impl ExecutorInfo {
    pub(super) fn from_proto(executor: &proto::ExecutorInfo) -> Self {
        Self {
            id: ExecutorId::from(&*executor.executor_id.value),
            name: executor.name.clone(),
            labels: labels(executor.labels.as_ref()),
            data: executor.data.clone(),
            resources: Resources::from_proto(&executor.resources),
            command: executor.command.as_ref().map(Command::from_proto),
            shutdown_grace_period: executor.shutdown_grace_period.map(duration),
        }
    }
}

pub(super) fn labels(labels: Option<&proto::Labels>) -> Vec<Label> {
    labels
        .map(|labels| labels.labels.iter())
        .into_iter()
        .flatten()
        .map(|label| (label.key.clone(), label.value.clone()))
        .collect()
}

/// A negative duration is none.
pub(super) fn duration(duration: proto::DurationInfo) -> Duration {
    Duration::from_nanos(u64::try_from(duration.nanoseconds).unwrap_or_default())
}
