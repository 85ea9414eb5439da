//! The executor's tasks, each a pod of its own: prepared, run, over.
//!
//! [`roster`] has the rules, which are pure; here they are carried out: preparations, pods, and
//! what is left to be taken away. What comes out are status updates; what goes on is told by
//! [`Tasks::next`].

mod roster;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tracing::{error, info, warn};

use super::description::Purpose;
use super::prepare::{self, Company, Ground, Prepared};
use super::refusal::Refusal;
use super::standing::Standing;
use crate::mesos::{Capability, StatusUpdate, Subscribed, Task, TaskId};
use crate::pod::names::PodId;
use crate::supervisor::pod::Pod;
use crate::supervisor::report::{PodReport, StopReason};
use roster::{Action, Newcomer, Ordinal, Roster};

/// Reports of pods that wait to be told.
const REPORTS: usize = 64;

/// All tasks of this executor.
#[derive(Debug)]
pub(super) struct Tasks {
    /// What tasks rest on, or why none can be launched; none before the subscription.
    ground: Option<Result<Arc<Ground>, Arc<Refusal>>>,
    roster: Roster,
    standings: BTreeMap<TaskId, Standing>,
    preparing: JoinSet<Result<Box<Prepared>, Refusal>>,
    preparations: BTreeMap<Ordinal, AbortHandle>,
    /// Ready to be launched, when the rest of their group is.
    prepared: BTreeMap<Ordinal, Box<Prepared>>,
    pods: BTreeMap<Ordinal, (PodId, Pod)>,
    /// Pods that have ended and are being taken away; true when nothing of it is left.
    leaving: JoinSet<bool>,
    /// What the pods tell: the end that they are given, and ours.
    reporter: mpsc::Sender<(PodId, PodReport)>,
    reports: mpsc::Receiver<(PodId, PodReport)>,
}

/// What a preparation ends with; an error when it panicked or was stopped.
type Preparation = Result<(Id, Result<Box<Prepared>, Refusal>), JoinError>;

/// Something that happened to a task.
#[derive(Debug)]
pub(super) enum News {
    Prepared(Preparation),
    Report(PodId, PodReport),
    Left(Result<bool, JoinError>),
}

impl Default for Tasks {
    fn default() -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        Self {
            ground: None,
            roster: Roster::default(),
            standings: BTreeMap::new(),
            preparing: JoinSet::new(),
            preparations: BTreeMap::new(),
            prepared: BTreeMap::new(),
            pods: BTreeMap::new(),
            leaving: JoinSet::new(),
            reporter,
            reports,
        }
    }
}

impl Tasks {
    /// Takes in what the subscription brought.
    pub(super) fn settle(&mut self, subscribed: &Subscribed, ground: Result<Ground, Refusal>) {
        self.roster
            .tell_killing(subscribed.framework.can(Capability::TaskKillingState));
        self.ground = Some(ground.map(Arc::new).map_err(Arc::new));
    }

    /// Begins to prepare the pods of tasks that came together: all of them are launched, or none.
    pub(super) fn launch(&mut self, group: Vec<Task>) -> Vec<StatusUpdate> {
        for task in &group {
            // One that is launched once more by mistake has its standing.
            let standing = || Standing::of(task);
            self.standings
                .entry(task.id.clone())
                .or_insert_with(standing);
        }
        let newcomers = group.iter().map(|task| Newcomer {
            id: task.id.clone(),
            kill_grace: task.kill_grace_period,
            purpose: Purpose::of(task),
        });
        let (ordinals, told) = self.roster.admit(newcomers.collect());
        let mut updates = self.perform(told);
        let ground = match &self.ground {
            Some(Ok(ground)) => Arc::clone(ground),
            Some(Err(refusal)) => {
                let refusal = Arc::clone(refusal);
                updates.extend(self.refuse_all(&ordinals, &refusal));
                return updates;
            }
            None => {
                error!("the agent gave a task before it subscribed this executor");
                updates.extend(self.refuse_all(&ordinals, &Refusal::Fault));
                return updates;
            }
        };
        for (ordinal, task) in ordinals.into_iter().zip(group) {
            let Some(ordinal) = ordinal else { continue };
            let company = if self.roster.is_only(ordinal) {
                Company::Alone
            } else {
                Company::Others
            };
            let ground = Arc::clone(&ground);
            let preparation = self.preparing.spawn(async move {
                prepare::prepare(&ground, &task, ordinal.number(), company).await
            });
            self.preparations.insert(ordinal, preparation);
        }
        updates
    }

    fn refuse_all(&mut self, tasks: &[Option<Ordinal>], refusal: &Refusal) -> Vec<StatusUpdate> {
        let mut updates = Vec::new();
        for ordinal in tasks.iter().flatten() {
            let told = self.roster.refused_alone(*ordinal, refusal);
            updates.extend(self.perform(told));
        }
        updates
    }

