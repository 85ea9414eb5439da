//! Where events go: into the ledger what has to be remembered, and on to the executor.

use tokio::sync::{mpsc, watch};

use super::event::Event;
use super::ledger::Ledger;
use super::task::Task;

/// Outlives the subscriptions, so that it can tell the first from the others.
#[derive(Debug)]
pub(super) struct Inbox {
    ledger: watch::Sender<Ledger>,
    /// Not bounded: the agent's events are few, and one that waited would hold up the updates.
    events: mpsc::UnboundedSender<Event>,
    subscribed_before: bool,
}

impl Inbox {
    pub(super) fn new(ledger: watch::Sender<Ledger>, events: mpsc::UnboundedSender<Event>) -> Self {
        Self {
            ledger,
            events,
            subscribed_before: false,
        }
    }

    /// Events of one stream come in order, so a task is in the ledger before anyone can report on it.
    pub(super) fn take(&mut self, event: Event) {
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
                    tracing::debug!(?task, %update, "acknowledged once more");
                    return;
                }
            }
            _ => {}
        }
        // Nobody listens when the executor is on its way out.
        let _ = self.events.send(event);
    }

    fn launched(&self, tasks: &[Task]) {
        self.ledger.send_modify(|ledger| {
            for task in tasks {
                ledger.launched(task.id.clone(), task.raw.clone());
            }
        });
    }
}
