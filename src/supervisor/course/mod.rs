//! Where each service of a pod is, and what comes next: start order, restarts, health, the end.
//!
//! Pure: time and news come in, what is to be done goes out. `Course::due` is asked after each
//! piece of news and at `Course::next`, and never does anything itself.

mod health;
mod restarts;
#[cfg(test)]
mod simulation;

use std::time::Duration;

use tokio::time::Instant;

use crate::compose::model::Condition;
use crate::pod::life::{DependencyPlan, LifePlan};
use health::Health;
pub use health::HealthStatus;
pub(super) use health::{ProbeResult, Timing};
use restarts::Restarts;

/// When a pod counts as running. The task's label `compose.running`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RunningMeans {
    /// Every service has been started, and whoever has a health check is healthy.
    #[default]
    Healthy,
    /// Every service has been started.
    Started,
}

/// A pod's services on their way.
#[derive(Clone, Debug, Default)]
pub(super) struct Course {
    services: Vec<Service>,
    /// The service whose end is the pod's.
    main: Option<usize>,
    running_means: RunningMeans,
    /// The service that failed for good before all others.
    first_failure: Option<usize>,
    /// It was running once; from then on ill health ends nothing.
    ran: bool,
}

#[derive(Clone, Debug)]
struct Service {
    depends_on: Vec<DependencyPlan>,
    restarts: Restarts,
    health: Option<Health>,
    state: State,
    /// It was started once, and its hooks have run.
    settled: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its container is not there yet.
    Unmade,
    /// For what it depends on.
    Waiting,
    /// Its start, or start anew, is under way.
    Starting,
    Running {
        since: Instant,
    },
    /// It has ended, and is started again then.
    BackOff {
        until: Instant,
    },
    /// For good.
    Ended {
        success: bool,
    },
}

/// What is to be done now. Each is done once, and its result told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Start(usize),
    StartAgain(usize),
    Probe(Probing),
}

/// A probe of one run of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Probing {
    pub(super) service: usize,
    /// How many restarts there had been: a result counts for its own run alone.
    run: u64,
}

/// What ends a pod by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The main service, or all of them, succeeded.
    Finished,
    Failed(usize),
    /// The service can't start any more.
    DependencyUnmet {
        service: usize,
        on: usize,
        why: Unmet,
    },
    /// It became unhealthy before the pod was running.
    Unhealthy(usize),
}

/// Why a dependency can't be met any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// It should become healthy, but neither file nor image tell how that is known.
    NoHealthcheck,
    Unhealthy,
    EndedUnhealthy,
    /// It should have succeeded.
    Failed,
}

/// What a service's end leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AfterExit {
    Over,
    Again { restart: u64, delay: Duration },
}

impl Course {
    /// A service's life, and how its health is told if it is. In the order of the plan.
    pub(super) fn new<'a>(
        services: impl IntoIterator<Item = (&'a LifePlan, Option<Timing>)>,
        main: Option<usize>,
        running_means: RunningMeans,
    ) -> Self {
        let service = |(life, timing): (&LifePlan, Option<Timing>)| Service {
            depends_on: life.depends_on.clone(),
            restarts: Restarts::new(life.restart),
            health: timing.map(Health::new),
            state: State::Unmade,
            settled: false,
        };
        Self {
            services: services.into_iter().map(service).collect(),
            main,
            running_means,
            first_failure: None,
            ran: false,
        }
    }

    /// The service's container is there: it may be started.
    pub(super) fn made(&mut self, i: usize) {
        self.services[i].state = State::Waiting;
    }

    /// What is to be done now, which then counts as begun.
    pub(super) fn due(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        for i in 0..self.services.len() {
            match self.services[i].state {
                State::Waiting if self.may_start(i) => {
                    self.services[i].state = State::Starting;
                    actions.push(Action::Start(i));
                }
                State::BackOff { until } if until <= now => {
                    self.services[i].state = State::Starting;
                    actions.push(Action::StartAgain(i));
                }
                _ => {}
            }
            let service = &mut self.services[i];
            let run = service.restarts.total();
            if service
                .health
                .as_mut()
                .is_some_and(|health| health.take_due(now))
            {
                actions.push(Action::Probe(Probing { service: i, run }));
            }
        }
        actions
    }

    /// When something is due next, if no news comes before.
    pub(super) fn next(&self) -> Option<Instant> {
        let of = |service: &Service| {
            let restart = match service.state {
                State::BackOff { until } => Some(until),
                _ => None,
            };
            let probe = service.health.as_ref().and_then(Health::next);
            restart.into_iter().chain(probe).min()
        };
        self.services.iter().filter_map(of).min()
    }

