//! The driver against a scripted agent: what it promises, and each fault that an agent can have.

use std::time::Duration;

use bytes::Bytes;

use super::*;
use crate::mesos::backoff::Backoff;
use crate::mesos::proto;
use crate::mesos::proto::event::Type;
use crate::mesos::scripted_agent::{
    Peer, ScriptedAgent, acknowledged, event, launch, raw_task, record, subscribed, within,
};
use crate::mesos::{Capability, TaskState};

mod recovery;

/// Patient where an agent is slow, quick where this side waits on purpose.
const TIMING: Timing = Timing {
    answer: Duration::from_secs(15),
    registration: Duration::from_secs(15),
    refusal: Duration::from_millis(50),
    resubscribe: Duration::from_millis(10),
    resend: Backoff::new(Duration::from_millis(5), Duration::from_millis(20)),
};

fn start(agent: &ScriptedAgent) -> (Driver, EventStream) {
    Driver::start_with(&agent.env(), TIMING)
}

async fn next(events: &mut EventStream) -> Event {
    within(events.next()).await.expect("the session goes on")
}

async fn expect_subscribed(events: &mut EventStream) {
    let event = next(events).await;
    assert!(matches!(event, Event::Subscribed(_)), "{event:?}");
}

fn running(task: &str) -> StatusUpdate {
    StatusUpdate::new(TaskId::from(task), TaskState::Running)
}

async fn receive(calls: &mut Peer) -> Bytes {
    let uuid = calls.update().await;
    calls.accepted().await;
    uuid
}

#[tokio::test]
async fn it_subscribes_by_the_protocols_word() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let mut peer = agent.accept().await;
    let request = peer.request().await;
    let head = request.head.to_ascii_lowercase();
    let mut lines: Vec<&str> = head
        .lines()
        .filter(|line| !line.starts_with("content-length") && !line.starts_with("host"))
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "accept: application/x-protobuf",
            "authorization: bearer s3cret",
            "content-type: application/x-protobuf",
            "post /slave(1)/api/v1/executor http/1.1",
        ]
    );
    assert_eq!(request.call.r#type(), proto::call::Type::Subscribe);
    assert_eq!(request.call.framework_id.value, "f-1");
    assert_eq!(request.call.executor_id.value, "e-1");

    peer.begin_stream().await;
    peer.event(&subscribed()).await;
    let Event::Subscribed(subscribed) = next(&mut events).await else {
        panic!("the first event is SUBSCRIBED");
    };
    assert!(subscribed.framework.can(Capability::TaskKillingState));
    assert!(!subscribed.framework.can(Capability::PartitionAware));
    assert_eq!(subscribed.agent.hostname, "agent.example");
    assert_eq!(subscribed.container_id.unwrap().as_str(), "c-1");
}

#[tokio::test]
async fn events_come_through_in_chunks_of_one_byte() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribe().await;
    peer.begin_stream().await;
    let mut kill = event(Type::Kill);
    kill.kill = Some(proto::event::Kill {
        task_id: proto::TaskId {
            value: "t-1".to_owned(),
        },
        kill_policy: Some(proto::KillPolicy {
            grace_period: Some(proto::DurationInfo {
                nanoseconds: 7_000_000_000,
            }),
        }),
    });
    let mut message = event(Type::Message);
    message.message = Some(proto::event::Message {
        data: Bytes::from_static(b"hello"),
    });
    for event in [subscribed(), launch("t-1"), kill, message] {
        for byte in record(&event) {
            peer.chunk(&[byte]).await;
        }
    }

    expect_subscribed(&mut events).await;
    let Event::Launch(task) = next(&mut events).await else {
        panic!("LAUNCH follows");
    };
    assert_eq!((task.id.as_str(), &*task.name), ("t-1", "web"));
    let Event::Kill { task, grace_period } = next(&mut events).await else {
        panic!("KILL follows");
    };
    assert_eq!(
        (task.as_str(), grace_period),
        ("t-1", Some(Duration::from_secs(7)))
    );
    let Event::Message(data) = next(&mut events).await else {
        panic!("MESSAGE follows");
    };
    assert_eq!(data, "hello");
}

