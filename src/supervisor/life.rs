//! A pod from its first container to its last: watched, judged, and wound down.

use std::net::IpAddr;
use std::time::Duration;

use tokio::task::JoinError;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{debug, info, warn};

use super::container::Running;
use super::course::{AfterExit, HealthStatus, Verdict};
use super::exits::ExitNews;
use super::pod::PodRun;
use super::report::{EndCause, Exit, ExitStatus, HealthReport, OutOfMemory, PodReport};
use super::silence::Way;
use super::teardown::blocking;
use crate::compose::model::ByteSize;
use crate::containerd::{Process, TaskStatus};
use crate::journal::{PodView, ServiceView};
use crate::network;
use crate::pod::plan::{Sharing, Signal};
use crate::sys::footprint;

/// How long a death by SIGKILL may wait for news of the pause container's.
const SETTLE: Duration = Duration::from_millis(20);
const SETTLE_TRIES: u32 = 5;
/// How long the kernel may take to end what was killed.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(10);
/// How long containerd may take to tell of it: a frozen one never does.
pub(super) const NEWS_WAIT: Duration = Duration::from_secs(3);
/// How long after the start of a pod its launch is surely over, the telling of it included.
const LAUNCH_IS_OVER: Duration = Duration::from_secs(1);
/// The status of what ended in a way that nobody knows: containerd's own word for it.
const KILLED: u32 = 128 + 9;
/// Far enough to mean never.
pub(super) const NEVER: Duration = Duration::from_hours(365 * 24);

impl PodRun {
    /// Follows the pod from the first start until something ends it: a service, an order, or the
    /// host.
    pub(super) async fn supervise(&mut self) -> EndCause {
        loop {
            self.announce().await;
            self.show();
            if let Some(verdict) = self.course.verdict() {
                return self.cause(verdict);
            }
            for action in self.course.due(Instant::now()) {
                if let Err(error) = self.act(action) {
                    return EndCause::LaunchFailed(error);
                }
            }
            for (which, check) in self.checks.due(Instant::now()) {
                self.begin_check(which, check);
            }
            if self.tidy_at.take_if(|at| *at <= Instant::now()).is_some() {
                tidy();
            }
            let next = self.next();
            tokio::select! {
                news = self.exits.next() => {
                    if let Some(cause) = self.hear(news).await {
                        return cause;
                    }
                }
                Some(done) = self.work.join_next() => {
                    if let Err(cause) = self.done(unpanicked(done)).await {
                        return cause;
                    }
                }
                () = sleep_until(next) => {}
                order = self.orders.ordered() => return EndCause::Stopped(order.reason),
            }
        }
    }

    /// When to look again, if nothing happens before.
    fn next(&self) -> Instant {
        let progress = (!self.course.has_run()).then(|| self.progress.next());
        let due = self.course.next().into_iter();
        let due = due
            .chain(self.checks.next())
            .chain(progress.flatten())
            .chain(self.tidy_at)
            .min();
        due.unwrap_or_else(|| Instant::now() + NEVER)
    }

    /// What a verdict is when it is told.
    fn cause(&self, verdict: Verdict) -> EndCause {
        match verdict {
            Verdict::Finished => EndCause::Finished,
            Verdict::Failed(service) => EndCause::ServiceFailed(service),
            Verdict::DependencyUnmet { service, on, why } => EndCause::DependencyUnmet {
                service,
                on,
                why,
                probes: self.course.probe_outputs(on),
            },
            Verdict::Unhealthy(service) => EndCause::Unhealthy {
                service,
                probes: self.course.probe_outputs(service),
            },
        }
    }

    /// Tells what has come to be since the last time: that the pod runs, how its health is, or how
    /// far its start is.
    async fn announce(&mut self) {
        if self.course.take_running() {
            info!(pod = %self.plan.id, "the pod runs");
            self.checks.begin(Instant::now());
            self.healthy = self.health();
            let running = PodReport::Running {
                healthy: self.healthy,
                addresses: self.addresses().await,
            };
            self.reporter.tell(running).await;
            self.tidy_at = Some(Instant::now() + LAUNCH_IS_OVER);
        } else if self.course.has_run() {
            let healthy = self.health();
            if healthy.is_some() && healthy != self.healthy {
                self.healthy = healthy;
                let report = PodReport::Health(self.health_report());
                self.reporter.tell(report).await;
            }
        } else {
            let awaited = self.course.awaited();
            let waiting: Vec<String> = awaited
                .map(|(i, what)| format!("\"{}\" {}", self.service(i), what.as_str()))
                .collect();
            if !waiting.is_empty() {
                self.progress(format!("waiting for {}", waiting.join(", ")))
                    .await;
            }
        }
    }

