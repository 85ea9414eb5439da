//! What the agent has not acknowledged yet, and what has not been sent to it.
//!
//! An update stays, under one uuid, until the agent acknowledges it; a task, as the bytes that came,
//! until the first update of it is acknowledged. Both go with every subscription: a restarted agent
//! takes a task that its executor does not claim for dropped, and an update that it does not get for
//! never made.

use std::collections::VecDeque;
use std::fmt;

use bytes::Bytes;

use super::id::TaskId;
use super::proto;
use super::update::UpdateId;

/// Both ends of a session share one, in a `tokio::sync::watch`: the driver writes updates into it and
/// waits until they are gone, the session sends them.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    tasks: Vec<(TaskId, Bytes)>,
    updates: Vec<Entry>,
    messages: VecDeque<Bytes>,
    over: bool,
}

#[derive(Debug)]
struct Entry {
    id: UpdateId,
    task: TaskId,
    update: proto::call::Update,
    /// Whether the agent has received it in the present session.
    delivered: bool,
}

/// One call that is due.
#[derive(Clone, Debug)]
pub(super) enum Outgoing {
    Update(UpdateId, Box<proto::call::Update>),
    Message(Bytes),
}

/// For logs.
impl fmt::Display for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Update(id, update) => {
                let status = &update.status;
                let state = status.state().as_str_name();
                write!(f, "{state} of {:?} ({id})", status.task_id.value)
            }
            Self::Message(_) => f.write_str("a message to the framework"),
        }
    }
}

impl Ledger {
    pub(super) fn launched(&mut self, task: TaskId, raw: Bytes) {
        self.tasks.retain(|(known, _)| *known != task);
        self.tasks.push((task, raw));
    }

    pub(super) fn update(&mut self, id: UpdateId, task: TaskId, update: proto::call::Update) {
        self.updates.push(Entry {
            id,
            task,
            update,
            delivered: false,
        });
    }

    pub(super) fn message(&mut self, data: Bytes) {
        self.messages.push_back(data);
    }

    /// What is to be sent next: updates in the order they were made, then messages.
    pub(super) fn next(&self) -> Option<Outgoing> {
        let update = self.updates.iter().find(|entry| !entry.delivered);
        update
            .map(|entry| Outgoing::Update(entry.id, Box::new(entry.update.clone())))
            .or_else(|| self.messages.front().cloned().map(Outgoing::Message))
    }

    /// Whether an update still waits to be sent: an acknowledgement may have come meanwhile.
    pub(super) fn is_due(&self, outgoing: &Outgoing) -> bool {
        match outgoing {
            Outgoing::Update(id, _) => self
                .updates
                .iter()
                .any(|entry| entry.id == *id && !entry.delivered),
            Outgoing::Message(_) => true,
        }
    }

    /// The agent has it. An update is kept until it is acknowledged as well.
    pub(super) fn delivered(&mut self, outgoing: &Outgoing) {
        match outgoing {
            Outgoing::Update(id, _) => {
                for entry in self.updates.iter_mut().filter(|entry| entry.id == *id) {
                    entry.delivered = true;
                }
            }
            Outgoing::Message(_) => {
                self.messages.pop_front();
            }
        }
    }

    /// The agent will never take it: nothing may wait for it.
    pub(super) fn discard(&mut self, outgoing: &Outgoing) {
        match outgoing {
            Outgoing::Update(id, _) => self.updates.retain(|entry| entry.id != *id),
            Outgoing::Message(_) => {
                self.messages.pop_front();
            }
        }
    }

    /// False for an update that is not known, or no longer.
    pub(super) fn acknowledged(&mut self, task: &TaskId, id: UpdateId) -> bool {
        let Some(at) = self.updates.iter().position(|entry| entry.id == id) else {
            return false;
        };
        self.updates.remove(at);
        self.tasks.retain(|(known, _)| known != task);
        true
    }

    /// The content of a SUBSCRIBE, and the updates that are in it.
    pub(super) fn subscribe(&self) -> (proto::call::Subscribe, Vec<UpdateId>) {
        let subscribe = proto::call::Subscribe {
            unacknowledged_tasks: self.tasks.iter().map(|(_, raw)| raw.clone()).collect(),
            unacknowledged_updates: self.updates.iter().map(|e| e.update.clone()).collect(),
        };
        (subscribe, self.updates.iter().map(|e| e.id).collect())
    }

