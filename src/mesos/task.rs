//! A task as a framework launched it: what the executor reads of it, and its bytes.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use prost::{DecodeError, Message as _};

use super::id::{AgentId, TaskId};
use super::info::{self, ExecutorInfo, Label};
use super::probe::{Check, HealthCheck};
use super::proto;
use super::resource::{self, Limits, Resources};

/// One task of a launch. Labels, data and commands are the framework's users': not
/// to be trusted.
#[derive(Clone)]
pub struct Task {
    pub id: TaskId,
    pub name: String,
    pub agent_id: AgentId,
    pub labels: Vec<Label>,
    pub data: Option<Bytes>,
    pub resources: Resources,
    /// The role that the resources are allocated to, by the master's word; none from masters before 1.2.
    pub role: Option<String>,
    pub limits: Limits,
    /// The grace of its kill policy; a KILL's own goes before it.
    pub kill_grace_period: Option<Duration>,
    /// A custom executor's tasks seldom have one; its environment is of interest.
    pub command: Option<Command>,
    pub executor: Option<ExecutorInfo>,
    /// The ports that its discovery information names, in the framework's order.
    pub discovery_ports: Vec<DiscoveryPort>,
    pub health_check: Option<HealthCheck>,
    pub check: Option<Check>,
    /// After it the executor has to end the task.
    pub max_completion_time: Option<Duration>,
    /// As it came: what a re-subscription gives back to the agent.
    pub raw: Bytes,
}

/// `CommandInfo`, less its URIs, which the agent has fetched.
#[derive(Clone, PartialEq, Eq)]
pub struct Command {
    pub line: CommandLine,
    /// Secrets have been resolved by the agent, and are among them.
    pub environment: Vec<(String, String)>,
    pub user: Option<String>,
}

/// What a command runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandLine {
    /// A line for `/bin/sh -c`.
    Shell(String),
    /// A program and all its arguments, the zeroth included.
    Exec {
        program: String,
        arguments: Vec<String>,
    },
    /// Only the rest of the command is given.
    None,
}

/// A port that others find a task by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryPort {
    pub number: u16,
    pub name: Option<String>,
    pub protocol: Option<String>,
    pub labels: Vec<Label>,
}

impl Task {
    pub(super) fn decode(raw: Bytes) -> Result<Self, DecodeError> {
        let task = proto::TaskInfo::decode(raw.clone())?;
        Ok(Self {
            id: TaskId::from(task.task_id.value),
            name: task.name,
            agent_id: AgentId::from(task.agent_id.value),
            labels: info::labels(task.labels.as_ref()),
            data: task.data,
            resources: Resources::from_proto(&task.resources),
            role: resource::role(&task.resources),
            limits: Limits::from_proto(&task.limits),
            kill_grace_period: task.kill_policy.as_ref().and_then(grace_period),
            command: task.command.as_ref().map(Command::from_proto),
            executor: task.executor.as_ref().map(ExecutorInfo::from_proto),
            discovery_ports: task.discovery.as_ref().map(ports).unwrap_or_default(),
            health_check: task.health_check.as_ref().map(HealthCheck::from_proto),
            check: task.check.as_ref().map(Check::from_proto),
            max_completion_time: task.max_completion_time.map(info::duration),
            raw,
        })
    }
}

/// Data and environment may hold secrets.
impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task")
            .field("id", &self.id)
            .field("name", &self.name)
            .field("resources", &self.resources)
            .finish_non_exhaustive()
    }
}

/// The variables' names only: their values may be secrets.
impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.environment.iter().map(|(name, _)| &**name).collect();
        f.debug_struct("Command")
            .field("line", &self.line)
            .field("environment", &names)
            .field("user", &self.user)
            .finish()
    }
}

impl Command {
    pub(super) fn from_proto(command: &proto::CommandInfo) -> Self {
        let line = match (command.shell(), &command.value) {
            (_, None) => CommandLine::None,
            (true, Some(line)) => CommandLine::Shell(line.clone()),
            (false, Some(program)) => CommandLine::Exec {
                program: program.clone(),
                arguments: command.arguments.clone(),
            },
        };
        let variables = command.environment.as_ref().map(|all| &all.variables);
        Self {
            line,
            environment: variables
                .into_iter()
                .flatten()
                .filter_map(|variable| Some((variable.name.clone(), variable.value.clone()?)))
                .collect(),
            user: command.user.clone(),
        }
    }
}

pub(super) fn grace_period(policy: &proto::KillPolicy) -> Option<Duration> {
    policy.grace_period.map(info::duration)
}

