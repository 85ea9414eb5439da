//! When a check is tried, and what its results lead to: as Mesos' own executors do.

use std::time::Duration;

use tokio::time::Instant;

use super::{CheckPlan, HealthPlan};

/// When a check is tried: after a delay, then an interval after the end of the one before.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    interval: Duration,
    /// None while one is under way.
    next: Option<Instant>,
}

impl Watch {
    pub(super) fn new(plan: &CheckPlan, now: Instant) -> Self {
        Self {
            interval: plan.interval,
            next: Some(now + plan.delay),
        }
    }

    pub(super) fn next(&self) -> Option<Instant> {
        self.next
    }

    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next.is_some_and(|next| next <= now);
        if due {
            self.next = None;
        }
        due
    }

    pub(super) fn done(&mut self, now: Instant) {
        self.next = Some(now + self.interval);
    }
}

/// A check whose failures end the pod.
#[derive(Clone, Debug)]
pub(super) struct HealthWatch {
    pub(super) watch: Watch,
    lenient_until: Instant,
    limit: u32,
    failures: u32,
    succeeded: bool,
}

/// What follows from a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::supervisor) enum After {
    Nothing,
    Healthy,
    Unhealthy,
    /// Too many in a row.
    Over,
}

impl HealthWatch {
    pub(super) fn new(plan: &HealthPlan, now: Instant) -> Self {
        Self {
            watch: Watch::new(&plan.check, now),
            lenient_until: now + plan.grace,
            limit: plan.consecutive_failures,
            failures: 0,
            succeeded: false,
        }
    }

    /// Each failure that counts is told, and the first success, and the first after failures.
    pub(super) fn result(&mut self, success: bool, now: Instant) -> After {
        self.watch.done(now);
        if success {
            let news = !self.succeeded || self.failures > 0;
            self.succeeded = true;
            self.failures = 0;
            return if news { After::Healthy } else { After::Nothing };
        }
        if !self.succeeded && now <= self.lenient_until {
            return After::Nothing;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= self.limit {
            After::Over
        } else {
            After::Unhealthy
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Family, TryBy};
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn watch(now: Instant) -> HealthWatch {
        let plan = HealthPlan {
            check: CheckPlan {
                try_by: TryBy::Tcp {
                    port: 80,
                    family: Family::Ipv4,
                },
                delay: 15 * SECOND,
                interval: 10 * SECOND,
                timeout: None,
            },
            grace: 30 * SECOND,
            consecutive_failures: 2,
        };
        HealthWatch::new(&plan, now)
    }

    #[test]
    fn it_is_tried_after_a_delay_and_then_after_each_end() {
        let now = Instant::now();
        let mut watch = watch(now).watch;
        assert!(!watch.take_due(now + 14 * SECOND));
        assert!(watch.take_due(now + 15 * SECOND));
        assert_eq!(watch.next(), None, "one at a time");
        watch.done(now + 20 * SECOND);
        assert_eq!(watch.next(), Some(now + 30 * SECOND));
    }

    #[test]
    fn failures_of_the_grace_period_do_not_count_before_the_first_success() {
        let now = Instant::now();
        let mut late = watch(now);
        assert_eq!(late.result(false, now + 30 * SECOND), After::Nothing);
        assert_eq!(late.result(false, now + 31 * SECOND), After::Unhealthy);
        assert_eq!(late.result(false, now + 32 * SECOND), After::Over);
        let mut early = watch(now);
        assert_eq!(early.result(true, now + SECOND), After::Healthy);
        assert_eq!(early.result(false, now + 2 * SECOND), After::Unhealthy);
    }

    #[test]
    fn a_success_is_told_when_it_is_news() {
        let now = Instant::now();
        let mut watch = watch(now);
        let told = [true, true, false, true, false, true].map(|it| watch.result(it, now));
        let expected = [
            After::Healthy,
            After::Nothing,
            After::Unhealthy,
            After::Healthy,
            After::Unhealthy,
            After::Healthy,
        ];
        assert_eq!(told, expected);
    }
}
