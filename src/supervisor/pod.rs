//! A pod: started by a plan, stopped by an order, told of by reports.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::checks::{Checks, ChecksPlan};
use super::container::Running;
use super::course::{Course, RunningMeans};
use super::events::Done;
use super::exits::Exits;
use super::extra_processes::ExtraProcesses;
use super::host::Host;
use super::launch_error::LaunchError;
use super::life::KILL_WAIT;
use super::logs::{Logs, Prefix};
use super::orders::{self, StopOrders, Stopper};
use super::progress::Progress;
use super::report::{EndCause, PodEnd, PodReport, ServiceEnd, ServiceState, StopReason};
use super::runtime_program::RuntimePrograms;
use super::silence::Way;
use super::storage::Storage;
use super::teardown::blocking;
use super::user_files::UserFiles;
use crate::compose::model::Project;
use crate::compose::source::SourceMap;
use crate::containerd::NewTask;
use crate::journal::{Journal, Owner, PodView};
use crate::pod::names::PodId;
use crate::pod::plan::PodPlan;

/// What is to be run, and for whom.
#[derive(Debug)]
pub struct PodRequest {
    pub plan: PodPlan,
    /// The files that the plan was made of, for places in them.
    pub sources: SourceMap,
    /// The service whose end is the pod's.
    pub main: Option<String>,
    pub owner: Owner,
    pub user_files: UserFiles,
    pub prefix: Prefix,
    pub running_means: RunningMeans,
    /// What the framework wants to be checked.
    pub checks: ChecksPlan,
    /// How long the pod may take from its launch to its end.
    pub time_limit: Option<TimeLimit>,
}

/// How long a pod may take, its stop included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeLimit {
    pub all: Duration,
    /// What of it is the stop's, so that services can end in order: half at most.
    pub grace: Duration,
}

impl TimeLimit {
    /// When the stop begins, counted from the launch, and how long it may take.
    fn split(self) -> (Duration, Duration) {
        let grace = self.grace.min(self.all / 2);
        (self.all.saturating_sub(grace), grace)
    }
}

/// A pod on its way from launch to end. Dropping it stops nothing: see [`Pod::stop`].
#[derive(Debug)]
pub struct Pod {
    stopper: Stopper,
    life: JoinHandle<bool>,
}

impl Pod {
    /// Launches the plan. The reports come on the channel, the pod's id beside each.
    pub fn start(
        host: Arc<Host>,
        request: PodRequest,
        reports: mpsc::Sender<(PodId, PodReport)>,
    ) -> Self {
        let (stopper, orders) = orders::channel();
        let limit = request.time_limit;
        let life = guard(host, request, orders, reports);
        let life = tokio::spawn(within_limit(life, stopper.clone(), limit));
        Self { stopper, life }
    }

    /// Asks the pod to stop: gracefully, but all of it within so long if that is given. May be
    /// called again to shorten the time, and at any moment of a launch.
    pub fn stop(&self, reason: StopReason, within: Option<Duration>) {
        self.stopper.stop(reason, within);
    }

    /// Waits until nothing of the pod is left. False when something is: `cleanup` finds it.
    pub async fn gone(self) -> bool {
        match self.life.await {
            Ok(clean) => clean,
            Err(error) => {
                warn!(%error, "a pod's task has panicked");
                false
            }
        }
    }
}

/// A pod's life, with an order to stop when its time is up.
async fn within_limit(
    life: impl Future<Output = bool>,
    stopper: Stopper,
    limit: Option<TimeLimit>,
) -> bool {
    tokio::pin!(life);
    if let Some(limit) = limit {
        let (stop_after, grace) = limit.split();
        tokio::select! {
            clean = &mut life => return clean,
            () = sleep(stop_after) => {
                info!(?grace, "the task's time is up");
                stopper.stop(StopReason::CompletionTime, Some(grace));
            }
        }
    }
    life.await
}

