//! Whether and when a container that has ended is started again: Docker's rules.

use std::time::Duration;

use crate::pod::life::{RestartPlan, RestartWhen};

/// Docker's backoff: each restart waits twice as long as the one before.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_mins(1);
/// A run of this length has the backoff begin anew.
const LONG_RUN: Duration = Duration::from_secs(10);

/// One service's restarts: those that its policy allows, and those that have been.
#[derive(Clone, Debug)]
pub(super) struct Restarts {
    plan: RestartPlan,
    /// All that have been.
    total: u64,
    /// Those that count against the policy's limit.
    counted: u64,
    delay: Option<Duration>,
}

impl Restarts {
    pub(super) fn new(plan: RestartPlan) -> Self {
        Self {
            plan,
            total: 0,
            counted: 0,
            delay: None,
        }
    }

    /// How many times the service has been started again, or is about to be.
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    /// How long to wait before the next start; none when there is none.
    pub(super) fn after(&mut self, success: bool, run: Duration) -> Option<Duration> {
        if self.plan.window.is_some_and(|window| run >= window) {
            self.counted = 0;
        }
        let wanted = match self.plan.when {
            RestartWhen::Never => false,
            RestartWhen::OnFailure => !success,
            RestartWhen::Always => true,
        };
        let used_up = self
            .plan
            .max_attempts
            .is_some_and(|max| self.counted >= max);
        if !wanted || used_up {
            return None;
        }
        self.total += 1;
        self.counted += 1;
        let delay = self.plan.delay.unwrap_or_else(|| self.backoff(run));
        self.delay = Some(delay);
        Some(delay)
    }

    fn backoff(&self, run: Duration) -> Duration {
        match self.delay {
            Some(last) if run < LONG_RUN => (last * 2).min(LONGEST_DELAY),
            _ => FIRST_DELAY,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CRASH: Duration = Duration::from_millis(5);

    fn restarts(when: RestartWhen, max_attempts: Option<u64>) -> Restarts {
        Restarts::new(RestartPlan {
            when,
            max_attempts,
            ..RestartPlan::default()
        })
    }

    #[test]
    fn delays_double_to_a_minute_and_begin_anew_after_a_long_run() {
        let mut restarts = restarts(RestartWhen::Always, None);
        let millis: Vec<u128> = (0..12)
            .map(|_| restarts.after(false, CRASH).unwrap().as_millis())
            .collect();
        let expected = [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 60_000, 60_000,
        ];
        assert_eq!(millis, expected);
        assert_eq!(restarts.after(false, LONG_RUN), Some(FIRST_DELAY));
        assert_eq!(restarts.after(false, CRASH), Some(FIRST_DELAY * 2));
        assert_eq!(restarts.total(), 14);
    }

    #[test]
    fn on_failure_restarts_failures_alone_and_so_many() {
        let mut restarts = restarts(RestartWhen::OnFailure, Some(2));
        assert!(restarts.after(false, CRASH).is_some());
        assert!(restarts.after(false, CRASH).is_some());
        assert_eq!(restarts.after(false, CRASH), None);
        assert_eq!(restarts.total(), 2);
        assert_eq!(
            self::restarts(RestartWhen::OnFailure, None).after(true, CRASH),
            None
        );
        assert_eq!(
            self::restarts(RestartWhen::Never, None).after(false, CRASH),
            None
        );
    }

    #[test]
    fn always_restarts_a_success_too() {
        assert!(
            restarts(RestartWhen::Always, None)
                .after(true, CRASH)
                .is_some()
        );
    }

    #[test]
    fn a_window_counts_anew_and_a_delay_stays_as_it_is() {
        let mut restarts = Restarts::new(RestartPlan {
            when: RestartWhen::OnFailure,
            max_attempts: Some(1),
            delay: Some(Duration::from_secs(5)),
            window: Some(Duration::from_secs(30)),
        });
        let five = Some(Duration::from_secs(5));
        assert_eq!(restarts.after(false, CRASH), five);
        assert_eq!(restarts.after(false, Duration::from_secs(30)), five);
        assert_eq!(restarts.after(false, CRASH), None);
    }
}
