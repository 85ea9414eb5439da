//! Events: what containerd tells of its own accord.
//!
//! Events are hints. A stream breaks with containerd's restart, and what happened meanwhile is not
//! told again: whoever follows events has to look with [`Tasks::list`](super::Tasks::list) or
//! [`Tasks::get`](super::Tasks::get) after each subscription, and has to bear an event that tells
//! what it knows already.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use containerd_client::events;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::{PublishRequest, SubscribeRequest};
use containerd_client::tonic::{Status, Streaming};
use containerd_client::types::Envelope;
use prost::{Message, Name};
use prost_types::Any;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::client::{Channel, Client, MAX_MESSAGE};
use super::error::{Code, RpcError};
use super::filter::Filter;
use super::process::Exit;
use super::timestamp::time;

const CALL: &str = "Events.Subscribe";

/// How often a new subscription is probed until it answers.
const PROBE: Duration = Duration::from_millis(20);

/// What can be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    TaskCreate,
    TaskStart,
    TaskOom,
    TaskExit,
    TaskDelete,
}

impl Topic {
    fn path(self) -> &'static str {
        match self {
            Self::TaskCreate => "/tasks/create",
            Self::TaskStart => "/tasks/start",
            Self::TaskOom => "/tasks/oom",
            Self::TaskExit => "/tasks/exit",
            Self::TaskDelete => "/tasks/delete",
        }
    }
}

/// A process has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskExit {
    pub container: String,
    /// The id of the exec; none for the container's own process.
    pub exec: Option<String>,
    pub pid: u32,
    pub exit: Exit,
}

/// Something that happened to a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    TaskCreate {
        container: String,
        pid: u32,
    },
    TaskStart {
        container: String,
        pid: u32,
    },
    /// The kernel killed something for memory. Not sent on every host: the kernel's counters are
    /// the truth.
    TaskOom {
        container: String,
    },
    TaskExit(TaskExit),
    /// What had ended was deleted; told by its shim.
    TaskDelete(TaskExit),
}

/// Calls about events. See [`Client::events`].
#[derive(Clone, Copy, Debug)]
pub struct Events<'a> {
    client: &'a Client,
}

impl Client {
    pub fn events(&self) -> Events<'_> {
        Events { client: self }
    }
}

impl Events<'_> {
    /// Subscribes to topics of the client's namespace; if a regular expression (RE2) is given, of
    /// containers alone whose ids match it. Everything that happens after this has returned is told.
    ///
    /// The last part takes some doing. containerd says nothing on a subscription before its first
    /// event, so an event is made for it: a probe with a topic that nobody else listens to is
    /// published until the stream has brought one.
    pub async fn subscribe(
        self,
        topics: &[Topic],
        containers: Option<&str>,
    ) -> Result<EventStream, RpcError> {
        let limit = self.client.deadlines().read;
        let opened = timeout(limit, self.open(topics, containers)).await;
        opened.unwrap_or_else(|_| {
            Err(RpcError::new(
                CALL,
                "",
                Code::DeadlineExceeded,
                format!("no event within {limit:?}"),
            ))
        })
    }

    async fn open(
        self,
        topics: &[Topic],
        containers: Option<&str>,
    ) -> Result<EventStream, RpcError> {
        let probe = probe_topic();
        let namespace = self.client.namespace().as_str();
        let filters: Vec<_> = topics
            .iter()
            .map(|topic| match containers {
                Some(ids) => Filter::topic_of(topic.path(), namespace, ids),
                None => Filter::topic(topic.path(), namespace),
            })
            .chain([Filter::topic(&probe, namespace)])
            .collect();
        let request = SubscribeRequest {
            filters: Filter::strings(&filters),
        };
        let mut api = self.api();
        let answer = api.subscribe(request);
        tokio::pin!(answer);
        let mut probes = interval(PROBE);
        probes.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                answer = &mut answer => {
                    let messages = answer.map_err(|status| failed(&status))?.into_inner();
                    return Ok(EventStream { messages });
                }
                _ = probes.tick() => self.publish(&probe).await?,
            }
        }
    }

    async fn publish(self, topic: &str) -> Result<(), RpcError> {
        let request = PublishRequest {
            topic: topic.to_owned(),
            event: Some(Any {
                type_url: "google.protobuf.Empty".to_owned(),
                value: Vec::new(),
            }),
        };
        self.client
            .call(
                "Events.Publish",
                topic,
                self.client.deadlines().read,
                self.api().publish(request),
            )
            .await
    }

    fn api(self) -> EventsClient<Channel> {
        EventsClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

/// A topic of one subscription's own.
fn probe_topic() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = now.unwrap_or_default().as_nanos();
    format!("/subscribed/{}-{nanoseconds}", std::process::id())
}

