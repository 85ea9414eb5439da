//! What the agent tells an executor.

use std::time::Duration;

use bytes::Bytes;
use prost::{DecodeError, Message as _};

use super::id::TaskId;
use super::info::Subscribed;
use super::lost::Lost;
use super::proto;
use super::proto::event::Type;
use super::task::{self, Task};
use super::update::UpdateId;

/// One thing that happened, in the order it did.
#[derive(Debug)]
pub enum Event {
    /// The agent has accepted this executor for the first time.
    Subscribed(Box<Subscribed>),
    /// The agent went away, and is being looked for. Tasks go on; what it would have said meanwhile
    /// is lost.
    Disconnected,
    /// The agent is back. What it had not acknowledged has been given to it.
    Reconnected(Box<Subscribed>),
    /// A task to run, perhaps beside others.
    Launch(Box<Task>),
    /// Tasks to run all or none.
    LaunchGroup(Vec<Task>),
    /// A task to stop. May come again, for a task that is stopping, is unknown or has ended.
    Kill {
        task: TaskId,
        /// Goes before the task's own.
        grace_period: Option<Duration>,
    },
    /// The agent has an update in its hands; the framework may not.
    Acknowledged { task: TaskId, update: UpdateId },
    /// A message of the framework's. Its delivery is not reliable.
    Message(Bytes),
    /// All tasks are to be stopped, and the executor to end, within the shutdown's grace period. May
    /// be the first event.
    Shutdown,
    /// The agent is gone for good, or doesn't want this executor: nothing comes after this.
    Lost(Lost),
}

/// What is wrong with a record that should be an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    #[error("a record is not an event")]
    Decode(#[source] DecodeError),
    #[error("the task of a launch can't be read")]
    Task(#[source] DecodeError),
    #[error("an event {event} has no content")]
    Empty { event: &'static str },
    #[error("a launched task has no id")]
    TaskId,
}

/// None for what needs no answer: heartbeats, and events of a later agent.
pub(super) fn decode(record: Bytes) -> Result<Option<Event>, EventError> {
    let event = proto::Event::decode(record).map_err(EventError::Decode)?;
    let Ok(kind) = Type::try_from(event.r#type.unwrap_or_default()) else {
        tracing::warn!(
            kind = event.r#type,
            "skipped an event of a kind that is not known"
        );
        return Ok(None);
    };
    let empty = EventError::Empty {
        event: kind.as_str_name(),
    };
    Ok(Some(match kind {
        Type::Subscribed => {
            let subscribed = Subscribed::from_proto(&event.subscribed.ok_or(empty)?);
            Event::Subscribed(Box::new(subscribed))
        }
        Type::Launch => Event::Launch(Box::new(launched(event.launch.ok_or(empty)?.task)?)),
        Type::LaunchGroup => {
            let group = event.launch_group.ok_or(empty)?.task_group;
            Event::LaunchGroup(
                group
                    .tasks
                    .into_iter()
                    .map(launched)
                    .collect::<Result<_, _>>()?,
            )
        }
        Type::Kill => {
            let kill = event.kill.ok_or(empty)?;
            Event::Kill {
                task: kill.task_id.value.into(),
                grace_period: kill.kill_policy.as_ref().and_then(task::grace_period),
            }
        }
        Type::Acknowledged => {
            let acknowledged = event.acknowledged.ok_or(empty)?;
            let Some(update) = UpdateId::from_bytes(&acknowledged.uuid) else {
                tracing::warn!("skipped an acknowledgement whose uuid is not 16 bytes long");
                return Ok(None);
            };
            Event::Acknowledged {
                task: acknowledged.task_id.value.into(),
                update,
            }
        }
        Type::Message => Event::Message(event.message.ok_or(empty)?.data),
        Type::Shutdown => Event::Shutdown,
        Type::Error => {
            let message = event.error.ok_or(empty)?.message;
            tracing::error!(message, "the agent reports an error");
            return Ok(None);
        }
        Type::Heartbeat => return Ok(None),
        Type::Unknown => {
            tracing::warn!("skipped an event without a kind");
            return Ok(None);
        }
    }))
}

fn launched(raw: Bytes) -> Result<Task, EventError> {
    let task = Task::decode(raw).map_err(EventError::Task)?;
    if task.id.as_str().is_empty() {
        return Err(EventError::TaskId);
    }
    Ok(task)
}