#[tokio::test]
async fn records_may_share_a_chunk() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribe().await;
    peer.begin_stream().await;
    let records: Vec<u8> = [subscribed(), launch("t-1"), launch("t-2")]
        .iter()
        .flat_map(record)
        .collect();
    peer.chunk(&records).await;
    expect_subscribed(&mut events).await;
    for expected in ["t-1", "t-2"] {
        let Event::Launch(task) = next(&mut events).await else {
            panic!("a second LAUNCH is passed on as the first");
        };
        assert_eq!(task.id.as_str(), expected);
    }
}

#[tokio::test]
async fn a_group_of_tasks_is_claimed_whole() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    let tasks = vec![raw_task("t-1"), raw_task("t-2")];
    peer.event(&proto::Event {
        launch_group: Some(proto::event::LaunchGroup {
            task_group: proto::TaskGroupInfo {
                tasks: tasks.clone(),
            },
        }),
        ..event(Type::LaunchGroup)
    })
    .await;
    expect_subscribed(&mut events).await;
    let Event::LaunchGroup(group) = next(&mut events).await else {
        panic!("LAUNCH_GROUP follows");
    };
    assert_eq!(group.len(), 2);

    drop(peer);
    let (_peer, subscribe) = agent.subscribed().await;
    assert_eq!(subscribe.unacknowledged_tasks, tasks);
}

#[tokio::test]
async fn updates_share_a_connection_and_are_done_when_acknowledged() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;

    let starting = driver.update(StatusUpdate::new(TaskId::from("t-1"), TaskState::Starting));
    let running = driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    let request = calls.request().await;
    assert!(request.head.contains("Bearer s3cret"));
    let status = request.call.update.unwrap().status;
    assert_eq!(status.state(), proto::TaskState::TaskStarting);
    assert_eq!(status.uuid(), starting.to_bytes());
    calls.accepted().await;
    assert_eq!(receive(&mut calls).await, running.to_bytes());

    peer.event(&acknowledged("t-1", running.to_bytes())).await;
    peer.event(&acknowledged("t-1", starting.to_bytes())).await;
    assert_eq!(within(driver.drained()).await, Drained::Acknowledged);
    let task = TaskId::from("t-1");
    assert_eq!(
        within(driver.all_acknowledged(&task)).await,
        Drained::Acknowledged
    );
    for expected in [running, starting] {
        let Event::Acknowledged { update, .. } = next(&mut events).await else {
            panic!("ACKNOWLEDGED is passed on");
        };
        assert_eq!(update, expected);
    }
    within(driver.close()).await;
    peer.closed().await;
    calls.closed().await;
}

#[tokio::test]
async fn acknowledgements_may_come_twice_or_for_nothing() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    let update = driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    let uuid = receive(&mut calls).await;
    peer.event(&acknowledged("t-1", uuid.clone())).await;
    peer.event(&acknowledged("t-1", uuid)).await;
    peer.event(&acknowledged("t-1", Bytes::from_static(&[7; 16])))
        .await;
    peer.event(&acknowledged("t-1", Bytes::from_static(b"short")))
        .await;
    peer.event(&event(Type::Shutdown)).await;
    let first = next(&mut events).await;
    assert!(matches!(first, Event::Acknowledged { update: id, .. } if id == update));
    assert!(matches!(next(&mut events).await, Event::Shutdown));
}

#[tokio::test]
async fn an_update_is_repeated_under_its_uuid_while_the_agent_is_not_ready() {
    let agent = ScriptedAgent::start().await;
    let (driver, _events) = start(&agent);
    let (_peer, _) = agent.subscribed().await;
    let id = driver.update(running("t-1"));
    for status in ["503 Service Unavailable", "404 Not Found", "500 Oh No"] {
        let mut calls = agent.accept().await;
        assert_eq!(calls.update().await, id.to_bytes());
        calls.answer(status, "not yet").await;
    }
    let mut calls = agent.accept().await;
    assert_eq!(receive(&mut calls).await, id.to_bytes());
}

