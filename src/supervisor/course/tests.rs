//! The course of a pod: start order, health, restarts and the end, by news and time alone.

use super::*;
use crate::pod::life::{RestartPlan, RestartWhen};

const SECOND: Duration = Duration::from_secs(1);

fn on(on: usize, condition: Condition) -> DependencyPlan {
    DependencyPlan {
        on,
        condition,
        required: true,
    }
}

fn life(depends_on: Vec<DependencyPlan>) -> LifePlan {
    LifePlan {
        depends_on,
        ..LifePlan::default()
    }
}

const PROBED: Option<Timing> = Some(Timing {
    interval: SECOND,
    start_period: Duration::ZERO,
    start_interval: SECOND,
    retries: 1,
});

fn course(services: &[(LifePlan, Option<Timing>)]) -> Course {
    let services = services.iter().map(|(life, timing)| (life, *timing));
    made(Course::new(services, None, RunningMeans::Healthy))
}

/// All containers are there.
pub(super) fn made(mut course: Course) -> Course {
    (0..course.services.len()).for_each(|i| course.made(i));
    course
}

/// Has a service start, hooks and all.
fn start(course: &mut Course, i: usize, now: Instant) {
    course.started(i, now);
    course.settled(i);
}

fn probe(course: &mut Course, success: bool) -> usize {
    let at = course.next().expect("a probe is to come");
    let probing = course
        .due(at)
        .into_iter()
        .find_map(|action| match action {
            Action::Probe(probing) => Some(probing),
            _ => None,
        })
        .expect("it is due");
    let output = "said".to_owned();
    course.probed(probing, Some(ProbeResult { success, output }), at);
    probing.service
}

use Condition::{CompletedSuccessfully, Healthy, Started};

#[test]
fn a_service_starts_when_it_is_made_whatever_others_are() {
    let now = Instant::now();
    let lives = [life(vec![on(1, Started)]), life(vec![]), life(vec![])];
    let services = lives.iter().map(|life| (life, None));
    let mut course = Course::new(services, None, RunningMeans::Healthy);
    assert_eq!(course.due(now), []);
    course.made(0);
    assert_eq!(course.due(now), []);
    course.made(1);
    assert_eq!(course.due(now), [Action::Start(1)]);
    start(&mut course, 1, now);
    assert_eq!(course.due(now), [Action::Start(0)]);
    start(&mut course, 0, now);
    assert!(course.is_waiting(2) && !course.take_running());
    course.made(2);
    assert_eq!(course.due(now), [Action::Start(2)]);
}

#[test]
fn what_can_never_be_met_is_told_before_anything_is_made() {
    let lives = [life(vec![]), life(vec![on(0, Healthy)])];
    let services = lives.iter().map(|life| (life, None));
    let course = Course::new(services, None, RunningMeans::Healthy);
    let why = Unmet::NoHealthcheck;
    let unmet = Verdict::DependencyUnmet {
        service: 1,
        on: 0,
        why,
    };
    assert_eq!(course.verdict(), Some(unmet));
}

#[test]
fn a_service_starts_as_soon_as_its_own_dependencies_are_met() {
    let now = Instant::now();
    let mut course = course(&[
        (life(vec![]), None),
        (life(vec![]), None),
        (life(vec![on(0, Started)]), None),
        (life(vec![on(1, Started), on(2, Started)]), None),
    ]);
    assert_eq!(course.due(now), [Action::Start(0), Action::Start(1)]);
    start(&mut course, 0, now);
    assert_eq!(
        course.due(now),
        [Action::Start(2)],
        "it is not held up by 1"
    );
    start(&mut course, 2, now);
    assert_eq!(course.due(now), []);
    start(&mut course, 1, now);
    assert_eq!(course.due(now), [Action::Start(3)]);
    assert!(!course.take_running());
    start(&mut course, 3, now);
    assert!(course.take_running());
    assert!(!course.take_running(), "it is told once");
}

