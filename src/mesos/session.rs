//! The life of a session: subscribe, follow the events, send what is due; again after a loss.

use std::error::Error;
use std::pin::pin;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::backoff::{Backoff, spread};
use super::call::Agent;
use super::delivery;
use super::env::{ExecutorEnv, Recovery};
use super::event::Event;
use super::inbox::Inbox;
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
    /// The waits before a call is sent again.
    pub(super) resend: Backoff,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            answer: Duration::from_secs(10),
            registration: Duration::from_mins(1),
            refusal: Duration::from_secs(5),
            resubscribe: Duration::from_millis(200),
            resend: Backoff::new(Duration::from_millis(100), Duration::from_secs(2)),
        }
    }
}

/// One executor's session, with all of its subscriptions.
#[derive(Debug)]
pub(super) struct Session {
    agent: Agent,
    recovery: Option<Recovery>,
    timing: Timing,
    ledger: watch::Sender<Ledger>,
    inbox: Inbox,
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
            inbox: Inbox::new(ledger.clone(), events),
            ledger,
        }
    }

    /// Until the agent is lost or the driver closes.
    pub(super) async fn run(mut self, closing: CancellationToken) {
        let lost = closing.run_until_cancelled(self.live()).await;
        self.ledger.send_modify(Ledger::close);
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
            // An agent that disturbs each subscription is not to be asked in a tight loop.
            sleep(spread(self.interval())).await;
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
            log_attempt(&error, last.is_none());
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
        let (subscribe, updates) = self.ledger.borrow().subscribe();
        let mut subscription = self.agent.subscribe(subscribe).await?;
        let within = self.timing.answer;
        let first = timeout(within, subscription.next())
            .await
            .unwrap_or(Err(Disconnect::Silent { within }))?;
        self.ledger
            .send_modify(|ledger| ledger.subscribed(&updates));
        Ok((subscription, first))
    }

    /// Passes events on and sends what is due, until the stream ends or the agent turns away.
    async fn follow(&mut self, mut subscription: Subscription, first: Event) -> Disconnect {
        let resend = self.timing.resend;
        let mut delivery = pin!(delivery::run(&self.agent, &self.ledger, resend));
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

/// The first failure is news; the next hundreds, a few every second, are not.
fn log_attempt(error: &(dyn Error + 'static), first: bool) {
    if first {
        tracing::warn!(error, "not subscribed to the agent: trying again");
    } else {
        tracing::debug!(error, "not subscribed to the agent");
    }
}
