//! The graceful end: services are asked to stop in the reverse of their start, level by level.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::container::Running;
use super::events::Done;
use super::hooks;
use super::life::{NEVER, unpanicked};
use super::pod::PodRun;
use crate::pod::plan::Signal;

/// What is kept of an order's time for the kill at its end.
const KILL_SHARE: Duration = Duration::from_millis(500);
/// What hooks leave of a grace for the service itself: a part of it, and this at most.
const STOP_SHARE: u32 = 2;
const STOP_SHARE_MAX: Duration = Duration::from_secs(2);

impl PodRun {
    /// From here on nothing is started, restarted or probed.
    pub(super) fn stop_starting(&mut self) {
        self.stopping = true;
        self.quiet.cancel();
    }

    /// Stops every service that still runs: its hooks, its signal, its grace, then SIGKILL; all by
    /// the order's deadline, which another order may bring nearer at any time.
    pub(super) async fn wind_down(&mut self) {
        let levels = self.plan.order.levels.clone();
        for level in levels.iter().rev() {
            let asked = Instant::now();
            if !self.settle(level, asked).await {
                return;
            }
            let alive = self.alive(level);
            if !alive.is_empty() && !self.stop_level(&alive, asked).await {
                return;
            }
        }
    }

    /// Those that run; who waits to be started goes with the pod.
    fn alive(&self, level: &[usize]) -> Vec<usize> {
        let alive = |&i: &usize| {
            !self.course.is_waiting(i) && self.containers[i].as_ref().is_some_and(Running::is_alive)
        };
        level.iter().copied().filter(alive).collect()
    }

    /// Waits for what was begun before the stop, within the grace of those it is waited for.
    async fn settle(&mut self, level: &[usize], asked: Instant) -> bool {
        let ends = level.iter().map(|&i| self.grace_end(i, asked));
        let Some(end) = ends.max() else { return true };
        while !self.work.is_empty() {
            tokio::select! {
                Some(done) = self.work.join_next() => self.done_while_stopping(unpanicked(done)).await,
                news = self.exits.next() => {
                    if self.hear(news).await.is_some_and(|cause| cause.took_all()) {
                        return false;
                    }
                }
                () = sleep_until(end) => return true,
            }
        }
        true
    }

    /// False when the pod went down by itself meanwhile.
    async fn stop_level(&mut self, level: &[usize], asked: Instant) -> bool {
        for &i in level {
            if self.extras[i].pre_stop.is_empty() {
                self.ask(i).await;
            } else {
                self.begin_pre_stop(i, asked);
            }
        }
        loop {
            let alive = self.alive(level);
            if alive.is_empty() {
                return true;
            }
            let unforced = |&i: &usize| self.containers[i].as_ref().is_some_and(|it| !it.forced);
            let ends = alive.iter().copied().filter(unforced);
            let Some(next) = ends.map(|i| self.grace_end(i, asked)).min() else {
                // All have been killed; kill_all waits for them.
                return true;
            };
            let unseen = self.ends_unseen(&alive);
            tokio::select! {
                news = self.exits.next() => {
                    if self.hear(news).await.is_some_and(|cause| cause.took_all()) {
                        return false;
                    }
                }
                Some(done) = self.work.join_next() => self.done_while_stopping(unpanicked(done)).await,
                () = unseen => return true,
                () = sleep_until(next) => self.kill_overdue(&alive, asked).await,
                () = self.orders.changed() => {}
            }
        }
    }

    /// What was begun before the stop may still end; nothing follows from it.
    async fn done_while_stopping(&mut self, done: Done) {
        match done {
            Done::Started {
                service,
                pid,
                result,
            } => {
                let container = self.containers[service].as_mut();
                if let (Ok(()), Some(container)) = (result, container.filter(|it| it.pid == pid)) {
                    container.started();
                }
            }
            // Its process waits to be started, and goes with the pod.
            Done::MadeAgain { service, result } => {
                if let (Ok(pid), Some(container)) = (result, &mut self.containers[service]) {
                    container.made_again(pid, 0);
                    self.watch_service(service);
                }
            }
            Done::PostStart { .. } | Done::Probed { .. } | Done::Checked { .. } => {}
            Done::PreStop { service, result } => {
                if let Err((command, error)) = result {
                    let service = self.service(service);
                    warn!(service, command, %error, "a pre_stop hook failed; stopping all the same");
                }
                self.ask(service).await;
            }
        }
    }

    /// Hooks run within the grace, of which they leave the service its share.
    fn begin_pre_stop(&mut self, service: usize, asked: Instant) {
        let left = self
            .grace_end(service, asked)
            .saturating_duration_since(Instant::now());
        let within = left.saturating_sub((left / STOP_SHARE).min(STOP_SHARE_MAX));
        let prepared = self.extras[service].pre_stop.clone();
        let hooks = self.hooks(service, &prepared);
        info!(
            service = self.service(service),
            "running the pre_stop hooks"
        );
        self.work.spawn(async move {
            // What cuts them off is their service's end.
            let result = hooks::run(hooks, Some(within), &CancellationToken::new()).await;
            Done::PreStop { service, result }
        });
    }

    async fn ask(&mut self, i: usize) {
        let Some(container) = self.containers[i].as_ref().filter(|it| it.is_alive()) else {
            return;
        };
        let (service, signal) = (self.service(i), container.stop_signal);
        info!(service, %signal, "asking the service to stop");
        if let Err(error) = self.signal(i, signal).await {
            let service = self.service(i);
            warn!(service, %error, "the service can't be asked to stop");
        }
    }

    async fn kill_overdue(&mut self, alive: &[usize], asked: Instant) {
        let now = Instant::now();
        for &i in alive {
            let overdue = self.grace_end(i, asked) <= now;
            let Some(container) = self.containers[i]
                .as_mut()
                .filter(|it| overdue && !it.forced)
            else {
                continue;
            };
            container.forced = true;
            let service = self.service(i);
            warn!(service, "the service outlived its grace period; killing it");
            if let Err(error) = self.signal(i, Signal::KILL).await {
                let service = self.service(i);
                warn!(service, %error, "the service can't be killed");
            }
        }
    }

    /// When a container that was asked at that time has had its grace.
    fn grace_end(&self, i: usize, asked: Instant) -> Instant {
        let grace = self.plan.containers[i].stop.grace;
        let own = asked.checked_add(grace).unwrap_or_else(|| asked + NEVER);
        let ordered = self.orders.current().and_then(|order| order.deadline);
        ordered.map_or(own, |deadline| {
            own.min(deadline.checked_sub(KILL_SHARE).unwrap_or(deadline))
        })
    }
}
