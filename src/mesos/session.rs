//! The life of a session: subscribe, follow the events, send what is due; again after a loss.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::backoff::spread;
use super::call::Agent;
use super::delivery;
use super::env::{ExecutorEnv, Recovery};
use super::event::Event;
use super::ledger::Ledger;
use super::lost::{Disconnect, Lost};
use super::subscription::Subscription;

/// The shortest wait between two attempts to subscribe, whatever the agent asks for.
const RESUBSCRIBE_MIN: Duration = Duration::from_millis(10);

/// Where the time goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Within which the agent must answer a call, or follow an accepted SUBSCRIBE with an event.
    pub(super) answer: Duration,
    /// For how long the first subscription is tried; the agent gives up on an executor then.
    pub(super) registration: Duration,
    /// For how long the agent must refuse a subscription until it is believed: a restarting agent
    /// has its routes before it has its executors.
    pub(super) refusal: Duration,
    /// The longest wait between two attempts to subscribe.
    pub(super) resubscribe: Duration,
    /// The first and the longest wait before a call is sent again.
    pub(super) resend: (Duration, Duration),
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            registration: Duration::from_mins(1),
            refusal: Duration::from_secs(5),
            resubscribe: Duration::from_millis(200),
            resend: (Duration::from_millis(100), Duration::from_secs(5)),
        }
    }
}

/// One executor's session, with all of its subscriptions.
#[derive(Debug)]
pub(super) struct Session {
    agent: Agent,
    recovery: Option<Recovery>,
    timing: Timing,
    inbox: Inbox,
}

/// Where events go: into the ledger, and on to the executor.
#[derive(Debug)]
struct Inbox {
    ledger: watch::Sender<Ledger>,
    /// Not bounded: the agent's events are few, and one that waited would hold up the updates.
    events: mpsc::UnboundedSender<Event>,
    subscribed_before: bool,
}

impl Session {
    pub(super) fn new(
        env: &ExecutorEnv,
        timing: Timing,
        ledger: watch::Sender<Ledger>,
        events: mpsc::UnboundedSender<Event>,
    ) -> Self {
        Self {
            agent: Agent::new(env, timing.answer),
            recovery: env.recovery,
            timing,
            inbox: Inbox {
                ledger,
                events,
                subscribed_before: false,
            },
        }
    }

    /// Until the agent is lost or the driver closes.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let lost = closing.run_until_cancelled(self.live()).await;
        self.inbox.ledger.send_modify(Ledger::close);
        if let Some(lost) = lost {
            self.inbox.take(Event::Lost(lost));
        }
    }

    async fn live(&mut self) -> Lost {
        let mut patience = self.timing.registration;
        loop {
            let (subscription, first) = match self.subscribe(patience).await {
                Ok(subscribed) => subscribed,
                Err(lost) => return lost,
            };
            let disconnect = self.follow(subscription, first).await;
            let Some(recovery) = self.recovery else {
                return Lost::NoCheckpoint(disconnect);
            };
            tracing::warn!(
                error = &disconnect as &(dyn Error + 'static),
                "disconnected from the agent; looking for it"
            );
            self.inbox.take(Event::Disconnected);
            patience = recovery.timeout;
        }
    }

    /// Tries until the agent accepts, refuses for good, or has been away for too long.
    async fn subscribe(&self, patience: Duration) -> Result<(Subscription, Event), Lost> {
        let deadline = Instant::now() + patience;
        let mut refused_since = None;
        let mut last = None;
        loop {
            let Ok(attempt) = timeout_at(deadline, self.try_subscribe()).await else {
                let timeout = patience;
                return Err(Lost::Timeout { timeout, last });
            };
            let error = match attempt {
                Ok(subscribed) => return Ok(subscribed),
                Err(error) => error,
            };
            tracing::debug!(error = &error as &(dyn Error + 'static), "not subscribed");
            if error.is_refusal() {
                let since = *refused_since.get_or_insert_with(Instant::now);
                if since.elapsed() >= self.timing.refusal {
                    return Err(Lost::refused(error));
                }
            } else {
                refused_since = None;
            }
            last = Some(error);
            sleep(spread(self.interval())).await;
        }
    }

    /// A restarted agent forgets the executors that are not back within its back-off time: they
    /// have to try several times in it.
    fn interval(&self) -> Duration {
        let longest = self.timing.resubscribe;
        self.recovery.map_or(longest, |recovery| {
            longest.min(RESUBSCRIBE_MIN.max(recovery.backoff_max / 10))
        })
    }

    /// Subscribed means that an event came. It need not be SUBSCRIBED: SHUTDOWN goes before it.
    async fn try_subscribe(&self) -> Result<(Subscription, Event), Disconnect> {
        let (subscribe, updates) = self.inbox.ledger.borrow().subscribe();
        let mut subscription = self.agent.subscribe(subscribe).await?;
        let within = self.timing.answer;
        let first = timeout(within, subscription.next())
            .await
            .unwrap_or(Err(Disconnect::Silent { within }))?;
        self.inbox
            .ledger
            .send_modify(|ledger| ledger.subscribed(&updates));
        Ok((subscription, first))
    }

    /// Passes events on and sends what is due, until the stream ends or the agent turns away.
    async fn follow(&mut self, mut subscription: Subscription, first: Event) -> Disconnect {
        let ledger = self.inbox.ledger.clone();
        let mut delivery = pin!(delivery::run(&self.agent, &ledger, self.timing.resend));
        self.inbox.take(first);
        loop {
            tokio::select! {
                event = subscription.next() => match event {
                    Ok(event) => self.inbox.take(event),
                    Err(disconnect) => return disconnect,
                },
                refusal = &mut delivery => return refusal.into(),
            }
        }
    }
}

impl Inbox {
    /// Events of one stream come in order, so a task is in the ledger before anyone can report on it.
    fn take(&mut self, event: Event) {
        let event = match event {
            Event::Subscribed(subscribed) if self.subscribed_before => {
                tracing::info!("subscribed to the agent again");
                Event::Reconnected(subscribed)
            }
            Event::Subscribed(subscribed) => {
                tracing::info!(agent = subscribed.agent.hostname, "subscribed to the agent");
                self.subscribed_before = true;
                Event::Subscribed(subscribed)
            }
            event => event,
        };
        match &event {
            Event::Launch(task) => self.launched(std::slice::from_ref(&**task)),
            Event::LaunchGroup(tasks) => self.launched(tasks),
            Event::Acknowledged { task, update } => {
                let known = self
                    .ledger
                    .send_if_modified(|ledger| ledger.acknowledged(task, *update));
                if !known {
                    tracing::debug!(%task, %update, "acknowledged once more");
                    return;
                }
            }
            _ => {}
        }
        // Nobody listens when the executor is on its way out.
        let _ = self.events.send(event);
    }

    fn launched(&self, tasks: &[super::task::Task]) {
        self.ledger.send_modify(|ledger| {
            for task in tasks {
                ledger.launched(task.id.clone(), task.raw.clone());
            }
        });
    }
}