    /// The service's process runs, unless its end has been told already.
    pub(super) fn started(&mut self, i: usize, now: Instant) {
        let service = &mut self.services[i];
        if service.state == State::Starting {
            service.state = State::Running { since: now };
            if let Some(health) = &mut service.health {
                health.begin(now);
            }
        }
    }

    /// The service's first start is complete, its hooks too.
    pub(super) fn settled(&mut self, i: usize) {
        self.services[i].settled = true;
    }

    /// Its start was never begun.
    pub(super) fn is_waiting(&self, i: usize) -> bool {
        self.services
            .get(i)
            .is_none_or(|service| matches!(service.state, State::Unmade | State::Waiting))
    }

    pub(super) fn is_settled(&self, i: usize) -> bool {
        self.services[i].settled
    }

    /// The service can't be started again just now, for a reason that is not its own.
    pub(super) fn postpone(&mut self, i: usize, until: Instant) {
        self.services[i].state = State::BackOff { until };
    }

    /// The service's process has ended.
    pub(super) fn exited(&mut self, i: usize, success: bool, now: Instant) -> AfterExit {
        let service = &mut self.services[i];
        let run = match service.state {
            State::Running { since } => now.saturating_duration_since(since),
            _ => Duration::ZERO,
        };
        if let Some(health) = &mut service.health {
            health.end();
        }
        if let Some(delay) = service.restarts.after(success, run) {
            service.state = State::BackOff { until: now + delay };
            let restart = service.restarts.total();
            return AfterExit::Again { restart, delay };
        }
        service.state = State::Ended { success };
        if !success {
            self.first_failure.get_or_insert(i);
        }
        AfterExit::Over
    }

    /// Takes in a probe's result, none where it could not be made; tells a new status.
    pub(super) fn probed(
        &mut self,
        probing: Probing,
        result: Option<ProbeResult>,
        now: Instant,
    ) -> Option<HealthStatus> {
        let service = &mut self.services[probing.service];
        if service.restarts.total() != probing.run {
            return None;
        }
        service.health.as_mut()?.probed(result, now)
    }