    /// Lets `ps` see what only we know. It is for those who look: the pod goes on without it.
    fn show(&mut self) {
        let services = self.plan.containers.iter().enumerate().map(|(i, it)| {
            let view = ServiceView {
                health: self.course.health(i).map(HealthStatus::view),
                restarts: self.course.restarts(i),
            };
            (it.service.value.clone(), view)
        });
        let view = PodView::of(services);
        if view == self.view {
            return;
        }
        let path = self.host.folders.view(&self.plan.id);
        if let Err(error) = view.write(&path) {
            warn!(%error, "health and restarts of services can't be shown");
        }
        self.view = view;
    }

    /// Tells how far the start is, unless that has been told often enough.
    pub(super) async fn progress(&mut self, text: String) {
        if self.progress.take(&text, Instant::now()) {
            self.reporter.tell(PodReport::Progress(text)).await;
        }
    }

    /// Where the pod is reached. One whose addresses can't be read is told of without them.
    async fn addresses(&self) -> Vec<IpAddr> {
        let network = self.plan.sandbox.network.clone();
        let addresses = blocking(move || network::addresses(&network)).await;
        addresses.unwrap_or_else(|error| {
            warn!(%error, "the pod's addresses can't be read");
            Vec::new()
        })
    }

    /// By the services' own checks, unless the framework has one of its own for the whole task.
    fn health(&self) -> Option<bool> {
        let services = || self.course.is_healthy();
        (!self.checks.tell_health()).then(services).flatten()
    }

    fn health_report(&self) -> HealthReport {
        let unhealthy = (0..self.plan.containers.len())
            .find(|&i| self.course.health(i) == Some(HealthStatus::Unhealthy));
        match unhealthy {
            Some(i) => HealthReport {
                healthy: false,
                service: Some(self.service(i).to_owned()),
                output: self.course.probe_outputs(i).pop().unwrap_or_default(),
            },
            None => HealthReport {
                healthy: true,
                service: None,
                output: String::new(),
            },
        }
    }

    /// Takes in one piece of news; a cause when it ends the pod whatever its services do.
    pub(super) async fn hear(&mut self, news: ExitNews) -> Option<EndCause> {
        match news {
            ExitNews::Exited(exit) => {
                self.exited(&exit.container, Some(exit.pid), exit.exit.status)
                    .await;
            }
            ExitNews::Forgotten { container, pid } => {
                self.exited(&container, Some(pid), KILLED).await;
            }
            ExitNews::Withheld { container, pid } => {
                let is_it = |it: &Running| it.id == container && it.pid == pid && it.is_alive();
                let service = self.containers.iter().flatten().position(is_it);
                if service.is_some() || self.pause.as_ref().is_some_and(is_it) {
                    self.way = Way::Straight;
                    return Some(EndCause::ShimSilent(service));
                }
            }
            ExitNews::LookAgain => {
                self.way = Way::Containerd;
                self.look_again().await;
            }
            ExitNews::Lost => return Some(EndCause::RuntimeLost),
        }
        if !self.sandbox_died() {
            return None;
        }
        Some(if self.shim_died() {
            EndCause::ShimDied
        } else {
            EndCause::SandboxDied
        })
    }

