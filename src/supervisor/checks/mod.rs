//! Checks that a framework wants of a task: by a command in its main container, by HTTP or by TCP in
//! the pod's network. They begin when the pod runs.

pub(super) mod http;
mod location;
pub(super) mod probe;
mod timing;

use std::time::Duration;

use tokio::time::Instant;

pub(super) use timing::After;
use timing::{HealthWatch, Watch};

/// Both kinds, as a task may have one of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChecksPlan {
    /// Its failures end the pod.
    pub health: Option<HealthPlan>,
    /// Its results are only told.
    pub info: Option<CheckPlan>,
}

/// What is tried, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckPlan {
    pub try_by: TryBy,
    /// Before the first.
    pub delay: Duration,
    /// From the end of one to the next.
    pub interval: Duration,
    /// None: one may take for ever.
    pub timeout: Option<Duration>,
}

/// A check whose failures end the pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthPlan {
    pub check: CheckPlan,
    /// Failures within it, before the first success, don't count.
    pub grace: Duration,
    /// So many in a row end the pod.
    pub consecutive_failures: u32,
}

/// How it is tried. Ports are those that the containers listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TryBy {
    /// A program in the main container, with more variables than the container's own.
    Command {
        args: Vec<String>,
        environment: Vec<(String, String)>,
    },
    Http(HttpGet),
    Tcp {
        port: u16,
        family: Family,
    },
}

/// What is asked for over HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpGet {
    pub scheme: Scheme,
    pub port: u16,
    /// Without control characters and blanks.
    pub path: String,
    pub family: Family,
}

/// How an HTTP check speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Http,
    /// Whatever certificate is shown will do: it is of a name, and an address is asked.
    Https,
}

/// Which loopback address is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Ipv4,
    Ipv6,
}

/// A result; none within where there was none in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The exit code.
    Command(Option<i32>),
    /// The status code.
    Http(Option<u16>),
    /// Whether it connected.
    Tcp(Option<bool>),
}

impl CheckResult {
    /// As Mesos understands health: exit code 0, status 200 to 399, a connection.
    pub(super) fn is_success(self) -> bool {
        match self {
            Self::Command(code) => code == Some(0),
            Self::Http(code) => code.is_some_and(|code| (200..400).contains(&code)),
            Self::Tcp(connected) => connected == Some(true),
        }
    }
}

/// One of a task's two checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    Health,
    Info,
}

/// The checks of a pod that runs.
#[derive(Clone, Debug)]
pub(super) struct Checks {
    plan: ChecksPlan,
    health: Option<HealthWatch>,
    info: Option<Watch>,
    /// What was told of the second kind.
    told: Option<CheckResult>,
}

impl Checks {
    pub(super) fn new(plan: ChecksPlan) -> Self {
        Self {
            plan,
            health: None,
            info: None,
            told: None,
        }
    }

    /// Whether the task's health is theirs to tell.
    pub(super) fn tell_health(&self) -> bool {
        self.plan.health.is_some()
    }

    /// The pod runs: delays and grace count from now.
    pub(super) fn begin(&mut self, now: Instant) {
        self.health = self
            .plan
            .health
            .as_ref()
            .map(|plan| HealthWatch::new(plan, now));
        self.info = self.plan.info.as_ref().map(|plan| Watch::new(plan, now));
    }

    /// Those that are due, which then count as begun.
    pub(super) fn due(&mut self, now: Instant) -> Vec<(Which, CheckPlan)> {
        let health = self.health.as_mut();
        let health = health.is_some_and(|watch| watch.watch.take_due(now));
        let info = self.info.as_mut();
        let info = info.is_some_and(|watch| watch.take_due(now));
        let health = self.plan.health.iter().filter(|_| health);
        let info = self.plan.info.iter().filter(|_| info);
        let health = health.map(|plan| (Which::Health, plan.check.clone()));
        let info = info.map(|plan| (Which::Info, plan.clone()));
        health.chain(info).collect()
    }

    pub(super) fn next(&self) -> Option<Instant> {
        let health = self.health.as_ref().and_then(|watch| watch.watch.next());
        let info = self.info.as_ref().and_then(Watch::next);
        health.into_iter().chain(info).min()
    }

    /// Takes in a result of the first kind.
    pub(super) fn health(&mut self, success: bool, now: Instant) -> After {
        match &mut self.health {
            Some(watch) => watch.result(success, now),
            None => After::Nothing,
        }
    }

    /// Takes in a result of the second kind; true when it is another than before.
    pub(super) fn info(&mut self, result: CheckResult, now: Instant) -> bool {
        if let Some(watch) = &mut self.info {
            watch.done(now);
        }
        let new = self.told != Some(result);
        self.told = Some(result);
        new
    }
}