/// A pod's life, and a word on it even where it ends in a panic: its processes must not go on
/// unseen.
async fn guard(
    host: Arc<Host>,
    request: PodRequest,
    orders: StopOrders,
    reports: mpsc::Sender<(PodId, PodReport)>,
) -> bool {
    let (id, cgroup) = (request.plan.id.clone(), request.plan.sandbox.cgroup.clone());
    let services = not_started(&request.plan);
    let cgroups = host.cgroups.clone();
    let life = Box::pin(live(host, request, orders, reports.clone()));
    let failure = match tokio::spawn(life).await {
        Ok(clean) => return clean,
        Err(failure) => failure,
    };
    error!(pod = %id, %failure, "what runs the pod has failed; killing it by its cgroup");
    let killed = blocking(move || cgroups.kill(cgroup.as_str(), KILL_WAIT)).await;
    if let Err(error) = killed {
        error!(%error, "processes of the pod may live on");
    }
    let end = PodEnd {
        cause: EndCause::Fault,
        place: None,
        services,
        shim_hung: false,
    };
    let _ = reports.send((id, PodReport::Ended(Box::new(end)))).await;
    false
}

/// A pod's whole life.
async fn live(
    host: Arc<Host>,
    mut request: PodRequest,
    orders: StopOrders,
    reports: mpsc::Sender<(PodId, PodReport)>,
) -> bool {
    let sources = std::mem::take(&mut request.sources);
    let reporter = Reporter {
        id: request.plan.id.clone(),
        reports,
    };
    let mut run = match PodRun::begin(host, request, orders, reporter.clone()) {
        Ok(run) => run,
        Err(failure) => {
            let (plan, error) = *failure;
            let end = PodEnd {
                cause: EndCause::LaunchFailed(error),
                place: None,
                services: not_started(&plan),
                shim_hung: false,
            };
            reporter.tell(PodReport::Ended(Box::new(end))).await;
            return true;
        }
    };
    let cause = match Box::pin(run.launch()).await {
        Ok(()) => run.supervise().await,
        Err(LaunchError::Stopped(reason)) => EndCause::Stopped(reason),
        Err(error) => EndCause::LaunchFailed(error),
    };
    run.stop_starting();
    if !cause.took_all() {
        run.wind_down().await;
    }
    run.kill_all().await;
    run.logs.drain().await;
    let services = run.service_ends();
    let place = match &cause {
        EndCause::LaunchFailed(error) => error.span().and_then(|span| sources.place(span)),
        _ => None,
    };
    let end = PodEnd {
        place: place.map(|place| place.to_string()),
        cause,
        services,
        shim_hung: run.shim_hung,
    };
    reporter.tell(PodReport::Ended(Box::new(end))).await;
    run.tear_down().await
}

fn not_started(plan: &PodPlan) -> Vec<ServiceEnd> {
    let end = |container: &crate::pod::plan::ContainerPlan| ServiceEnd {
        service: container.service.value.clone(),
        image: container.image.value.clone(),
        state: ServiceState::NotStarted,
        forced: false,
        restarts: 0,
        health: None,
        tail: Vec::new(),
    };
    plan.containers.iter().map(end).collect()
}

/// A pod that is being run, and all that is known of it.
#[derive(Debug)]
pub(super) struct PodRun {
    pub(super) host: Arc<Host>,
    pub(super) plan: PodPlan,
    pub(super) user_files: UserFiles,
    pub(super) storage: Storage,
    pub(super) journal: Journal,
    pub(super) logs: Logs,
    pub(super) exits: Exits,
    pub(super) orders: StopOrders,
    /// Keeps the network's /sys writable where a service is privileged.
    pub(super) sys: Option<OwnedFd>,
    /// What its shim starts as the runtime.
    pub(super) programs: RuntimePrograms,
    pub(super) pause: Option<Running>,
    /// One for each of the plan's; none before it has been made.
    pub(super) containers: Vec<Option<Running>>,
    pub(super) main: Option<usize>,
    pub(super) running_means: RunningMeans,
    /// What each container's task is made of, and is made of again.
    pub(super) tasks: Vec<NewTask>,
    /// What else runs in each container.
    pub(super) extras: Vec<ExtraProcesses>,
    pub(super) course: Course,
    pub(super) checks: Checks,
    /// What has been begun and is not done yet.
    pub(super) work: JoinSet<Done>,
    /// Nobody wants to know of probes any more, nor hooks of a start to go on.
    pub(super) quiet: CancellationToken,
    /// Nothing is started any more.
    pub(super) stopping: bool,
    /// How many further processes there have been.
    pub(super) execs: u64,
    pub(super) progress: Progress,
    /// What was told of the pod's health.
    pub(super) healthy: Option<bool>,
    /// When to give back the memory that only its launch needed.
    pub(super) tidy_at: Option<Instant>,
    /// How its containers are signalled.
    pub(super) way: Way,
    /// Its shim did not answer, and was killed.
    pub(super) shim_hung: bool,
    /// What others were let see of the services last.
    pub(super) view: PodView,
    pub(super) reporter: Reporter,
}

