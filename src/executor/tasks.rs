//! The executor's tasks: each prepared, then run as a pod, then over.
//!
//! For now there is one. What comes out are status updates; what goes on is told by [`Tasks::next`].

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tracing::{error, info};

use super::outcome;
use super::prepare::{self, Ground};
use super::refusal::Refusal;
use crate::mesos::{Capability, StatusUpdate, Subscribed, Task, TaskId, TaskState};
use crate::pod::names::PodId;
use crate::supervisor::host::Host;
use crate::supervisor::pod::{Pod, PodRequest};
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
    preparing: JoinSet<Result<PodRequest, Refusal>>,
    /// Pods that have ended and are being taken away; true when nothing of it is left.
    leaving: JoinSet<bool>,
    reports: (
        mpsc::Sender<(PodId, PodReport)>,
        mpsc::Receiver<(PodId, PodReport)>,
    ),
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
    Running(Pod),
    Over,
}

/// Something that happened to a task.
#[derive(Debug)]
pub(super) enum News {
    Prepared(Result<Result<PodRequest, Refusal>, JoinError>),
    Report(PodId, PodReport),
    Left(Result<bool, JoinError>),
}

impl Default for Tasks {
    fn default() -> Self {
        Self {
            ground: None,
            tells_killing: false,
            current: None,
            preparing: JoinSet::new(),
            leaving: JoinSet::new(),
            reports: mpsc::channel(REPORTS),
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
            Phase::Running(pod) => {
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
            Some((pod, report)) = self.reports.1.recv() => News::Report(pod, report),
            else => std::future::pending().await,
        }
    }

    /// Takes in what [`Tasks::next`] brought.
    pub(super) fn take(&mut self, news: News) -> Vec<StatusUpdate> {
        let Some(current) = &mut self.current else {
            return Vec::new();
        };
        match news {
            News::Prepared(Ok(Ok(request))) if matches!(current.phase, Phase::Preparing) => {
                let host = self
                    .ground
                    .as_ref()
                    .and_then(|ground| ground.as_ref().ok())
                    .and_then(|it| it.known_host());
                let host = host.expect("a pod has been prepared on a host");
                info!(pod = %request.plan.id, "launching the pod");
                current.phase = Phase::Running(Pod::start(host, request, self.reports.0.clone()));
                Vec::new()
            }
            News::Prepared(Ok(Err(refusal))) if matches!(current.phase, Phase::Preparing) => {
                current.phase = Phase::Over;
                vec![outcome::refused(current.id.clone(), &refusal)]
            }
            News::Prepared(Err(failure)) if failure.is_panic() => {
                error!(%failure, "preparing the pod failed");
                current.phase = Phase::Over;
                let mut update = StatusUpdate::new(current.id.clone(), TaskState::Failed);
                update.message =
                    Some("CE-LAUNCH: the executor failed; executor.log has more".to_owned());
                vec![update]
            }
            // It was stopped while it was being prepared.
            News::Prepared(_) => Vec::new(),
            News::Report(_, PodReport::Running) => {
                vec![StatusUpdate::new(current.id.clone(), TaskState::Running)]
            }
            News::Report(_, PodReport::Ended(end)) => {
                if let Phase::Running(pod) = std::mem::replace(&mut current.phase, Phase::Over) {
                    self.leaving.spawn(pod.gone());
                }
                vec![outcome::ended(&current.id, &end)]
            }
            News::Left(Ok(true)) => Vec::new(),
            News::Left(_) => {
                error!("something of the pod is left: `compose-executor cleanup` takes it away");
                Vec::new()
            }
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