#[test]
fn hooks_belong_to_the_start() {
    let now = Instant::now();
    let mut course = course(&[(life(vec![]), None), (life(vec![on(0, Started)]), None)]);
    course.due(now);
    course.started(0, now);
    assert_eq!(course.due(now), []);
    course.settled(0);
    assert_eq!(course.due(now), [Action::Start(1)]);
}

#[test]
fn health_is_waited_for() {
    let now = Instant::now();
    let mut course = course(&[(life(vec![]), PROBED), (life(vec![on(0, Healthy)]), None)]);
    course.due(now);
    start(&mut course, 0, now);
    assert_eq!(course.due(now), []);
    let awaited: Vec<_> = course.awaited().collect();
    assert_eq!(awaited, [(0, Awaited::Health)]);
    assert_eq!(probe(&mut course, true), 0);
    assert_eq!(course.due(now), [Action::Start(1)]);
    assert_eq!(course.is_healthy(), Some(true));
}

#[test]
fn a_dependency_that_turns_unhealthy_ends_the_start() {
    let now = Instant::now();
    let mut course = course(&[(life(vec![]), PROBED), (life(vec![on(0, Healthy)]), None)]);
    course.due(now);
    start(&mut course, 0, now);
    probe(&mut course, false);
    let verdict = Verdict::DependencyUnmet {
        service: 1,
        on: 0,
        why: Unmet::Unhealthy,
    };
    assert_eq!(course.verdict(), Some(verdict));
    assert_eq!(course.probe_outputs(0), ["said"]);
}

#[test]
fn health_without_a_check_is_told_before_anything_starts() {
    let course = course(&[(life(vec![]), None), (life(vec![on(0, Healthy)]), None)]);
    let verdict = Verdict::DependencyUnmet {
        service: 1,
        on: 0,
        why: Unmet::NoHealthcheck,
    };
    assert_eq!(course.verdict(), Some(verdict));
}

#[test]
fn completion_is_an_end_with_success() {
    let now = Instant::now();
    let waits = || {
        course(&[
            (life(vec![]), None),
            (life(vec![on(0, CompletedSuccessfully)]), None),
        ])
    };
    let mut good = waits();
    good.due(now);
    start(&mut good, 0, now);
    assert_eq!(good.due(now), []);
    assert_eq!(good.exited(0, true, now), AfterExit::Over);
    assert_eq!(good.due(now), [Action::Start(1)]);
    let mut bad = waits();
    bad.due(now);
    start(&mut bad, 0, now);
    bad.exited(0, false, now);
    let verdict = Verdict::DependencyUnmet {
        service: 1,
        on: 0,
        why: Unmet::Failed,
    };
    assert_eq!(bad.verdict(), Some(verdict));
}

#[test]
fn what_is_not_required_is_waited_for_but_no_condition() {
    let now = Instant::now();
    let optional = DependencyPlan {
        required: false,
        ..on(0, Healthy)
    };
    let mut course = course(&[(life(vec![]), PROBED), (life(vec![optional]), None)]);
    course.running_means = RunningMeans::Started;
    course.due(now);
    start(&mut course, 0, now);
    assert_eq!(course.due(now), []);
    probe(&mut course, false);
    assert_eq!(course.verdict(), None);
    assert_eq!(course.due(now), [Action::Start(1)]);
    let unmet: Vec<_> = course.unmet(1, false).collect();
    assert_eq!(unmet, [(0, Unmet::Unhealthy)]);
}

