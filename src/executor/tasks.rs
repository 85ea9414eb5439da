//! The executor's tasks: each prepared, then run as a pod, then over.
//!
//! For now there is one. What comes out are status updates; what goes on is told by [`Tasks::next`].

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info};

use super::outcome;
use super::prepare::{self, Ground, Prepared};
use super::refusal::Refusal;
use crate::mesos::{Capability, StatusUpdate, Subscribed, Task, TaskId, TaskState};
use crate::pod::names::PodId;
use crate::supervisor::host::Host;
use crate::supervisor::pod::Pod;
use crate::supervisor::report::{EndCause, PodEnd, PodReport, StopReason};

/// Reports of a pod that wait to be told.
const REPORTS: usize = 64;

/// All tasks of this executor.
#[derive(Debug)]
pub(super) struct Tasks {
    /// What tasks rest on, or why none can be launched; none before the subscription.
    ground: Option<Result<Arc<Ground>, Arc<Refusal>>>,
    tells_killing: bool,
    current: Option<Current>,
    preparing: JoinSet<Result<Box<Prepared>, Refusal>>,
    /// Pods that have ended and are being taken away; true when nothing of it is left.
    leaving: JoinSet<bool>,
    /// What the pods tell: the end that they are given, and ours.
    reporter: mpsc::Sender<(PodId, PodReport)>,
    reports: mpsc::Receiver<(PodId, PodReport)>,
}

#[derive(Debug)]
struct Current {
    id: TaskId,
    kill_grace: Option<Duration>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    Preparing,
    Running { id: PodId, pod: Pod },
    Over,
}

/// What the task that prepares a pod ends with; an error when it panicked or was stopped.
type PreparedResult = Result<Result<Box<Prepared>, Refusal>, JoinError>;

/// Something that happened to a task.
#[derive(Debug)]
pub(super) enum News {
    Prepared(PreparedResult),
    Report(PodId, PodReport),
    Left(Result<bool, JoinError>),
}

impl Default for Tasks {
    fn default() -> Self {
        let (reporter, reports) = mpsc::channel(REPORTS);
        Self {
            ground: None,
            tells_killing: false,
            current: None,
            preparing: JoinSet::new(),
            leaving: JoinSet::new(),
            reporter,
            reports,
        }
    }
}

impl Tasks {
    /// Takes in what the subscription brought.
    pub(super) fn settle(&mut self, subscribed: &Subscribed, ground: Result<Ground, Refusal>) {
        self.tells_killing = subscribed.framework.can(Capability::TaskKillingState);
        self.ground = Some(ground.map(Arc::new).map_err(Arc::new));
    }

    /// Begins to prepare a task's pod, or refuses it.
    pub(super) fn launch(&mut self, task: Task) -> Vec<StatusUpdate> {
        if self.current.is_some() {
            return vec![outcome::refused(task.id, &Refusal::SecondTask)];
        }
        let (id, kill_grace) = (task.id.clone(), task.kill_grace_period);
        let current = |phase| {
            Some(Current {
                id: id.clone(),
                kill_grace,
                phase,
            })
        };
        match &self.ground {
            Some(Ok(ground)) => {
                let ground = Arc::clone(ground);
                self.preparing
                    .spawn(async move { prepare::prepare(&ground, &task, 0).await });
                self.current = current(Phase::Preparing);
                Vec::new()
            }
            Some(Err(refusal)) => {
                self.current = current(Phase::Over);
                vec![outcome::refused(id.clone(), refusal)]
            }
            // The agent subscribes an executor before it gives it a task.
            None => Vec::new(),
        }
    }

    /// Stops a task. A second time only shortens; a task that is not here, or is over, is no error.
    pub(super) fn kill(&mut self, task: &TaskId, grace: Option<Duration>) -> Vec<StatusUpdate> {
        match &self.current {
            Some(current) if current.id == *task => {
                let within = grace.or(current.kill_grace);
                self.stop(StopReason::Kill, within)
            }
            _ => Vec::new(),
        }
    }