/// A number that is no port is left out.
fn ports(discovery: &proto::DiscoveryInfo) -> Vec<DiscoveryPort> {
    let ports = discovery.ports.as_ref().map(|ports| &ports.ports);
    ports
        .into_iter()
        .flatten()
        .filter_map(|port| {
            Some(DiscoveryPort {
                number: u16::try_from(port.number).ok()?,
                name: port.name.clone(),
                protocol: port.protocol.clone(),
                labels: info::labels(port.labels.as_ref()),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use std::ops::RangeInclusive;

    use crate::mesos::resource::Limit;

    fn task_id(value: &str) -> proto::TaskId {
        proto::TaskId {
            value: value.to_owned(),
        }
    }

    fn command(value: Option<&str>, shell: Option<bool>) -> proto::CommandInfo {
        let variable = |name: &str, value: Option<&str>| proto::environment::Variable {
            name: name.to_owned(),
            value: value.map(str::to_owned),
            r#type: None,
        };
        proto::CommandInfo {
            environment: Some(proto::Environment {
                variables: vec![variable("A", Some("hush")), variable("B", None)],
            }),
            value: value.map(str::to_owned),
            user: None,
            shell,
            arguments: vec!["web".to_owned(), "-v".to_owned()],
        }
    }

    #[test]
    fn what_marathon_sends_is_understood() {
        let port = |number: u32, name: &str| proto::Port {
            number,
            name: Some(name.to_owned()),
            protocol: Some("tcp".to_owned()),
            labels: None,
        };
        let range = proto::value::Range {
            begin: 31_000,
            end: 31_001,
        };
        let raw: Bytes = proto::TaskInfo {
            name: "web.shop".to_owned(),
            task_id: task_id("shop_web.instance-1._app.1"),
            resources: vec![proto::Resource {
                name: "ports".to_owned(),
                r#type: proto::value::Type::Ranges.into(),
                scalar: None,
                ranges: Some(proto::value::Ranges { range: vec![range] }),
                allocation_info: Some(proto::resource::AllocationInfo {
                    role: Some("shop".to_owned()),
                }),
            }],
            labels: Some(proto::Labels {
                labels: vec![proto::Label {
                    key: "compose.files".to_owned(),
                    value: Some("a.yaml".to_owned()),
                }],
            }),
            discovery: Some(proto::DiscoveryInfo {
                ports: Some(proto::Ports {
                    ports: vec![
                        port(31_001, "http"),
                        port(31_000, "admin"),
                        port(70_000, "no"),
                    ],
                }),
                ..Default::default()
            }),
            kill_policy: Some(proto::KillPolicy {
                grace_period: Some(proto::DurationInfo {
                    nanoseconds: 30_000_000_000,
                }),
            }),
            max_completion_time: Some(proto::DurationInfo { nanoseconds: -1 }),
            limits: HashMap::from([(
                "cpus".to_owned(),
                proto::value::Scalar {
                    value: f64::INFINITY,
                },
            )]),
            ..Default::default()
        }
        .encode_to_vec()
        .into();

        let task = Task::decode(raw.clone()).unwrap();
        assert_eq!(task.raw, raw);
        assert_eq!(task.id.as_str(), "shop_web.instance-1._app.1");
        assert_eq!(
            task.labels,
            [("compose.files".to_owned(), Some("a.yaml".to_owned()))]
        );
        let ports: [RangeInclusive<u16>; 1] = [31_000..=31_001];
        assert_eq!(task.resources.ports, ports);
        assert_eq!(task.role.as_deref(), Some("shop"));
        let discovered: Vec<(u16, &str)> = task
            .discovery_ports
            .iter()
            .map(|port| (port.number, port.name.as_deref().unwrap()))
            .collect();
        assert_eq!(discovered, [(31_001, "http"), (31_000, "admin")]);
        assert_eq!(task.kill_grace_period, Some(Duration::from_secs(30)));
        assert_eq!(task.max_completion_time, Some(Duration::ZERO));
        assert_eq!(task.limits.cpus, Some(Limit::None));
        assert_eq!(task.command, None);
        assert_eq!(task.data, None);
    }

    #[test]
    fn a_command_is_for_a_shell_unless_it_says_no() {
        let line = |value, shell| Command::from_proto(&command(value, shell)).line;
        assert_eq!(line(Some("ls"), None), CommandLine::Shell("ls".to_owned()));
        let exec = CommandLine::Exec {
            program: "/bin/web".to_owned(),
            arguments: vec!["web".to_owned(), "-v".to_owned()],
        };
        assert_eq!(line(Some("/bin/web"), Some(false)), exec);
        assert_eq!(line(None, None), CommandLine::None);
    }

    #[test]
    fn a_commands_environment_shows_its_names_alone() {
        let command = Command::from_proto(&command(Some("ls"), None));
        assert_eq!(command.environment, [("A".to_owned(), "hush".to_owned())]);
        let shown = format!("{command:?}");
        assert!(
            shown.contains("\"A\"") && !shown.contains("hush"),
            "{shown}"
        );
    }
}
