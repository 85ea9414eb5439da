//! Which tasks there are, how far each is, and what follows from what happens to one.
//!
//! Nothing is done here: each event gives the [`Action`]s that follow from it. Tasks that were
//! launched one by one have nothing to do with each other. Those of a `LAUNCH_GROUP` are launched
//! when all of them can be, and end as one: when one fails or is killed, the others are killed;
//! one that finishes just ends. So does Mesos' own executor of groups.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use tracing::{info, warn};

use super::super::description::Purpose;
use super::super::outcome;
use super::super::refusal::Refusal;
use crate::mesos::{StatusUpdate, TaskId, TaskState};
use crate::supervisor::report::{EndCause, PodEnd, PodReport, StopReason};

/// A task's number among all that the executor ever had, from 0: its pod's ordinal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ordinal(u32);

impl Ordinal {
    pub(super) fn number(self) -> u32 {
        self.0
    }
}

/// What is to be done now.
#[derive(Debug)]
pub(super) enum Action {
    Tell(Box<StatusUpdate>),
    /// Launch the pod that has been prepared.
    Launch(Ordinal),
    /// Forget the preparation, or what came of it.
    Abandon(Ordinal),
    /// Stop the pod, within so long if that is given.
    Stop(Ordinal, StopReason, Option<Duration>),
}

/// The tasks that are not over yet.
#[derive(Debug, Default)]
pub(super) struct Roster {
    tasks: BTreeMap<Ordinal, Entry>,
    /// How many there have been.
    count: u32,
    tells_killing: bool,
    /// Set once no task is to live any more.
    closed: Option<StopReason>,
}

/// A task that has just come.
#[derive(Clone, Debug)]
pub(super) struct Newcomer {
    pub(super) id: TaskId,
    /// What its own kill policy says.
    pub(super) kill_grace: Option<Duration>,
    pub(super) purpose: Purpose,
}

#[derive(Debug)]
struct Entry {
    task: Newcomer,
    /// The first of those it came with.
    group: Ordinal,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Preparing,
    /// Waits for the rest of its group.
    Ready,
    /// Its pod has been started.
    Launched,
    Stopping,
}

impl Roster {
    /// Whether the framework wants to hear of `TASK_KILLING`.
    pub(super) fn tell_killing(&mut self, wanted: bool) {
        self.tells_killing = wanted;
    }

    /// Takes in tasks that came together. Those to be prepared get a number; none stands for one that is here already, or comes too late.
    pub(super) fn admit(&mut self, tasks: Vec<Newcomer>) -> (Vec<Option<Ordinal>>, Vec<Action>) {
        let group = Ordinal(self.count);
        let mut actions = Vec::new();
        let mut ordinals = Vec::new();
        for task in tasks {
            let Newcomer { id, purpose, .. } = &task;
            if self.find(id).is_some() {
                warn!(task = %id, "the task is here already: launched once more by mistake");
                ordinals.push(None);
                continue;
            }
            let ordinal = Ordinal(self.count);
            self.count += 1;
            if let Some(reason) = self.closed {
                actions.push(tell(outcome::ended(id, *purpose, &stopped(reason))));
                ordinals.push(None);
                continue;
            }
            let mut starting = StatusUpdate::new(id.clone(), TaskState::Starting);
            starting.message = Some("the pod is being prepared".to_owned());
            actions.push(tell(starting));
            let entry = Entry {
                task,
                group,
                phase: Phase::Preparing,
            };
            self.tasks.insert(ordinal, entry);
            ordinals.push(Some(ordinal));
        }
        (ordinals, actions)
    }

    /// A task is prepared; with the last of a group, all of it is launched.
    pub(super) fn ready(&mut self, ordinal: Ordinal) -> Vec<Action> {
        let Some(entry) = self.tasks.get_mut(&ordinal) else {
            return Vec::new();
        };
        entry.phase = Phase::Ready;
        let group = entry.group;
        let members = self.group(group);
        if members
            .iter()
            .any(|member| self.tasks[member].phase != Phase::Ready)
        {
            return Vec::new();
        }
        for member in &members {
            if let Some(entry) = self.tasks.get_mut(member) {
                entry.phase = Phase::Launched;
            }
        }
        members.into_iter().map(Action::Launch).collect()
    }

    /// A task can't be launched, and so none of its group is.
    pub(super) fn refused(&mut self, ordinal: Ordinal, refusal: &Refusal) -> Vec<Action> {
        let Some(refused) = self.tasks.remove(&ordinal) else {
            return Vec::new();
        };
        let update = outcome::refused(refused.task.id.clone(), refusal);
        let mut actions = vec![tell(update)];
        for member in self.group(refused.group) {
            if let Some(other) = self.tasks.remove(&member) {
                let update = outcome::refused_with(other.task.id, &refused.task.id, refusal);
                actions.extend([Action::Abandon(member), tell(update)]);
            }
        }
        actions
    }

    /// A task can't be launched, for what holds for every task.
    pub(super) fn refused_alone(&mut self, ordinal: Ordinal, refusal: &Refusal) -> Vec<Action> {
        let refused = self.tasks.remove(&ordinal);
        let refused = refused.map(|entry| tell(outcome::refused(entry.task.id, refusal)));
        refused.into_iter().collect()
    }

