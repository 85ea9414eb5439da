//! A service's health over time: when it is probed, and what the results make of it, as Docker's
//! engine does (`monitor` and `handleProbeResult` of `daemon/health.go` in moby b985e2313a, August
//! 2026). Only that counts from here on what was started: there it is what began to be made.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use crate::journal::HealthView;

/// How many results are kept.
const KEPT: usize = 5;

/// When a service is probed, and how often it may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timing {
    /// From a start, or from the end of a probe, to the next.
    pub(crate) interval: Duration,
    /// Failures so soon after the start don't count, before the first success.
    pub(crate) start_period: Duration,
    /// The interval for as long as that lasts.
    pub(crate) start_interval: Duration,
    /// So many failures in a row are ill health.
    pub(crate) retries: u32,
}

/// What is known of a service's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthStatus {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthStatus {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        self.view().word()
    }

    /// As others see it.
    pub(crate) fn view(self) -> HealthView {
        match self {
            Self::Starting => HealthView::Starting,
            Self::Healthy => HealthView::Healthy,
            Self::Unhealthy => HealthView::Unhealthy,
        }
    }
}

/// How one probe went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProbeResult {
    pub(crate) success: bool,
    /// What it wrote, or why it could not be run.
    pub(crate) output: String,
}

/// One service's health, from one start to its end.
#[derive(Clone, Debug)]
pub(super) struct Health {
    timing: Timing,
    status: HealthStatus,
    streak: u32,
    started: Instant,
    next: Next,
    results: VecDeque<ProbeResult>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// The container does not run.
    Never,
    At(Instant),
    /// One is under way, since then: there is never a second.
    Probing(Instant),
}

impl Health {
    pub(super) fn new(timing: Timing) -> Self {
        Self {
            timing,
            status: HealthStatus::Starting,
            streak: 0,
            // Nothing is asked of it before the first start.
            started: Instant::now(),
            next: Next::Never,
            results: VecDeque::with_capacity(KEPT),
        }
    }

    pub(super) fn status(&self) -> HealthStatus {
        self.status
    }

    /// The container has been started: its health is unknown again.
    pub(super) fn begin(&mut self, now: Instant) {
        self.started = now;
        self.status = HealthStatus::Starting;
        self.streak = 0;
        self.next = Next::At(now + self.wait(now));
    }

    /// The container has ended. A result that comes later is of no interest.
    pub(super) fn end(&mut self) {
        self.next = Next::Never;
    }

    /// When the next probe is due; none while one is under way.
    pub(super) fn next(&self) -> Option<Instant> {
        match self.next {
            Next::At(at) => Some(at),
            Next::Never | Next::Probing(_) => None,
        }
    }

    /// Whether to probe now. The probe then counts as begun.
    pub(super) fn take_due(&mut self, now: Instant) -> bool {
        let due = self.next().is_some_and(|at| at <= now);
        if due {
            self.next = Next::Probing(now);
        }
        due
    }

    /// Takes in a result; the new status when it has changed. None is a probe that could not be
    /// made for a reason that is not the service's.
    pub(super) fn probed(
        &mut self,
        result: Option<ProbeResult>,
        now: Instant,
    ) -> Option<HealthStatus> {
        let Next::Probing(began) = self.next else {
            return None; // It was for a container that has ended.
        };
        let before = self.status;
        if let Some(result) = result {
            self.judge(result.success, began);
            if self.results.len() == KEPT {
                self.results.pop_front();
            }
            self.results.push_back(result);
        }
        self.next = Next::At(now + self.wait(now));
        (self.status != before).then_some(self.status)
    }

    fn judge(&mut self, success: bool, began: Instant) {
        if success {
            self.streak = 0;
            self.status = HealthStatus::Healthy;
            return;
        }
        let lenient = self.status == HealthStatus::Starting
            && began.saturating_duration_since(self.started) < self.timing.start_period;
        if !lenient {
            self.streak = self.streak.saturating_add(1);
            if self.streak >= self.timing.retries {
                self.status = HealthStatus::Unhealthy;
            }
        }
    }

    fn wait(&self, now: Instant) -> Duration {
        let young = now.saturating_duration_since(self.started) < self.timing.start_period;
        if young && self.status == HealthStatus::Starting {
            self.timing.start_interval
        } else {
            self.timing.interval
        }
    }