    /// The agent has accepted the SUBSCRIBE that held these updates.
    pub(super) fn subscribed(&mut self, updates: &[UpdateId]) {
        for entry in &mut self.updates {
            entry.delivered = updates.contains(&entry.id);
        }
    }

    pub(super) fn all_acknowledged(&self, task: &TaskId) -> bool {
        !self.updates.iter().any(|entry| entry.task == *task)
    }

    pub(super) fn is_drained(&self) -> bool {
        self.updates.is_empty() && self.messages.is_empty()
    }

    /// No acknowledgement comes any more.
    pub(super) fn close(&mut self) {
        self.over = true;
    }

    pub(super) fn is_over(&self) -> bool {
        self.over
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::ExecutorId;
    use crate::mesos::update::{StatusUpdate, TaskState};
    use std::time::SystemTime;

    fn update(ledger: &mut Ledger, task: &str, state: TaskState) -> UpdateId {
        let id = UpdateId::random();
        let executor = ExecutorId::from("e-1");
        let status = StatusUpdate::new(TaskId::from(task), state);
        let status = status.into_proto(id, &executor, SystemTime::UNIX_EPOCH);
        ledger.update(id, TaskId::from(task), status);
        id
    }

    fn due(ledger: &Ledger) -> Option<UpdateId> {
        match ledger.next()? {
            Outgoing::Update(id, _) => Some(id),
            Outgoing::Message(_) => None,
        }
    }

    #[test]
    fn updates_are_sent_in_the_order_they_were_made() {
        let mut ledger = Ledger::default();
        let starting = update(&mut ledger, "t", TaskState::Starting);
        let running = update(&mut ledger, "t", TaskState::Running);
        assert_eq!(due(&ledger), Some(starting));
        ledger.delivered(&ledger.next().unwrap());
        assert_eq!(due(&ledger), Some(running));
        ledger.delivered(&ledger.next().unwrap());
        assert_eq!(due(&ledger), None);
        assert!(!ledger.is_drained(), "delivered is not acknowledged");
    }

    #[test]
    fn a_task_is_claimed_until_an_update_of_it_is_acknowledged() {
        let mut ledger = Ledger::default();
        ledger.launched(TaskId::from("a"), Bytes::from_static(b"raw a"));
        ledger.launched(TaskId::from("b"), Bytes::from_static(b"raw b"));
        let starting = update(&mut ledger, "a", TaskState::Starting);
        let (subscribe, updates) = ledger.subscribe();
        assert_eq!(subscribe.unacknowledged_tasks, ["raw a", "raw b"]);
        assert_eq!(updates, [starting]);

        assert!(ledger.acknowledged(&TaskId::from("a"), starting));
        let (subscribe, updates) = ledger.subscribe();
        assert_eq!(subscribe.unacknowledged_tasks, ["raw b"]);
        assert!(updates.is_empty());
    }

    #[test]
    fn acknowledgements_may_come_twice_and_in_any_order() {
        let mut ledger = Ledger::default();
        let task = TaskId::from("t");
        let first = update(&mut ledger, "t", TaskState::Starting);
        let second = update(&mut ledger, "t", TaskState::Running);
        assert!(ledger.acknowledged(&task, second));
        assert!(!ledger.acknowledged(&task, second));
        assert!(!ledger.all_acknowledged(&task));
        assert!(ledger.acknowledged(&task, first));
        assert!(ledger.all_acknowledged(&task));
        assert!(!ledger.acknowledged(&task, UpdateId::random()));
    }

    #[test]
    fn what_a_subscription_carried_is_not_sent_again_but_what_came_later_is() {
        let mut ledger = Ledger::default();
        update(&mut ledger, "t", TaskState::Starting);
        let (_, carried) = ledger.subscribe();
        let later = update(&mut ledger, "t", TaskState::Running);
        ledger.subscribed(&carried);
        assert_eq!(due(&ledger), Some(later));
    }

    #[test]
    fn an_update_that_is_refused_holds_nobody_up() {
        let mut ledger = Ledger::default();
        update(&mut ledger, "t", TaskState::Starting);
        ledger.message(Bytes::from_static(b"m"));
        let first = ledger.next().unwrap();
        ledger.discard(&first);
        assert!(!ledger.is_due(&first));
        assert!(matches!(ledger.next(), Some(Outgoing::Message(_))));
        ledger.delivered(&ledger.next().unwrap());
        assert!(ledger.is_drained());
    }
}