    /// A pod goes on, and has something to tell of itself. Of one that is being stopped nobody
    /// wants to know any more.
    pub(super) fn goes_on(&mut self, ordinal: Ordinal, report: PodReport) -> Vec<Action> {
        match self.tasks.get(&ordinal) {
            Some(entry) if entry.phase == Phase::Launched => {
                let update = outcome::on_the_way(&entry.task.id, report);
                update.map(tell).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    /// A pod's last process has ended.
    pub(super) fn ended(&mut self, ordinal: Ordinal, end: &PodEnd) -> Vec<Action> {
        let Some(entry) = self.tasks.remove(&ordinal) else {
            return Vec::new();
        };
        let mut actions = vec![tell(outcome::ended(
            &entry.task.id,
            entry.task.purpose,
            end,
        ))];
        if !matches!(end.cause, EndCause::Finished) {
            for member in self.group(entry.group) {
                info!(task = %self.tasks[&member].task.id, because = %entry.task.id, "a group ends as one");
                actions.extend(self.stop_first(member, StopReason::Group, None));
            }
        }
        actions
    }

    /// The framework kills a task: its group is killed as one. Each has the grace of its own kill
    /// policy, the named one another if the KILL says so.
    pub(super) fn kill(&mut self, task: &TaskId, grace: Option<Duration>) -> Vec<Action> {
        let Some(named) = self.find(task) else {
            info!(%task, "a task that is not here, or is over, was killed");
            return Vec::new();
        };
        let mut actions = self.stop(named, StopReason::Kill, grace);
        // With the named one unlaunched, none of its group is launched: all are over by now.
        let group = self.tasks.get(&named).map(|entry| entry.group);
        for member in group.map(|group| self.group(group)).unwrap_or_default() {
            actions.extend(self.stop_first(member, StopReason::Group, None));
        }
        actions
    }

    /// Stops every task; none is launched from now on.
    pub(super) fn stop_all(&mut self, reason: StopReason, within: Option<Duration>) -> Vec<Action> {
        self.closed.get_or_insert(reason);
        let all: Vec<Ordinal> = self.tasks.keys().copied().collect();
        all.into_iter()
            .flat_map(|ordinal| self.stop(ordinal, reason, within))
            .collect()
    }

    /// Stops a task unless it is being stopped.
    fn stop_first(
        &mut self,
        ordinal: Ordinal,
        reason: StopReason,
        within: Option<Duration>,
    ) -> Vec<Action> {
        match self.tasks.get(&ordinal) {
            Some(entry) if entry.phase != Phase::Stopping => self.stop(ordinal, reason, within),
            _ => Vec::new(),
        }
    }

    fn stop(
        &mut self,
        ordinal: Ordinal,
        reason: StopReason,
        within: Option<Duration>,
    ) -> Vec<Action> {
        let Some(entry) = self.tasks.get_mut(&ordinal) else {
            return Vec::new();
        };
        let within = within.or(entry.task.kill_grace);
        let was = std::mem::replace(&mut entry.phase, Phase::Stopping);
        let mut actions = Vec::new();
        if self.tells_killing && was != Phase::Stopping {
            actions.push(tell(StatusUpdate::new(
                entry.task.id.clone(),
                TaskState::Killing,
            )));
        }
        if matches!(was, Phase::Launched | Phase::Stopping) {
            actions.push(Action::Stop(ordinal, reason, within));
            return actions;
        }
        let (task, group) = (entry.task.clone(), entry.group);
        self.tasks.remove(&ordinal);
        actions.push(Action::Abandon(ordinal));
        actions.push(tell(outcome::ended(
            &task.id,
            task.purpose,
            &stopped(reason),
        )));
        for member in self.group(group) {
            let reason = if reason == StopReason::Kill {
                StopReason::Group
            } else {
                reason
            };
            actions.extend(self.stop(member, reason, None));
        }
        actions
    }

    /// No task is here.
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// There has been a task.
    pub(super) fn was_used(&self) -> bool {
        self.count > 0
    }

    /// Whether the executor never had another task.
    pub(super) fn is_only(&self, ordinal: Ordinal) -> bool {
        ordinal == Ordinal(0) && self.count == 1
    }

    fn find(&self, task: &TaskId) -> Option<Ordinal> {
        let mut tasks = self.tasks.iter();
        tasks
            .find(|(_, entry)| entry.task.id == *task)
            .map(|(ordinal, _)| *ordinal)
    }

    fn group(&self, group: Ordinal) -> Vec<Ordinal> {
        let of_it = self.tasks.iter().filter(|(_, entry)| entry.group == group);
        of_it.map(|(ordinal, _)| *ordinal).collect()
    }
}

fn tell(update: StatusUpdate) -> Action {
    Action::Tell(Box::new(update))
}

/// The end of a pod that was never launched.
fn stopped(reason: StopReason) -> PodEnd {
    PodEnd {
        cause: EndCause::Stopped(reason),
        place: None,
        services: Vec::new(),
        shim_hung: false,
    }
}
