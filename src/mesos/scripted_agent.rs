//! An agent for tests: it answers each request as the test says, faults included.
//!
//! HTTP is spoken by hand, so that a test decides on each byte and on when a connection breaks.

use std::ffi::OsString;
use std::future::Future;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use prost::Message as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::env::ExecutorEnv;
use super::proto;
use super::proto::event::Type;

/// How long a test waits for what must come: only a failing test takes it.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct ScriptedAgent {
    listener: TcpListener,
}

/// One connection, from the agent's side.
pub(super) struct Peer {
    stream: TcpStream,
    buffer: BytesMut,
}

/// One request, as it came.
pub(super) struct Request {
    /// Its first line and its headers, the names in lower case.
    pub(super) head: String,
    pub(super) call: proto::Call,
}

pub(super) async fn within<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future)
        .await
        .expect("what the test waits for comes")
}

impl ScriptedAgent {
    pub(super) async fn start() -> Self {
        Self {
            listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        }
    }

    /// The environment of an executor of this agent, of a framework that checkpoints.
    pub(super) fn env(&self) -> ExecutorEnv {
        let address = self.listener.local_addr().unwrap();
        ExecutorEnv::from_vars(&|name: &str| {
            let value = match name {
                "MESOS_FRAMEWORK_ID" => "f-1",
                "MESOS_EXECUTOR_ID" => "e-1",
                "MESOS_SLAVE_ID" => "s-1",
                "MESOS_SLAVE_PID" => &format!("slave(1)@{address}"),
                "MESOS_DIRECTORY" => "/sandbox/c-1",
                "MESOS_CHECKPOINT" => "1",
                "MESOS_EXECUTOR_AUTHENTICATION_TOKEN" => "s3cret",
                _ => return None,
            };
            Some(OsString::from(value))
        })
        .unwrap()
    }

    pub(super) async fn accept(&self) -> Peer {
        let (stream, _) = within(self.listener.accept()).await.unwrap();
        Peer {
            stream,
            buffer: BytesMut::new(),
        }
    }

    /// The next connection, whose request must be a SUBSCRIBE; it is not answered yet.
    pub(super) async fn subscribe(&self) -> (Peer, proto::call::Subscribe) {
        let mut peer = self.accept().await;
        let request = peer.request().await;
        let subscribe = request.call.subscribe.expect("the first call is SUBSCRIBE");
        (peer, subscribe)
    }

    /// Accepts a subscription; the stream is open, SUBSCRIBED has been sent.
    pub(super) async fn subscribed(&self) -> (Peer, proto::call::Subscribe) {
        let (mut peer, subscribe) = self.subscribe().await;
        peer.begin_stream().await;
        peer.event(&subscribed()).await;
        (peer, subscribe)
    }
}

impl Peer {
    pub(super) async fn request(&mut self) -> Request {
        let head_end = loop {
            let end = self
                .buffer
                .windows(4)
                .position(|bytes| bytes == b"\r\n\r\n");
            match end {
                Some(end) => break end,
                None => self.fill().await,
            }
        };
        let head = self.buffer.split_to(head_end);
        self.buffer.advance(4);
        let head = String::from_utf8(head.to_vec()).unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map(|(_, length)| length.parse().unwrap())
            .expect("a call has a length");
        while self.buffer.len() < length {
            self.fill().await;
        }
        let call = proto::Call::decode(self.buffer.split_to(length)).unwrap();
        Request { head, call }
    }

    async fn fill(&mut self) {
        let read = within(self.stream.read_buf(&mut self.buffer)).await;
        assert_ne!(read.unwrap(), 0, "the executor closed the connection");
    }

    /// The uuid of an update that must come next.
    pub(super) async fn update(&mut self) -> Bytes {
        let update = self.request().await.call.update.expect("an UPDATE");
        update.status.uuid.expect("an update has a uuid")
    }

    pub(super) async fn answer(&mut self, status: &str, body: &str) {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        self.write(answer.as_bytes()).await;
    }

    pub(super) async fn accepted(&mut self) {
        self.answer("202 Accepted", "").await;
    }

    pub(super) async fn begin_stream(&mut self) {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
                    Content-Type: application/x-protobuf\r\n\r\n";
        self.write(head.as_bytes()).await;
    }

    pub(super) async fn event(&mut self, event: &proto::Event) {
        self.chunk(&record(event)).await;
    }

    /// One HTTP chunk of the stream.
    pub(super) async fn chunk(&mut self, bytes: &[u8]) {
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.write(&chunk).await;
    }

    /// The executor may have gone already: its tests look at what it does, not at this.
    async fn write(&mut self, bytes: &[u8]) {
        let _ = within(self.stream.write_all(bytes)).await;
    }

    /// Waits until the executor closes the connection.
    pub(super) async fn closed(&mut self) {
        let read = within(self.stream.read(&mut [0; 1])).await;
        assert!(matches!(read, Ok(0) | Err(_)), "the executor says no more");
    }
}

pub(super) fn record(event: &proto::Event) -> Vec<u8> {
    let event = event.encode_to_vec();
    let mut record = format!("{}\n", event.len()).into_bytes();
    record.extend_from_slice(&event);
    record
}

pub(super) fn event(kind: Type) -> proto::Event {
    proto::Event {
        r#type: Some(kind.into()),
        ..proto::Event::default()
    }
}

pub(super) fn subscribed() -> proto::Event {
    let subscribed = proto::event::Subscribed {
        executor_info: proto::ExecutorInfo {
            executor_id: proto::ExecutorId {
                value: "e-1".to_owned(),
            },
            ..proto::ExecutorInfo::default()
        },
        framework_info: proto::FrameworkInfo {
            name: "marathon".to_owned(),
            user: "root".to_owned(),
            capabilities: vec![
                proto::framework_info::Capability { r#type: Some(2) },
                proto::framework_info::Capability { r#type: Some(99) },
            ],
            ..proto::FrameworkInfo::default()
        },
        agent_info: proto::AgentInfo {
            hostname: "agent.example".to_owned(),
            ..proto::AgentInfo::default()
        },
        container_id: Some(proto::ContainerId {
            value: "c-1".to_owned(),
        }),
    };
    proto::Event {
        subscribed: Some(subscribed),
        ..event(Type::Subscribed)
    }
}

/// A task's bytes, with a field at the end that this executor's messages don't have.
pub(super) fn raw_task(id: &str) -> Bytes {
    let task = proto::TaskInfo {
        name: "web".to_owned(),
        task_id: proto::TaskId {
            value: id.to_owned(),
        },
        ..proto::TaskInfo::default()
    };
    let mut raw = task.encode_to_vec();
    // Field 100, three bytes long.
    raw.extend_from_slice(&[0xa2, 0x06, 3, b'n', b'e', b'w']);
    raw.into()
}

pub(super) fn launch(id: &str) -> proto::Event {
    proto::Event {
        launch: Some(proto::event::Launch { task: raw_task(id) }),
        ..event(Type::Launch)
    }
}

pub(super) fn acknowledged(task: &str, uuid: Bytes) -> proto::Event {
    proto::Event {
        acknowledged: Some(proto::event::Acknowledged {
            task_id: proto::TaskId {
                value: task.to_owned(),
            },
            uuid,
        }),
        ..event(Type::Acknowledged)
    }
}