    /// Pause ends only when it is killed, and takes every process of the pod with it.
    fn sandbox_died(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| !pause.is_alive())
    }

    /// containerd kills the containers of a shim that has died. It is in a cgroup of its own.
    fn shim_died(&self) -> bool {
        self.shim_processes()
            .is_some_and(|processes| processes == 0)
    }

    pub(super) fn is_shim_there(&self) -> bool {
        self.shim_processes().is_some_and(|processes| processes > 0)
    }

    fn shim_processes(&self) -> Option<usize> {
        let shim = self.plan.sandbox.cgroup.shim();
        let processes = self.host.cgroups.procs(shim.as_str());
        processes.ok().map(|processes| processes.len())
    }

    /// The pid is of the process that was told to have ended; none when the container was looked at.
    async fn exited(&mut self, id: &str, pid: Option<u32>, status: u32) {
        let status = ExitStatus::of_containerd(status);
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.id == id) {
            pause.ended(Exit { status, oom: None });
            self.exits.heard(id);
            return;
        }
        let Some(i) = self
            .containers
            .iter()
            .position(|it| it.as_ref().is_some_and(|it| it.id == id))
        else {
            return; // Another pod's.
        };
        let oom = self.out_of_memory(i);
        let Some(container) = self.containers[i]
            .as_mut()
            .filter(|it| it.is_alive() && pid.is_none_or(|pid| pid == it.pid))
        else {
            return; // Told twice.
        };
        let exit = Exit { status, oom };
        container.ended(exit);
        let forced = container.forced;
        self.exits.heard(id);
        let service = self.service(i);
        self.logs.ended(service);
        info!(service, %status, oom = oom.is_some(), "the service has ended");
        // A service killed from nowhere may only have gone down with its pod.
        let from_nowhere = oom.is_none() && !forced && !self.stopping;
        if status == ExitStatus::Signal(Signal::KILL) && from_nowhere {
            self.settle_pause().await;
        }
        if self.stopping || self.sandbox_died() {
            return;
        }
        let after = self.course.exited(i, exit.is_success(), Instant::now());
        if let AfterExit::Again { restart, delay } = after {
            info!(
                service = self.service(i),
                restart,
                ?delay,
                "the service is to be started again"
            );
        }
    }

    /// The kernel's counter is the truth; 137 is not, and events may not come.
    fn out_of_memory(&self, i: usize) -> Option<OutOfMemory> {
        let before = self.containers[i].as_ref()?.oom_kills_before;
        let plan = &self.plan.containers[i];
        let memory = self.host.cgroups.memory(plan.cgroup.as_str());
        let peak = memory.ok().and_then(|memory| memory.peak);
        (self.oom_kills(i) > before).then(|| OutOfMemory {
            limit: plan.limits.memory,
            peak: peak.map(ByteSize),
        })
    }

    async fn settle_pause(&mut self) {
        let shim_died = self.shim_died();
        let Some(pause) = self.pause.as_mut().filter(|pause| pause.is_alive()) else {
            return;
        };
        let killed = Exit {
            status: ExitStatus::Signal(Signal::KILL),
            oom: None,
        };
        if shim_died {
            // What it served is dead, or about to be: containerd sees to it.
            pause.ended(killed);
            return;
        }
        for _ in 0..SETTLE_TRIES {
            let task = self.host.client.tasks().get(Process::init(&pause.id)).await;
            match task {
                Ok(Some(task)) if task.status != TaskStatus::Stopped => sleep(SETTLE).await,
                Ok(_) => {
                    pause.ended(killed);
                    return;
                }
                // The next news will tell.
                Err(_) => return,
            }
        }
    }

    /// Asks containerd for each container that is thought to be alive.
    pub(super) async fn look_again(&mut self) {
        let alive = self
            .pause
            .iter()
            .chain(self.containers.iter().flatten())
            .filter(|it| it.is_alive());
        let ids: Vec<String> = alive.map(|it| it.id.clone()).collect();
        for id in ids {
            match self.host.client.tasks().get(Process::init(&id)).await {
                Ok(Some(task)) if task.status == TaskStatus::Stopped => {
                    let status = task.exit.map_or(u32::from(u8::MAX), |exit| exit.status);
                    self.exited(&id, None, status).await;
                }
                // Its shim is gone, and containerd has forgotten it.
                Ok(None) if !self.is_shim_there() => self.exited(&id, None, KILLED).await,
                // It runs; or its shim is about to tell, or the kernel is.
                Ok(_) => {}
                Err(error) => warn!(container = id, %error, "the container can't be looked at"),
            }
        }
    }

    /// Kills pause, and with it every process of the pod's PID namespace; then whatever may still
    /// be in the cgroups. After this, nothing of the pod runs but its shim.
    pub(super) async fn kill_all(&mut self) {
        if let Err(error) = self.signal_pause(Signal::KILL).await {
            warn!(%error, "the pause container can't be killed");
        }
        // Those that keep their processes to themselves outlive pause.
        for i in 0..self.containers.len() {
            let apart = self.plan.containers[i].namespaces.pid != Sharing::Pod;
            let alive = self.containers[i].as_ref().is_some_and(Running::is_alive);
            if apart
                && alive
                && let Err(error) = self.signal(i, Signal::KILL).await
            {
                warn!(%error, "a container can't be killed");
            }
        }
        let told =
            self.way == Way::Containerd && timeout(NEWS_WAIT, self.all_ended()).await.is_ok();
        if !told {
            warn!("containers outlive their kill; killing by cgroup");
        }
        if let Err(error) = self.kill_cgroups().await {
            warn!(%error, "processes may be left in the pod's cgroups");
        }
        if !told {
            self.end_silence().await;
        }
    }

    pub(super) async fn all_ended(&mut self) {
        while self.is_anything_alive() {
            let news = self.exits.next().await;
            if matches!(self.hear(news).await, Some(EndCause::RuntimeLost)) {
                return;
            }
        }
    }
}

/// What runs beside the life has no reason of its own to panic: where it did, so does the life.
pub(super) fn unpanicked<T>(ended: Result<T, JoinError>) -> T {
    ended.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

/// A launch runs most of the program, and a pod that idles next to nothing of it.
fn tidy() {
    if let Err(error) = footprint::give_back() {
        debug!(%error, "more memory is kept than is needed");
    }
}
