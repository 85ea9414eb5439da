//! The graceful end: services are asked to stop in the reverse of their start, level by level.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};
use tracing::{info, warn};

use super::container::Running;
use super::pod::PodRun;
use super::report::EndCause;
use crate::pod::plan::Signal;

/// Far enough to mean never.
const NEVER: Duration = Duration::from_hours(365 * 24);
/// What is kept of an order's time for the kill at its end.
const KILL_SHARE: Duration = Duration::from_millis(500);

impl PodRun {
    /// Stops every service that still runs: its signal, its grace, then SIGKILL; all by the order's
    /// deadline, which another order may bring nearer at any time.
    pub(super) async fn wind_down(&mut self) {
        let levels = self.plan.order.levels.clone();
        for level in levels.iter().rev() {
            let alive: Vec<usize> = level
                .iter()
                .copied()
                .filter(|&i| self.is_alive(i))
                .collect();
            if !alive.is_empty() && !self.stop_level(&alive).await {
                return;
            }
        }
    }

    fn is_alive(&self, i: usize) -> bool {
        self.containers[i].as_ref().is_some_and(Running::is_alive)
    }

    /// False when the pod went down by itself meanwhile.
    async fn stop_level(&mut self, level: &[usize]) -> bool {
        let asked = Instant::now();
        for &i in level {
            let Some(container) = self.containers[i].as_ref() else {
                continue;
            };
            let (service, signal) = (
                &self.plan.containers[i].service.value,
                container.stop_signal,
            );
            info!(service, %signal, "asking the service to stop");
            if let Err(error) = container.signal(&self.host.client, signal).await {
                warn!(service, %error, "the service can't be asked to stop");
            }
        }
        loop {
            let alive: Vec<usize> = level
                .iter()
                .copied()
                .filter(|&i| self.is_alive(i))
                .collect();
            if alive.is_empty() {
                return true;
            }
            let end = |i: usize| self.grace_end(asked, self.plan.containers[i].stop.grace);
            let unforced = |&i: &usize| self.containers[i].as_ref().is_some_and(|it| !it.forced);
            let next = alive.iter().copied().filter(unforced).map(end).min();
            let Some(next) = next else {
                // All have been killed; kill_all waits for them.
                return true;
            };
            tokio::select! {
                news = self.exits.next() => {
                    if let Some(EndCause::SandboxDied | EndCause::RuntimeLost) = self.hear(news).await {
                        return false;
                    }
                }
                () = sleep_until(next) => self.kill_overdue(&alive, asked).await,
                () = self.orders.changed() => {}
            }
        }
    }

    async fn kill_overdue(&mut self, alive: &[usize], asked: Instant) {
        let now = Instant::now();
        for &i in alive {
            let overdue = self.grace_end(asked, self.plan.containers[i].stop.grace) <= now;
            let client = self.host.client.clone();
            let Some(container) = self.containers[i]
                .as_mut()
                .filter(|it| overdue && !it.forced)
            else {
                continue;
            };
            container.forced = true;
            let service = &self.plan.containers[i].service.value;
            warn!(service, "the service outlived its grace period; killing it");
            if let Err(error) = container.signal(&client, Signal::KILL).await {
                warn!(service, %error, "the service can't be killed through containerd");
            }
        }
    }

    /// When a container that was asked at that time has had its grace.
    fn grace_end(&self, asked: Instant, grace: Duration) -> Instant {
        let own = asked.checked_add(grace).unwrap_or_else(|| asked + NEVER);
        let ordered = self.orders.current().and_then(|order| order.deadline);
        ordered.map_or(own, |deadline| {
            own.min(deadline.checked_sub(KILL_SHARE).unwrap_or(deadline))
        })
    }
}
