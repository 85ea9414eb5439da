//! The agent's v1 executor API: how an executor and its Mesos agent speak.
//!
//! [`ExecutorEnv`] is what the agent says at the start; a [`Driver`] keeps a session with it from
//! then on, and gives [`Event`]s and takes [`StatusUpdate`]s. It keeps the promises that the protocol
//! asks of an executor: it subscribes first and again after each loss, claims the tasks the agent may
//! have forgotten, and holds each update, under one uuid, until it is acknowledged.
//!
//! What comes in is understood in `event`, `task`, `probe`, `resource` and `info`; `session`
//! subscribes, `inbox` and `delivery` are the two directions, with the `ledger` between them; `call`, `subscription`,
//! `connection`, `recordio`, `endpoint` and `tls` are the way to the agent. Mesos' own messages stay in
//! `proto`.
//!
//! Specified in <https://mesos.apache.org/documentation/latest/executor-http-api/>.

mod backoff;
mod call;
mod connection;
mod delivery;
mod driver;
mod duration;
mod endpoint;
mod env;
mod event;
mod id;
mod inbox;
mod info;
mod ledger;
mod lost;
mod probe;
mod proto;
mod recordio;
mod resource;
#[cfg(test)]
mod scripted_agent;
mod session;
mod subscription;
mod task;
mod tls;
mod token;
mod update;

pub use call::CallError;
pub use driver::{Drained, Driver, EventStream};
pub use duration::DurationError;
pub use endpoint::{Endpoint, EndpointError};
pub use env::{EnvError, ExecutorEnv, Recovery, Vars};
pub use event::{Event, EventError};
pub use id::{AgentId, ContainerId, ExecutorId, FrameworkId, TaskId};
pub use info::{AgentInfo, Capability, ExecutorInfo, FrameworkInfo, Label, Subscribed};
pub use lost::{Disconnect, Lost};
pub use probe::{Check, Family, HealthCheck, Probe, Scheme};
pub use recordio::RecordError;
pub use resource::{Limit, Limits, Resources};
pub use task::{Command, CommandLine, DiscoveryPort, Task};
pub use tls::TlsError;
pub use token::Token;
pub use update::{
    CheckStatus, NetworkStatus, PortMapping, Reason, StatusUpdate, TaskState, UpdateId,
};
