//! The executor's handle on its session with the agent.

use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::env::ExecutorEnv;
use super::event::Event;
use super::id::{ExecutorId, TaskId};
use super::ledger::Ledger;
use super::session::{Session, Timing};
use super::update::{StatusUpdate, UpdateId};

/// Sends to the agent. What it is given is kept until the agent has it, through losses of the
/// connection and restarts of the agent.
///
/// [`Driver::close`] ends the session and waits until it has ended; so does dropping, without waiting.
#[derive(Debug)]
pub struct Driver {
    executor_id: ExecutorId,
    ledger: watch::Sender<Ledger>,
    session: JoinHandle<()>,
    closing: DropGuard,
}

/// What comes from the agent.
#[derive(Debug)]
pub struct EventStream {
    events: mpsc::UnboundedReceiver<Event>,
}

/// Whether an update that was waited for has been acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    Acknowledged,
    /// The session is over, and with it the hope.
    SessionOver,
}

impl Driver {
    /// Starts to subscribe at once, in the background: within a minute of the container's launch an
    /// executor has to be subscribed, so nothing slow goes before this. Needs a tokio runtime.
    pub fn start(env: &ExecutorEnv) -> (Self, EventStream) {
        Self::start_with(env, Timing::default())
    }

    fn start_with(env: &ExecutorEnv, timing: Timing) -> (Self, EventStream) {
        tracing::info!(endpoint = %env.endpoint, "subscribing to the agent");
        let ledger = watch::Sender::new(Ledger::default());
        let (sender, events) = mpsc::unbounded_channel();
        let closing = CancellationToken::new();
        let session = Session::new(env, timing, ledger.clone(), sender);
        let driver = Self {
            executor_id: env.executor_id.clone(),
            ledger,
            session: tokio::spawn(session.run(closing.clone())),
            closing: closing.drop_guard(),
        };
        (driver, EventStream { events })
    }

    /// Queues an update; its time is now. Never waits. Updates of one task reach the framework in
    /// the order they are given here.
    pub fn update(&self, update: StatusUpdate) -> UpdateId {
        let id = UpdateId::random();
        let task = update.task.clone();
        let update = update.into_proto(id, &self.executor_id, SystemTime::now());
        self.ledger
            .send_modify(|ledger| ledger.update(id, task, update));
        id
    }

    /// Queues a message for the framework, whose delivery beyond the agent is not reliable.
    pub fn message(&self, data: Bytes) {
        self.ledger.send_modify(|ledger| ledger.message(data));
    }

    /// Waits until the agent has acknowledged each update of a task that was given so far. It may
    /// never do so (it forgets a task when the framework is faster than it): to be bounded.
    pub async fn all_acknowledged(&self, task: &TaskId) -> Drained {
        self.settled(|ledger| ledger.all_acknowledged(task)).await
    }

    /// Waits until everything that was given has been sent, and every update acknowledged. To be
    /// bounded, as [`Driver::all_acknowledged`].
    pub async fn drained(&self) -> Drained {
        self.settled(Ledger::is_drained).await
    }

    async fn settled(&self, done: impl Fn(&Ledger) -> bool) -> Drained {
        let mut ledger = self.ledger.subscribe();
        let settled = ledger
            .wait_for(|ledger| done(ledger) || ledger.is_over())
            .await;
        match settled {
            Ok(ledger) if done(&ledger) => Drained::Acknowledged,
            _ => Drained::SessionOver,
        }
    }

    /// Ends the session. Updates that have not been sent are dropped: wait for
    /// [`Driver::drained`] first.
    pub async fn close(self) {
        drop(self.closing);
        let ended = self.session.await;
        if let Err(Ok(panic)) = ended.map_err(JoinError::try_into_panic) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl EventStream {
    /// None after [`Event::Lost`], and after the driver was closed. Can be cancelled.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }
}

#[cfg(test)]
mod tests;
