//! A pod: started by a plan, stopped by an order, told of by reports.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

use super::container::Running;
use super::exits::Exits;
use super::host::Host;
use super::launch_error::LaunchError;
use super::life::KILL_WAIT;
use super::logs::{Logs, Prefix};
use super::orders::{self, StopOrders, Stopper};
use super::report::{EndCause, PodEnd, PodReport, ServiceEnd, ServiceState, StopReason};
use super::storage::Storage;
use super::teardown::blocking;
use super::user_files::UserFiles;
use crate::compose::model::Project;
use crate::journal::{Journal, Owner};
use crate::pod::names::PodId;
use crate::pod::plan::PodPlan;

/// What is to be run, and for whom.
#[derive(Debug)]
pub struct PodRequest {
    pub plan: PodPlan,
    /// The service whose end is the pod's.
    pub main: Option<String>,
    pub owner: Owner,
    pub user_files: UserFiles,
    pub prefix: Prefix,
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
        let life = tokio::spawn(guard(host, request, orders, reports));
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
        services,
    };
    let _ = reports.send((id, PodReport::Ended(Box::new(end)))).await;
    false
}

/// A pod's whole life.
async fn live(
    host: Arc<Host>,
    request: PodRequest,
    orders: StopOrders,
    reports: mpsc::Sender<(PodId, PodReport)>,
) -> bool {
    let id = request.plan.id.clone();
    let report = async |report| {
        // Nobody may be listening any more, as after a second signal.
        let _ = reports.send((id.clone(), report)).await;
    };
    let mut run = match PodRun::begin(host, request, orders) {
        Ok(run) => run,
        Err(failure) => {
            let (plan, error) = *failure;
            let services = not_started(&plan);
            report(PodReport::Ended(Box::new(PodEnd {
                cause: EndCause::LaunchFailed(error),
                services,
            })))
            .await;
            return true;
        }
    };
    let cause = match run.launch().await {
        Ok(()) => {
            info!(pod = %run.plan.id, "all services have been started");
            report(PodReport::Running).await;
            run.supervise().await
        }
        Err(LaunchError::Stopped(reason)) => EndCause::Stopped(reason),
        Err(error) => EndCause::LaunchFailed(error),
    };
    if !matches!(cause, EndCause::SandboxDied | EndCause::RuntimeLost) {
        run.wind_down().await;
    }
    run.kill_all().await;
    run.logs.drain().await;
    let services = run.service_ends();
    report(PodReport::Ended(Box::new(PodEnd { cause, services }))).await;
    run.tear_down().await
}

fn not_started(plan: &PodPlan) -> Vec<ServiceEnd> {
    let end = |container: &crate::pod::plan::ContainerPlan| ServiceEnd {
        service: container.service.value.clone(),
        image: container.image.value.clone(),
        state: ServiceState::NotStarted,
        forced: false,
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
    pub(super) pause: Option<Running>,
    /// One for each of the plan's; none before it has been made.
    pub(super) containers: Vec<Option<Running>>,
    pub(super) main: Option<usize>,
    /// The service that failed first, whatever followed.
    pub(super) first_failure: Option<usize>,
}

impl PodRun {
    /// Takes the pod's lock and writes its record: from here on, a crash leaves what `cleanup`
    /// finds.
    fn begin(
        host: Arc<Host>,
        request: PodRequest,
        orders: StopOrders,
    ) -> Result<Self, Box<(PodPlan, LaunchError)>> {
        let PodRequest {
            plan,
            main,
            owner,
            user_files,
            prefix,
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
                exits: host.listen(),
                containers: plan.containers.iter().map(|_| None).collect(),
                host,
                plan,
                user_files,
                storage: Storage::default(),
                journal,
                logs,
                orders,
                pause: None,
                main,
                first_failure: None,
            }),
            Err(error) => Err(Box::new((plan, LaunchError::Journal(error)))),
        }
    }

    fn service_ends(&self) -> Vec<ServiceEnd> {
        let mut ends = not_started(&self.plan);
        for (end, container) in ends.iter_mut().zip(&self.containers) {
            if let Some(container) = container {
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
