//! A pod from its first container to its last: watched, judged, and wound down.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::container::Running;
use super::exits::ExitNews;
use super::pod::PodRun;
use super::report::{EndCause, Exit, ExitStatus, OutOfMemory, ServiceState};
use crate::compose::model::ByteSize;
use crate::containerd::{Process, TaskStatus};
use crate::pod::plan::{Sharing, Signal};

/// How long a death by SIGKILL may wait for news of the pause container's.
const SETTLE: Duration = Duration::from_millis(20);
const SETTLE_TRIES: u32 = 5;
/// How long the kernel may take to end what was killed.
pub(super) const KILL_WAIT: Duration = Duration::from_secs(10);

impl PodRun {
    /// Follows the pod until something ends it: a service, an order, or the host.
    pub(super) async fn supervise(&mut self) -> EndCause {
        loop {
            if let Some(cause) = self.verdict() {
                return cause;
            }
            tokio::select! {
                news = self.exits.next() => {
                    if let Some(cause) = self.hear(news).await {
                        return cause;
                    }
                }
                order = self.orders.ordered() => return EndCause::Stopped(order.reason),
            }
        }
    }

    /// Whether what has ended so far ends the pod.
    fn verdict(&self) -> Option<EndCause> {
        let exit = |i: usize| match self.containers[i].as_ref()?.state {
            ServiceState::Exited(exit) => Some(exit),
            _ => None,
        };
        if let Some(main) = self.main {
            return exit(main).map(|exit| {
                if exit.is_success() {
                    EndCause::Finished
                } else {
                    EndCause::ServiceFailed(main)
                }
            });
        }
        if let Some(failed) = self.first_failure {
            return Some(EndCause::ServiceFailed(failed));
        }
        (0..self.containers.len())
            .all(|i| exit(i).is_some())
            .then_some(EndCause::Finished)
    }

    /// Takes in one piece of news; a cause when it ends the pod whatever its services do.
    pub(super) async fn hear(&mut self, news: ExitNews) -> Option<EndCause> {
        match news {
            ExitNews::Exited(exit) => self.exited(&exit.container, exit.exit.status).await,
            ExitNews::LookAgain => self.look_again().await,
            ExitNews::Lost => return Some(EndCause::RuntimeLost),
        }
        self.sandbox_died().then_some(EndCause::SandboxDied)
    }

    /// Pause ends only when it is killed, and takes every process of the pod with it.
    fn sandbox_died(&self) -> bool {
        self.pause.as_ref().is_some_and(|pause| !pause.is_alive())
    }

    async fn exited(&mut self, id: &str, status: u32) {
        let status = ExitStatus::of_containerd(status);
        if let Some(pause) = self.pause.as_mut().filter(|pause| pause.id == id) {
            pause.ended(Exit { status, oom: None });
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
            .filter(|container| container.is_alive())
        else {
            return; // Told twice.
        };
        let exit = Exit { status, oom };
        container.ended(exit);
        let forced = container.forced;
        let service = &self.plan.containers[i].service.value;
        self.logs.ended(service);
        info!(service, %status, oom = oom.is_some(), "the service has ended");
        if !exit.is_success() && self.first_failure.is_none() {
            self.first_failure = Some(i);
        }
        // A service killed from nowhere may only have gone down with its pod.
        if status == ExitStatus::Signal(Signal::KILL) && oom.is_none() && !forced {
            self.settle_pause().await;
        }
    }

    /// The kernel's counter is the truth; 137 is not, and events may not come.
    fn out_of_memory(&self, i: usize) -> Option<OutOfMemory> {
        let plan = &self.plan.containers[i];
        let cgroup = plan.cgroup.as_str();
        let kills = self.host.cgroups.oom_kills(cgroup).ok().flatten()?;
        let peak = self
            .host
            .cgroups
            .memory(cgroup)
            .ok()
            .and_then(|memory| memory.peak);
        (kills > 0).then(|| OutOfMemory {
            limit: plan.limits.memory,
            peak: peak.map(ByteSize),
        })
    }

    async fn settle_pause(&mut self) {
        let Some(pause) = self.pause.as_mut().filter(|pause| pause.is_alive()) else {
            return;
        };
        for _ in 0..SETTLE_TRIES {
            let task = self.host.client.tasks().get(Process::init(&pause.id)).await;
            match task {
                Ok(Some(task)) if task.status != TaskStatus::Stopped => sleep(SETTLE).await,
                Ok(_) => {
                    pause.ended(Exit {
                        status: ExitStatus::Signal(Signal::KILL),
                        oom: None,
                    });
                    return;
                }
                // The next news will tell.
                Err(_) => return,
            }
        }
    }

    /// Asks containerd for each container that is thought to be alive.
    async fn look_again(&mut self) {
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
                    self.exited(&id, status).await;
                }
                Ok(Some(_)) => {}
                // Its shim is gone, and containerd has forgotten it.
                Ok(None) => self.exited(&id, 128 + Signal::KILL.0.unsigned_abs()).await,
                Err(error) => warn!(container = id, %error, "the container can't be looked at"),
            }
        }
    }

    /// Kills pause, and with it every process of the pod's PID namespace; then whatever may still
    /// be in the cgroups. After this, nothing of the pod runs but its shim.
    pub(super) async fn kill_all(&mut self) {
        if let Some(pause) = self.pause.as_ref().filter(|pause| pause.is_alive())
            && let Err(error) = pause.signal(&self.host.client, Signal::KILL).await
        {
            warn!(%error, "the pause container can't be killed through containerd");
        }
        // Those that keep their processes to themselves outlive pause.
        let apart = self.plan.containers.iter().zip(&self.containers);
        let apart = apart.filter(|(plan, _)| plan.namespaces.pid != Sharing::Pod);
        for container in apart.filter_map(|(_, container)| container.as_ref()) {
            if container.is_alive()
                && let Err(error) = container.signal(&self.host.client, Signal::KILL).await
            {
                warn!(%error, "a container can't be killed through containerd");
            }
        }
        let ended = timeout(KILL_WAIT, self.all_ended()).await.is_ok();
        if !ended {
            warn!("containers outlive their kill; killing by cgroup");
        }
        if let Err(error) = self.kill_cgroups().await {
            warn!(%error, "processes may be left in the pod's cgroups");
        }
        if !ended && timeout(KILL_WAIT, self.all_ended()).await.is_err() {
            warn!("containerd does not tell that the containers have ended");
        }
    }

    async fn all_ended(&mut self) {
        while self
            .pause
            .iter()
            .chain(self.containers.iter().flatten())
            .any(Running::is_alive)
        {
            let news = self.exits.next().await;
            if matches!(self.hear(news).await, Some(EndCause::RuntimeLost)) {
                return;
            }
        }
    }
}