fn failed(status: &Status) -> RpcError {
    RpcError::from_status(CALL, "", status)
}

/// A subscription.
pub struct EventStream {
    messages: Streaming<Envelope>,
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}

impl EventStream {
    /// The next event, however long it takes. May be dropped while it waits and called again.
    ///
    /// # Errors
    /// Any error is the end of the stream. Subscribe again, then look what has changed.
    pub async fn next(&mut self) -> Result<Event, RpcError> {
        loop {
            let message = self.messages.message().await;
            let envelope = message.map_err(|status| failed(&status))?.ok_or_else(|| {
                RpcError::new(CALL, "", Code::Disconnected, "containerd ended the stream")
            })?;
            if let Some(event) = envelope.event.as_ref().and_then(Event::decode) {
                return Ok(event);
            }
        }
    }
}

impl Event {
    /// None for what was not subscribed to: probes, and what a later containerd may send.
    fn decode(any: &Any) -> Option<Self> {
        fn read<M: Message + Name + Default>(any: &Any) -> Option<M> {
            (any.type_url == M::full_name())
                .then(|| M::decode(any.value.as_slice()).ok())
                .flatten()
        }

        if let Some(event) = read::<events::TaskExit>(any) {
            let exec = Some(event.id).filter(|id| *id != event.container_id);
            return Some(Self::TaskExit(TaskExit {
                container: event.container_id,
                exec,
                pid: event.pid,
                exit: Exit {
                    status: event.exit_status,
                    at: time(event.exited_at),
                },
            }));
        }
        if let Some(event) = read::<events::TaskOom>(any) {
            return Some(Self::TaskOom {
                container: event.container_id,
            });
        }
        if let Some(event) = read::<events::TaskDelete>(any) {
            let exec = Some(event.id).filter(|id| !id.is_empty() && *id != event.container_id);
            return Some(Self::TaskDelete(TaskExit {
                container: event.container_id,
                exec,
                pid: event.pid,
                exit: Exit {
                    status: event.exit_status,
                    at: time(event.exited_at),
                },
            }));
        }
        if let Some(event) = read::<events::TaskStart>(any) {
            return Some(Self::TaskStart {
                container: event.container_id,
                pid: event.pid,
            });
        }
        read::<events::TaskCreate>(any).map(|event| Self::TaskCreate {
            container: event.container_id,
            pid: event.pid,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use containerd_client::to_any;

    #[test]
    fn the_exit_of_an_exec_is_told_from_that_of_its_container() {
        let mut message = events::TaskExit {
            container_id: "web".to_owned(),
            id: "web".to_owned(),
            pid: 7,
            exit_status: 3,
            exited_at: None,
        };
        let own = Event::decode(&to_any(&message)).unwrap();
        let expected = TaskExit {
            container: "web".to_owned(),
            exec: None,
            pid: 7,
            exit: Exit {
                status: 3,
                at: None,
            },
        };
        assert_eq!(own, Event::TaskExit(expected.clone()));
        message.id = "probe".to_owned();
        let exec = Event::decode(&to_any(&message)).unwrap();
        let expected = TaskExit {
            exec: Some("probe".to_owned()),
            ..expected
        };
        assert_eq!(exec, Event::TaskExit(expected));
    }

    #[test]
    fn unknown_and_broken_events_are_passed_over() {
        let unknown = Any {
            type_url: "google.protobuf.Empty".to_owned(),
            value: Vec::new(),
        };
        assert_eq!(Event::decode(&unknown), None);
        let broken = Any {
            type_url: "containerd.events.TaskExit".to_owned(),
            value: vec![0xff],
        };
        assert_eq!(Event::decode(&broken), None);
    }
}