    /// What the last probes wrote, the latest last.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &str> {
        self.results.iter().map(|result| result.output.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timing(start_period: u32, retries: u32) -> Timing {
        Timing {
            interval: 30 * SECOND,
            start_period: start_period * SECOND,
            start_interval: 5 * SECOND,
            retries,
        }
    }

    fn result(success: bool) -> ProbeResult {
        ProbeResult {
            success,
            output: "said".to_owned(),
        }
    }

    /// Seconds from the start to each probe, and the status after it.
    fn course(timing: Timing, results: &[bool]) -> Vec<(u64, HealthStatus)> {
        let start = Instant::now();
        let mut health = Health::new(timing);
        health.begin(start);
        let mut told = Vec::new();
        for &success in results {
            let at = health.next().unwrap();
            assert!(!health.take_due(at - Duration::from_millis(1)));
            assert!(health.take_due(at));
            assert!(!health.take_due(at + SECOND), "one at a time");
            health.probed(Some(result(success)), at);
            told.push(((at - start).as_secs(), health.status()));
        }
        told
    }

    use HealthStatus::{Healthy, Starting, Unhealthy};

    #[test]
    fn the_first_probe_comes_after_one_interval() {
        let told = course(timing(0, 3), &[false, false, false, true]);
        let expected = [
            (30, Starting),
            (60, Starting),
            (90, Unhealthy),
            (120, Healthy),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn failures_of_the_start_period_do_not_count_and_come_quicker() {
        let told = course(timing(12, 1), &[false, false, false]);
        assert_eq!(told, [(5, Starting), (10, Starting), (15, Unhealthy)]);
    }

    #[test]
    fn the_first_success_ends_the_start_period() {
        let told = course(timing(60, 2), &[true, false, false]);
        assert_eq!(told, [(5, Healthy), (35, Healthy), (65, Unhealthy)]);
    }

    #[test]
    fn a_success_forgets_the_failures_before_it() {
        let told = course(timing(0, 2), &[false, true, false, true]);
        assert!(told[1..].iter().all(|(_, status)| *status == Healthy));
    }

    #[test]
    fn the_start_period_is_asked_of_a_probes_beginning_and_of_an_intervals() {
        let start = Instant::now();
        let mut health = Health::new(timing(12, 1));
        health.begin(start);
        assert!(health.take_due(start + 5 * SECOND));
        health.probed(Some(result(false)), start + 8 * SECOND);
        assert_eq!(health.next(), Some(start + 13 * SECOND));
        let mut late = health.clone();
        // Begun a moment before the period's end, which is over when the probe is.
        assert!(health.take_due(start + 13 * SECOND));
        health.started = start + 2 * SECOND;
        health.probed(Some(result(false)), start + 14 * SECOND);
        assert_eq!(health.status(), Starting);
        assert_eq!(health.next(), Some(start + 44 * SECOND));
        // The period's end itself is outside.
        late.started = start + SECOND;
        assert!(late.take_due(start + 13 * SECOND));
        late.probed(Some(result(false)), start + 13 * SECOND);
        assert_eq!(late.status(), Unhealthy);
        assert_eq!(late.next(), Some(start + 43 * SECOND));
    }

    #[test]
    fn a_start_period_that_is_shorter_than_its_interval_forgives_nothing() {
        assert_eq!(course(timing(3, 1), &[false]), [(5, Unhealthy)]);
    }

    #[test]
    fn the_start_interval_is_taken_even_where_it_is_the_longer_one() {
        let timing = Timing {
            interval: SECOND,
            ..timing(60, 1)
        };
        let told = course(timing, &[false, true, false, false, true]);
        let expected = [
            (5, Starting),
            (10, Healthy),
            (11, Unhealthy),
            (12, Unhealthy),
            (13, Healthy),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_restart_begins_anew_but_for_what_was_said() {
        let start = Instant::now();
        let mut health = Health::new(timing(12, 2));
        health.begin(start);
        assert!(health.take_due(start + 20 * SECOND));
        health.probed(Some(result(false)), start + 20 * SECOND);
        health.end();
        let again = start + 100 * SECOND;
        health.begin(again);
        assert_eq!(health.next(), Some(again + 5 * SECOND));
        for (second, status) in [(5, Starting), (20, Starting), (60, Unhealthy)] {
            let at = again + second * SECOND;
            assert!(health.take_due(at));
            health.probed(Some(result(false)), at);
            assert_eq!(health.status(), status, "after {second} s");
        }
        assert_eq!(health.outputs().count(), 4);
    }

    #[test]
    fn the_interval_runs_from_the_end_of_a_probe() {
        let start = Instant::now();
        let mut health = Health::new(timing(0, 3));
        health.begin(start);
        assert!(health.take_due(start + 30 * SECOND));
        health.probed(Some(result(true)), start + 47 * SECOND);
        assert_eq!(health.next(), Some(start + 77 * SECOND));
    }

    #[test]
    fn a_probe_that_was_not_made_changes_nothing() {
        let start = Instant::now();
        let mut health = Health::new(timing(0, 1));
        health.begin(start);
        assert!(health.take_due(start + 30 * SECOND));
        assert_eq!(health.probed(None, start + 31 * SECOND), None);
        assert_eq!(health.status(), Starting);
        assert_eq!(health.next(), Some(start + 61 * SECOND));
    }

    #[test]
    fn a_result_of_the_container_before_does_not_count() {
        let start = Instant::now();
        let mut health = Health::new(timing(0, 1));
        health.begin(start);
        assert!(health.take_due(start + 30 * SECOND));
        health.end();
        assert_eq!(
            health.probed(Some(result(false)), start + 31 * SECOND),
            None
        );
        assert_eq!(health.next(), None);
        health.begin(start + 40 * SECOND);
        assert_eq!(health.status(), Starting);
    }

    #[test]
    fn only_the_last_results_are_kept() {
        let start = Instant::now();
        let mut health = Health::new(timing(0, 3));
        health.begin(start);
        for _ in 0..2880 {
            let at = health.next().unwrap();
            assert!(health.take_due(at));
            health.probed(Some(result(false)), at);
        }
        assert_eq!(health.outputs().count(), KEPT);
        assert_eq!(health.results.capacity(), KEPT);
    }
}