#[tokio::test]
async fn an_update_whose_connection_breaks_is_sent_on_another() {
    let agent = ScriptedAgent::start().await;
    let (driver, _events) = start(&agent);
    let (_peer, _) = agent.subscribed().await;
    let first = driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    assert_eq!(receive(&mut calls).await, first.to_bytes());
    let second = driver.update(running("t-1"));
    assert_eq!(calls.update().await, second.to_bytes());
    drop(calls);
    let mut calls = agent.accept().await;
    assert_eq!(receive(&mut calls).await, second.to_bytes());
}

#[tokio::test]
async fn an_update_without_an_answer_is_sent_again() {
    let agent = ScriptedAgent::start().await;
    let mut timing = TIMING;
    timing.answer = Duration::from_millis(300);
    let (driver, _events) = Driver::start_with(&agent.env(), timing);
    let (_peer, _) = agent.subscribed().await;
    let id = driver.update(running("t-1"));
    let mut silent = agent.accept().await;
    assert_eq!(silent.update().await, id.to_bytes());
    let mut calls = agent.accept().await;
    assert_eq!(receive(&mut calls).await, id.to_bytes());
    silent.closed().await;
}

#[tokio::test]
async fn an_acknowledgement_overtakes_an_answer() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    let uuid = calls.update().await;
    peer.event(&acknowledged("t-1", uuid)).await;
    assert!(matches!(
        next(&mut events).await,
        Event::Acknowledged { .. }
    ));
    calls.answer("503 Service Unavailable", "").await;
    // It is not sent again: the next call is the message.
    driver.message(Bytes::from_static(b"m"));
    let mut calls = agent.accept().await;
    let message = calls.request().await.call.message.unwrap();
    assert_eq!(message.data, "m");
    calls.accepted().await;
    assert_eq!(within(driver.drained()).await, Drained::Acknowledged);
}

#[tokio::test]
async fn an_update_that_the_agent_will_not_take_holds_nobody_up() {
    let agent = ScriptedAgent::start().await;
    let (driver, _events) = start(&agent);
    let (_peer, _) = agent.subscribed().await;
    driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    calls.update().await;
    calls.answer("400 Bad Request", "Expecting 'uuid'").await;
    assert_eq!(within(driver.drained()).await, Drained::Acknowledged);
}

#[tokio::test]
async fn events_that_need_no_answer_are_skipped() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    let mut error = event(Type::Error);
    error.error = Some(proto::event::Error {
        message: "an old agent's".to_owned(),
    });
    let mut future = event(Type::Heartbeat);
    future.r#type = Some(99);
    let untyped = proto::Event {
        r#type: None,
        ..launch("t-1")
    };
    for event in [
        event(Type::Heartbeat),
        error,
        future,
        untyped,
        event(Type::Shutdown),
    ] {
        peer.event(&event).await;
    }
    assert!(matches!(next(&mut events).await, Event::Shutdown));
}

#[tokio::test]
async fn shutdown_may_be_the_first_event() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribe().await;
    peer.begin_stream().await;
    peer.event(&event(Type::Shutdown)).await;
    assert!(matches!(next(&mut events).await, Event::Shutdown));
    within(driver.close()).await;
    assert!(within(events.next()).await.is_none());
}

#[tokio::test]
async fn closing_ends_a_session_that_is_in_the_middle_of_something() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribe().await;
    within(driver.close()).await;
    assert!(within(events.next()).await.is_none());
    peer.closed().await;
}

#[tokio::test]
async fn dropping_the_driver_ends_the_session() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    drop(driver);
    peer.closed().await;
    assert!(within(events.next()).await.is_none());
}