#[test]
fn the_first_lasting_failure_decides_and_a_restart_is_none() {
    let now = Instant::now();
    let again = LifePlan {
        restart: RestartPlan {
            when: RestartWhen::OnFailure,
            max_attempts: Some(1),
            ..RestartPlan::default()
        },
        ..LifePlan::default()
    };
    let mut course = course(&[(again, None), (life(vec![]), None)]);
    course.due(now);
    start(&mut course, 0, now);
    start(&mut course, 1, now);
    let delay = Duration::from_millis(100);
    let after = AfterExit::Again { restart: 1, delay };
    assert_eq!(course.exited(0, false, now), after);
    assert_eq!(course.verdict(), None);
    assert_eq!(course.next(), Some(now + delay));
    assert_eq!(course.due(now), []);
    assert_eq!(course.due(now + delay), [Action::StartAgain(0)]);
    course.started(0, now + delay);
    assert_eq!(course.exited(0, false, now + SECOND), AfterExit::Over);
    course.exited(1, false, now + SECOND);
    assert_eq!(course.verdict(), Some(Verdict::Failed(0)));
    assert_eq!(course.restarts(0), 1);
}

#[test]
fn the_main_service_decides_alone() {
    let now = Instant::now();
    let services = [life(vec![]), life(vec![])];
    let services = services.iter().map(|life| (life, None));
    let mut course = made(Course::new(services, Some(1), RunningMeans::Healthy));
    course.due(now);
    course.exited(0, false, now);
    assert_eq!(course.verdict(), None);
    course.exited(1, true, now);
    assert_eq!(course.verdict(), Some(Verdict::Finished));
}

#[test]
fn an_end_that_is_told_before_the_start_counts() {
    let now = Instant::now();
    let mut course = course(&[(life(vec![]), PROBED)]);
    course.due(now);
    course.exited(0, true, now);
    start(&mut course, 0, now);
    assert_eq!(course.next(), None, "nothing is probed");
    assert!(course.take_running());
    assert_eq!(course.verdict(), Some(Verdict::Finished));
}

#[test]
fn ill_health_ends_a_start_but_not_a_pod_that_runs() {
    let now = Instant::now();
    let mut early = course(&[(life(vec![]), PROBED)]);
    early.due(now);
    start(&mut early, 0, now);
    let mut late = early.clone();
    probe(&mut early, false);
    assert_eq!(early.verdict(), Some(Verdict::Unhealthy(0)));
    probe(&mut late, true);
    assert!(late.take_running());
    probe(&mut late, false);
    assert_eq!(late.verdict(), None);
    assert_eq!(late.is_healthy(), Some(false));
}

fn always() -> LifePlan {
    LifePlan {
        restart: RestartPlan {
            when: RestartWhen::Always,
            ..RestartPlan::default()
        },
        ..LifePlan::default()
    }
}

#[test]
fn the_health_of_the_run_before_is_nobodys() {
    let now = Instant::now();
    let both = vec![on(0, Healthy), on(1, Started)];
    let mut course = course(&[(always(), PROBED), (life(vec![]), None), (life(both), None)]);
    course.due(now);
    start(&mut course, 0, now);
    probe(&mut course, true);
    assert_eq!(course.is_healthy(), Some(true));
    let crash = now + 2 * SECOND;
    course.exited(0, false, crash);
    assert_eq!(course.is_healthy(), None);
    start(&mut course, 1, crash);
    assert_eq!(course.due(crash), [], "2 has to wait for the next run's");
    course.due(crash + SECOND);
    start(&mut course, 0, crash + SECOND);
    probe(&mut course, true);
    assert_eq!(course.due(crash + 2 * SECOND), [Action::Start(2)]);
    assert_eq!(course.is_healthy(), Some(true));
}

#[test]
fn a_probe_of_the_run_before_does_not_count() {
    let now = Instant::now();
    let mut course = course(&[(always(), PROBED)]);
    course.due(now);
    start(&mut course, 0, now);
    let [Action::Probe(old)] = course.due(now + SECOND)[..] else {
        panic!("a probe is due");
    };
    course.exited(0, false, now + SECOND);
    course.due(now + 2 * SECOND);
    course.started(0, now + 2 * SECOND);
    course.due(now + 3 * SECOND);
    let result = ProbeResult {
        success: true,
        output: String::new(),
    };
    assert_eq!(course.probed(old, Some(result), now + 3 * SECOND), None);
    assert_eq!(course.health(0), Some(HealthStatus::Starting));
}