    pub(super) fn stop_all(
        &mut self,
        reason: StopReason,
        within: Option<Duration>,
    ) -> Vec<StatusUpdate> {
        self.stop(reason, within)
    }

    fn stop(&mut self, reason: StopReason, within: Option<Duration>) -> Vec<StatusUpdate> {
        let Some(current) = &mut self.current else {
            return Vec::new();
        };
        let killing = self
            .tells_killing
            .then(|| StatusUpdate::new(current.id.clone(), TaskState::Killing));
        match &current.phase {
            Phase::Preparing => {
                // Nothing has been made yet.
                self.preparing.abort_all();
                current.phase = Phase::Over;
                let end = PodEnd {
                    cause: EndCause::Stopped(reason),
                    services: Vec::new(),
                };
                let ended = outcome::ended(&current.id, &end);
                killing.into_iter().chain([ended]).collect()
            }
            Phase::Running { pod, .. } => {
                pod.stop(reason, within);
                killing.into_iter().collect()
            }
            Phase::Over => Vec::new(),
        }
    }

    /// What happens next to any task. May be dropped and called again.
    pub(super) async fn next(&mut self) -> News {
        tokio::select! {
            Some(prepared) = self.preparing.join_next() => News::Prepared(prepared),
            Some(left) = self.leaving.join_next() => News::Left(left),
            Some((pod, report)) = self.reports.recv() => News::Report(pod, report),
            else => std::future::pending().await,
        }
    }

    /// Takes in what [`Tasks::next`] brought.
    pub(super) fn take(&mut self, news: News) -> Vec<StatusUpdate> {
        match news {
            News::Prepared(prepared) => self.prepared(prepared),
            News::Report(pod, report) => self.reported(&pod, report),
            News::Left(Ok(true)) => Vec::new(),
            News::Left(_) => {
                error!("something of the pod is left: `compose-executor cleanup` takes it away");
                Vec::new()
            }
        }
    }

    fn prepared(&mut self, result: PreparedResult) -> Vec<StatusUpdate> {
        let Some(current) = &mut self.current else {
            return Vec::new();
        };
        if !matches!(current.phase, Phase::Preparing) {
            // It was stopped meanwhile.
            return Vec::new();
        }
        let refusal = match result {
            Ok(Ok(prepared)) => {
                let Prepared { host, request } = *prepared;
                let id = request.plan.id.clone();
                info!(pod = %id, "launching the pod");
                let pod = Pod::start(host, request, self.reporter.clone());
                current.phase = Phase::Running { id, pod };
                return Vec::new();
            }
            Ok(Err(refusal)) => refusal,
            Err(failure) => {
                error!(%failure, "preparing the pod failed");
                Refusal::Fault
            }
        };
        current.phase = Phase::Over;
        vec![outcome::refused(current.id.clone(), &refusal)]
    }

    fn reported(&mut self, of: &PodId, report: PodReport) -> Vec<StatusUpdate> {
        let Some(current) = &mut self.current else {
            return Vec::new();
        };
        match (&current.phase, report) {
            (Phase::Running { id, .. }, PodReport::Ended(end)) if id == of => {
                if let Phase::Running { pod, .. } = mem::replace(&mut current.phase, Phase::Over) {
                    self.leaving.spawn(pod.gone());
                }
                vec![outcome::ended(&current.id, &end)]
            }
            (Phase::Running { id, .. }, report) if id == of => {
                outcome::on_the_way(&current.id, report)
                    .into_iter()
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// There is no task that could still say something.
    pub(super) fn is_idle(&self) -> bool {
        self.current
            .as_ref()
            .is_none_or(|current| matches!(current.phase, Phase::Over))
            && self.leaving.is_empty()
    }

    /// There was a task, and nothing of it is left.
    pub(super) fn is_over(&self) -> bool {
        self.current.is_some() && self.is_idle() && self.preparing.is_empty()
    }

    pub(super) fn into_host(self) -> Option<Arc<Host>> {
        Arc::into_inner(self.ground?.ok()?)?.into_host()
    }
}