    /// Stops a task, and its group with it. A second time only shortens; a task that is not here,
    /// or is over, is no error.
    pub(super) fn kill(&mut self, task: &TaskId, grace: Option<Duration>) -> Vec<StatusUpdate> {
        let actions = self.roster.kill(task, grace);
        self.perform(actions)
    }

    /// Stops all tasks, and those that may come yet.
    pub(super) fn stop_all(
        &mut self,
        reason: StopReason,
        within: Option<Duration>,
    ) -> Vec<StatusUpdate> {
        let actions = self.roster.stop_all(reason, within);
        self.perform(actions)
    }

    /// What happens next to any task. May be dropped and called again.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            Some(prepared) = self.preparing.join_next_with_id() => News::Prepared(prepared),
            Some(left) = self.leaving.join_next() => News::Left(left),
            Some((pod, report)) = self.reports.recv() => News::Report(pod, report),
            else => std::future::pending().await,
        }
    }

    /// Takes in what [`Tasks::next`] brought.
    pub(super) fn take(&mut self, news: News) -> Vec<StatusUpdate> {
        let actions = match news {
            News::Prepared(preparation) => self.prepared(preparation),
            News::Report(pod, report) => self.reported(&pod, report),
            News::Left(Ok(true)) => Vec::new(),
            News::Left(_) => {
                error!("something of a pod is left: `compose-executor cleanup` takes it away");
                Vec::new()
            }
        };
        self.perform(actions)
    }

    fn prepared(&mut self, preparation: Preparation) -> Vec<Action> {
        let id = match &preparation {
            Ok((id, _)) => *id,
            Err(failure) => failure.id(),
        };
        let of_it = |(_, handle): &(&Ordinal, &AbortHandle)| handle.id() == id;
        let Some((&ordinal, _)) = self.preparations.iter().find(of_it) else {
            // Its task was stopped meanwhile.
            return Vec::new();
        };
        self.preparations.remove(&ordinal);
        match preparation {
            Ok((_, Ok(prepared))) => {
                self.prepared.insert(ordinal, prepared);
                self.roster.ready(ordinal)
            }
            Ok((_, Err(refusal))) => self.roster.refused(ordinal, &refusal),
            Err(failure) => {
                error!(%failure, "preparing a pod failed");
                self.roster.refused(ordinal, &Refusal::Fault)
            }
        }
    }

    fn reported(&mut self, of: &PodId, report: PodReport) -> Vec<Action> {
        let of_it = |(_, (id, _)): &(&Ordinal, &(PodId, Pod))| id == of;
        let Some((&ordinal, _)) = self.pods.iter().find(of_it) else {
            return Vec::new();
        };
        match report {
            PodReport::Ended(end) => {
                if let Some((_, pod)) = self.pods.remove(&ordinal) {
                    self.leaving.spawn(pod.gone());
                }
                self.roster.ended(ordinal, &end)
            }
            report => self.roster.goes_on(ordinal, report),
        }
    }

    /// Does what the rules say; what is left are the updates.
    fn perform(&mut self, actions: Vec<Action>) -> Vec<StatusUpdate> {
        let mut updates = Vec::new();
        for action in actions {
            match action {
                Action::Tell(mut update) => {
                    if let Some(standing) = self.standings.get_mut(&update.task) {
                        standing.dress(&mut update);
                    }
                    if update.state.is_terminal() {
                        self.standings.remove(&update.task);
                    }
                    updates.push(*update);
                }
                Action::Launch(ordinal) => self.start(ordinal),
                Action::Abandon(ordinal) => {
                    // Nothing has been made yet.
                    self.prepared.remove(&ordinal);
                    if let Some(preparation) = self.preparations.remove(&ordinal) {
                        preparation.abort();
                    }
                }
                Action::Stop(ordinal, reason, within) => {
                    if let Some((_, pod)) = self.pods.get(&ordinal) {
                        pod.stop(reason, within);
                    }
                }
            }
        }
        updates
    }

    fn start(&mut self, ordinal: Ordinal) {
        let Some(prepared) = self.prepared.remove(&ordinal) else {
            warn!(?ordinal, "a pod that is not prepared can't be launched");
            return;
        };
        let Prepared { host, request } = *prepared;
        let id = request.plan.id.clone();
        info!(pod = %id, task = request.plan.task, "launching the pod");
        let pod = Pod::start(host, request, self.reporter.clone());
        self.pods.insert(ordinal, (id, pod));
    }

    /// No task lives, and nothing of one is being taken away.
    pub(super) fn is_idle(&self) -> bool {
        self.roster.is_empty() && self.leaving.is_empty() && self.preparing.is_empty()
    }

    /// There was a task, and nothing of any is left.
    pub(super) fn is_over(&self) -> bool {
        self.roster.was_used() && self.is_idle()
    }
}
