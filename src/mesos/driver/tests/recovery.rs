//! How a session begins, is lost, and comes back or doesn't.

use super::*;
use crate::mesos::lost::{Disconnect, Lost};

fn start_without_checkpoint(agent: &ScriptedAgent) -> (Driver, EventStream) {
    let mut env = agent.env();
    env.recovery = None;
    Driver::start_with(&env, TIMING)
}

async fn expect_reconnected(events: &mut EventStream) {
    let event = next(events).await;
    assert!(matches!(event, Event::Disconnected), "{event:?}");
    let event = next(events).await;
    assert!(matches!(event, Event::Reconnected(_)), "{event:?}");
}

async fn expect_lost(events: &mut EventStream) -> Lost {
    let lost = match next(events).await {
        Event::Lost(lost) => lost,
        event => panic!("{event:?}"),
    };
    assert!(
        within(events.next()).await.is_none(),
        "it is the last event"
    );
    lost
}

#[tokio::test]
async fn an_agent_that_turns_an_update_away_is_subscribed_to_again() {
    for (status, text) in [
        ("403 Forbidden", "Executor is not subscribed"),
        ("401 Unauthorized", ""),
        ("400 Bad Request", "Executor cannot be found"),
    ] {
        let agent = ScriptedAgent::start().await;
        let (driver, mut events) = start(&agent);
        let (_peer, _) = agent.subscribed().await;
        expect_subscribed(&mut events).await;
        let id = driver.update(running("t-1"));
        let mut calls = agent.accept().await;
        calls.update().await;
        calls.answer(status, text).await;
        let (_peer, subscribe) = agent.subscribed().await;
        let [update] = &subscribe.unacknowledged_updates[..] else {
            panic!("the update goes with the subscription");
        };
        assert_eq!(update.status.uuid(), id.to_bytes());
        expect_reconnected(&mut events).await;
    }
}

#[tokio::test]
async fn a_broken_stream_is_taken_up_again_with_all_that_is_not_acknowledged() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let (mut peer, subscribe) = agent.subscribed().await;
    assert_eq!(subscribe, proto::call::Subscribe::default());
    peer.event(&launch("t-1")).await;
    peer.event(&launch("t-2")).await;
    expect_subscribed(&mut events).await;
    next(&mut events).await;
    next(&mut events).await;
    let known = driver.update(running("t-1"));
    let mut calls = agent.accept().await;
    receive(&mut calls).await;
    peer.event(&acknowledged("t-1", known.to_bytes())).await;
    next(&mut events).await;
    let sent = driver.update(running("t-2"));
    receive(&mut calls).await;

    // The agent dies in the middle of a record.
    peer.chunk(b"100\nabc").await;
    drop((peer, calls));
    assert!(matches!(next(&mut events).await, Event::Disconnected));
    let unsent = driver.update(running("t-1"));
    let (peer, subscribe) = subscription_with(&agent, 2).await;
    assert_eq!(subscribe.unacknowledged_tasks, [raw_task("t-2")]);
    let uuids: Vec<&[u8]> = subscribe
        .unacknowledged_updates
        .iter()
        .map(|update| update.status.uuid())
        .collect();
    assert_eq!(uuids, [sent.to_bytes(), unsent.to_bytes()]);
    assert!(matches!(next(&mut events).await, Event::Reconnected(_)));

    // What the subscription carried is not sent again.
    let later = driver.update(running("t-2"));
    let mut calls = agent.accept().await;
    assert_eq!(receive(&mut calls).await, later.to_bytes());
    drop(peer);
}

/// An attempt to subscribe may be under way when an update is made; it is turned away.
async fn subscription_with(
    agent: &ScriptedAgent,
    updates: usize,
) -> (Peer, proto::call::Subscribe) {
    loop {
        let (mut peer, subscribe) = agent.subscribe().await;
        if subscribe.unacknowledged_updates.len() == updates {
            peer.begin_stream().await;
            peer.event(&subscribed()).await;
            return (peer, subscribe);
        }
        peer.answer("503 Service Unavailable", "").await;
    }
}

#[tokio::test]
async fn an_agent_that_is_not_ready_is_asked_again() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    for status in ["503 Service Unavailable", "404 Not Found"] {
        let (mut peer, _) = agent.subscribe().await;
        peer.answer(status, "Agent has not finished recovery").await;
    }
    drop(agent.accept().await);
    let (mut peer, _) = agent.subscribe().await;
    peer.begin_stream().await;
    drop(peer);
    let (_peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
}