/// Where a pod's reports go.
#[derive(Clone, Debug)]
pub(super) struct Reporter {
    id: PodId,
    reports: mpsc::Sender<(PodId, PodReport)>,
}

impl Reporter {
    pub(super) async fn tell(&self, report: PodReport) {
        // Nobody may be listening any more, as after a second signal.
        let _ = self.reports.send((self.id.clone(), report)).await;
    }
}

impl PodRun {
    /// Takes the pod's lock and writes its record: from here on, a crash leaves what `cleanup`
    /// finds.
    fn begin(
        host: Arc<Host>,
        request: PodRequest,
        orders: StopOrders,
        reporter: Reporter,
    ) -> Result<Self, Box<(PodPlan, LaunchError)>> {
        let PodRequest {
            plan,
            sources: _,
            main,
            owner,
            user_files,
            prefix,
            running_means,
            checks,
            time_limit: _,
        } = request;
        let names: Vec<&str> = plan
            .containers
            .iter()
            .map(|container| container.service.value.as_str())
            .collect();
        let main = main.and_then(|main| names.iter().position(|name| *name == main));
        let logs = Logs::start(&names, &prefix, host.outputs.clone());
        match host.record(&plan, owner) {
            Ok(journal) => Ok(Self {
                exits: Exits::follow(host.client.clone(), host.lost_after, &plan.id),
                containers: plan.containers.iter().map(|_| None).collect(),
                host,
                plan,
                user_files,
                storage: Storage::default(),
                journal,
                logs,
                orders,
                sys: None,
                programs: RuntimePrograms::default(),
                pause: None,
                main,
                running_means,
                tasks: Vec::new(),
                extras: Vec::new(),
                course: Course::default(),
                checks: Checks::new(checks),
                work: JoinSet::new(),
                quiet: CancellationToken::new(),
                stopping: false,
                execs: 0,
                progress: Progress::new(Instant::now()),
                healthy: None,
                tidy_at: None,
                way: Way::Containerd,
                shim_hung: false,
                view: PodView::of([]),
                reporter,
            }),
            Err(error) => Err(Box::new((plan, LaunchError::Journal(error)))),
        }
    }

    fn service_ends(&self) -> Vec<ServiceEnd> {
        let mut ends = not_started(&self.plan);
        for (i, (end, container)) in ends.iter_mut().zip(&self.containers).enumerate() {
            if let Some(container) = container.as_ref().filter(|_| !self.course.is_waiting(i)) {
                end.restarts = self.course.restarts(i);
                end.health = self.course.health(i);
                end.state = container.state;
                end.forced = container.forced;
                end.tail = self.logs.tail(&end.service);
            }
        }
        ends
    }
}

impl PodRequest {
    /// The main service that a project names.
    pub fn main_of(project: &Project) -> Option<String> {
        project.pod.main.as_ref().map(|main| main.value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stop_is_within_the_limit_and_leaves_the_pod_half_of_it() {
        let second = Duration::from_secs(1);
        let split = |all, grace| TimeLimit { all, grace }.split();
        assert_eq!(split(60 * second, 10 * second), (50 * second, 10 * second));
        assert_eq!(split(60 * second, 40 * second), (30 * second, 30 * second));
        assert_eq!(
            split(60 * second, Duration::ZERO),
            (60 * second, Duration::ZERO)
        );
    }
}