    /// What has ended the pod, if anything has.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        if let Some(verdict) = self.unmet_dependency() {
            return Some(verdict);
        }
        let deciding = match self.main {
            Some(main) => match self.services[main].state {
                State::Ended { success: true } => return Some(Verdict::Finished),
                State::Ended { success: false } => Some(main),
                _ => None,
            },
            None => self.first_failure,
        };
        if let Some(failed) = deciding {
            return Some(Verdict::Failed(failed));
        }
        if !self.ran && self.running_means == RunningMeans::Healthy {
            let ill = |service: &Service| service.status() == Some(HealthStatus::Unhealthy);
            if let Some(i) = self.services.iter().position(ill) {
                return Some(Verdict::Unhealthy(i));
            }
        }
        let ended = |service: &Service| matches!(service.state, State::Ended { .. });
        let finished = self.main.is_none() && self.services.iter().all(ended);
        finished.then_some(Verdict::Finished)
    }

    fn unmet_dependency(&self) -> Option<Verdict> {
        let waiting = |i: &usize| self.is_waiting(*i);
        (0..self.services.len()).filter(waiting).find_map(|i| {
            let (on, why) = self.unmet(i, true).next()?;
            let service = i;
            Some(Verdict::DependencyUnmet { service, on, why })
        })
    }

    /// What a service waits for, or has not waited for, that can't be any more.
    pub(super) fn unmet(
        &self,
        i: usize,
        required: bool,
    ) -> impl Iterator<Item = (usize, Unmet)> + '_ {
        let depends_on = self.services[i].depends_on.iter();
        depends_on
            .filter(move |dependency| dependency.required == required)
            .filter_map(|dependency| Some((dependency.on, self.why_unmet(dependency)?)))
    }

    fn why_unmet(&self, dependency: &DependencyPlan) -> Option<Unmet> {
        let on = &self.services[dependency.on];
        match (dependency.condition, on.state) {
            (Condition::Healthy, _) if on.health.is_none() => Some(Unmet::NoHealthcheck),
            (Condition::Healthy, State::Ended { .. }) => Some(Unmet::EndedUnhealthy),
            (Condition::Healthy, _) => {
                (on.status() == Some(HealthStatus::Unhealthy)).then_some(Unmet::Unhealthy)
            }
            (Condition::CompletedSuccessfully, State::Ended { success: false }) => {
                Some(Unmet::Failed)
            }
            _ => None,
        }
    }

    fn is_met(&self, dependency: &DependencyPlan) -> bool {
        let on = &self.services[dependency.on];
        match dependency.condition {
            Condition::Started => on.settled,
            Condition::Healthy => on.settled && on.is_well(),
            Condition::CompletedSuccessfully => on.state == State::Ended { success: true },
        }
    }

    fn may_start(&self, i: usize) -> bool {
        self.services[i].depends_on.iter().all(|dependency| {
            self.is_met(dependency)
                || (!dependency.required && self.why_unmet(dependency).is_some())
        })
    }

    /// True once: when the pod has come to run, as the task understands it.
    pub(super) fn take_running(&mut self) -> bool {
        let first = !self.ran && self.services.iter().all(|service| self.is_up(service));
        self.ran |= first;
        first
    }

    pub(super) fn has_run(&self) -> bool {
        self.ran
    }

    fn is_up(&self, service: &Service) -> bool {
        let runs = match service.state {
            State::Running { .. } => match self.running_means {
                RunningMeans::Started => true,
                RunningMeans::Healthy => !matches!(
                    service.status(),
                    Some(HealthStatus::Starting | HealthStatus::Unhealthy)
                ),
            },
            State::Ended { success } => success,
            State::BackOff { .. } => self.running_means == RunningMeans::Started,
            State::Unmade | State::Waiting | State::Starting => false,
        };
        service.settled && runs
    }

    /// The pod's health by its services' own checks; none where no service that runs has one, or
    /// the first results are not in yet.
    pub(super) fn is_healthy(&self) -> Option<bool> {
        let is_probed = |service: &&Service| {
            service.health.is_some() && !matches!(service.state, State::Ended { .. })
        };
        let probed: Vec<_> = self.services.iter().filter(is_probed).collect();
        let is_ill = |service: &&Service| service.status() == Some(HealthStatus::Unhealthy);
        if probed.iter().any(is_ill) {
            Some(false)
        } else {
            let all_well = !probed.is_empty() && probed.iter().all(|it| it.is_well());
            all_well.then_some(true)
        }
    }

    /// What the start waits for, service by service, each with what it has not reached.
    pub(super) fn awaited(&self) -> impl Iterator<Item = (usize, Awaited)> + '_ {
        let of = |(i, service): (usize, &Service)| {
            let awaited = match service.state {
                State::Starting => Awaited::Start,
                State::BackOff { .. } => Awaited::Restart,
                State::Running { .. } if !service.settled => Awaited::Hooks,
                State::Running { .. } if service.status() == Some(HealthStatus::Starting) => {
                    Awaited::Health
                }
                State::Running { .. } if self.is_to_complete(i) => Awaited::Completion,
                _ => return None,
            };
            Some((i, awaited))
        };
        self.services.iter().enumerate().filter_map(of)
    }

    fn is_to_complete(&self, i: usize) -> bool {
        let waiting = self.services.iter().filter(|it| it.state == State::Waiting);
        let mut wanted = waiting.flat_map(|service| &service.depends_on);
        wanted.any(|it| it.on == i && it.condition == Condition::CompletedSuccessfully)
    }

    pub(super) fn health(&self, i: usize) -> Option<HealthStatus> {
        self.services[i].status()
    }

    /// What the last probes of a service wrote, the latest last.
    pub(super) fn probe_outputs(&self, i: usize) -> Vec<String> {
        let health = self.services[i].health.iter();
        health
            .flat_map(Health::outputs)
            .map(str::to_owned)
            .collect()
    }

    /// How often a service has been started again, or is about to be.
    pub(super) fn restarts(&self, i: usize) -> u64 {
        self.services[i].restarts.total()
    }
}

impl Service {
    fn status(&self) -> Option<HealthStatus> {
        self.health.as_ref().map(Health::status)
    }

    /// The health of its last run is not that of the next.
    fn is_well(&self) -> bool {
        let runs = matches!(self.state, State::Running { .. });
        runs && self.status() == Some(HealthStatus::Healthy)
    }
}

/// What a start waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    Start,
    Hooks,
    Health,
    Completion,
    Restart,
}

impl Awaited {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "to start",
            Self::Hooks => "to run its post_start hooks",
            Self::Health => "to become healthy",
            Self::Completion => "to complete",
            Self::Restart => "to be started again",
        }
    }
}

#[cfg(test)]
mod tests;