#[tokio::test]
async fn an_agent_that_accepts_and_says_nothing_is_asked_again() {
    let agent = ScriptedAgent::start().await;
    let mut timing = TIMING;
    timing.answer = Duration::from_millis(300);
    let (_driver, mut events) = Driver::start_with(&agent.env(), timing);
    let (mut mute, _) = agent.subscribe().await;
    let (mut silent, _) = agent.subscribe().await;
    silent.begin_stream().await;
    let (_peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    mute.closed().await;
    silent.closed().await;
}

#[tokio::test]
async fn a_record_that_can_not_be_followed_leads_to_another_subscription() {
    let mut bad_task = event(Type::Launch);
    bad_task.launch = Some(proto::event::Launch {
        task: Bytes::from_static(b"\xff\xff"),
    });
    let mut no_id = event(Type::Launch);
    no_id.launch = Some(proto::event::Launch { task: raw_task("") });
    for garbage in [
        b"sixteen\n".to_vec(),
        b"104857600\n".to_vec(),
        b"3\n\xff\xff\xff".to_vec(),
        record(&event(Type::Kill)),
        record(&bad_task),
        record(&no_id),
    ] {
        let agent = ScriptedAgent::start().await;
        let (_driver, mut events) = start(&agent);
        let (mut peer, _) = agent.subscribed().await;
        expect_subscribed(&mut events).await;
        peer.chunk(&garbage).await;
        let (_peer, _) = agent.subscribed().await;
        expect_reconnected(&mut events).await;
        peer.closed().await;
    }
}

#[tokio::test]
async fn without_checkpointing_a_loss_is_final() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start_without_checkpoint(&agent);
    let (mut peer, _) = agent.subscribed().await;
    peer.event(&launch("t-1")).await;
    expect_subscribed(&mut events).await;
    next(&mut events).await;
    driver.update(running("t-1"));
    drop(peer);
    let lost = expect_lost(&mut events).await;
    assert!(
        matches!(lost, Lost::NoCheckpoint(Disconnect::Broken(_))),
        "{lost:?}"
    );
    assert_eq!(within(driver.drained()).await, Drained::SessionOver);
    within(driver.close()).await;
}

#[tokio::test]
async fn an_agent_that_stays_away_is_lost() {
    let agent = ScriptedAgent::start().await;
    let mut env = agent.env();
    env.recovery.as_mut().unwrap().timeout = Duration::from_millis(200);
    let (_driver, mut events) = Driver::start_with(&env, TIMING);
    let (peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
    drop((peer, agent));
    assert!(matches!(next(&mut events).await, Event::Disconnected));
    let lost = expect_lost(&mut events).await;
    let Lost::Timeout { timeout, last } = lost else {
        panic!("{lost:?}");
    };
    assert_eq!(timeout, Duration::from_millis(200));
    assert!(last.is_some(), "the last attempt's error is kept");
}

#[tokio::test]
async fn a_refusal_that_does_not_go_away_is_final() {
    type Check = fn(&Lost) -> bool;
    let cases: [(&str, &str, Check); 4] = [
        ("401 Unauthorized", "", |lost| {
            matches!(lost, Lost::Unauthorized(_))
        }),
        ("403 Forbidden", "", |lost| {
            matches!(lost, Lost::Unauthorized(_))
        }),
        ("400 Bad Request", "Executor cannot be found", |lost| {
            matches!(lost, Lost::Unknown(_))
        }),
        ("415 Unsupported Media Type", "", |lost| {
            matches!(lost, Lost::Refused(_))
        }),
    ];
    for (status, body, check) in cases {
        let agent = ScriptedAgent::start().await;
        let (driver, mut events) = start(&agent);
        let refuse = async {
            loop {
                let (mut peer, _) = agent.subscribe().await;
                peer.answer(status, body).await;
            }
        };
        let lost = tokio::select! {
            lost = expect_lost(&mut events) => lost,
            () = refuse => unreachable!("refuses for ever"),
        };
        assert!(check(&lost), "{status}: {lost:?}");
        within(driver.close()).await;
    }
}

#[tokio::test]
async fn a_refusal_that_goes_away_is_forgotten() {
    let agent = ScriptedAgent::start().await;
    let (_driver, mut events) = start(&agent);
    let (mut peer, _) = agent.subscribe().await;
    peer.answer("400 Bad Request", "Executor cannot be found")
        .await;
    let (_peer, _) = agent.subscribed().await;
    expect_subscribed(&mut events).await;
}

#[tokio::test]
async fn an_update_made_before_the_subscription_is_carried_by_it() {
    let agent = ScriptedAgent::start().await;
    let (driver, mut events) = start(&agent);
    let id = driver.update(running("t-1"));
    let (mut peer, subscribe) = subscription_with(&agent, 1).await;
    assert_eq!(
        subscribe.unacknowledged_updates[0].status.uuid(),
        id.to_bytes()
    );
    expect_subscribed(&mut events).await;
    peer.event(&acknowledged("t-1", id.to_bytes())).await;
    assert_eq!(within(driver.drained()).await, Drained::Acknowledged);
}
