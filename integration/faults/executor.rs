//! The executor is killed, stopped and told to end, at every point of its way.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::SLEEPS;
use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::oracle::{self, Oracle};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        killed_before_it_subscribes,
        killed_at_each_step_of_a_launch,
        killed_after_the_last_word,
        sigterm_while_the_pod_runs,
        sigterm_while_the_pod_starts,
        sigterm_twice_waits_for_no_grace,
        frozen_and_thawed,
    ]
    .into()
}

fn signal(run: &mut TaskRun<'_>, signal: Signal) {
    kill(Pid::from_raw(run.executor().pid), signal).expect("the executor lives");
}

fn assert_one_end(run: &mut TaskRun<'_>) {
    let updates = run.updates();
    let ends: Vec<_> = updates.iter().filter(|it| it.is_terminal()).collect();
    assert_eq!(ends.len(), 1, "{ends:#?}");
}

fn killed_before_it_subscribes(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).executor("kill -9 $$").launch();
    let end = run.until_end();
    assert_eq!((end.state(), end.source()), ("TASK_FAILED", "SOURCE_AGENT"));
    run.until_gone();
}

/// The journal has each step before it is done, so that a crash at any leaves what cleanup finds.
fn killed_at_each_step_of_a_launch(lab: &Lab) {
    for step in ["lease", "cgroup", "netns", "snapshot", "container"] {
        let oracle = Oracle::over(lab);
        let before = oracle.look();
        let mut run = Task::app(lab, SLEEPS).launch();
        run.until_state("TASK_STARTING");
        let executor = Pid::from_raw(run.executor().pid);
        let line = format!("\"step\":\"{step}\"");
        wait::until(step, PATIENCE, || {
            let pods = fs::read_dir(lab.root().join("pods")).ok()?;
            let mut journals = pods.flatten().map(|pod| pod.path().join("journal"));
            journals
                .any(|journal| fs::read_to_string(journal).is_ok_and(|text| text.contains(&line)))
                .then_some(())
        });
        kill(executor, Signal::SIGKILL).expect("the executor lives");
        let end = run.until_end();
        assert_eq!(
            (end.state(), end.reason()),
            ("TASK_FAILED", "REASON_EXECUTOR_TERMINATED")
        );
        run.until_gone();
        assert_one_end(&mut run);
        lab.cleanup();
        let left = oracle.left_since(&before, Duration::from_secs(15));
        assert!(
            left.is_empty(),
            "left after a crash at {step}:\n{}",
            oracle::report(&left)
        );
    }
}

fn killed_after_the_last_word(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let executor = Pid::from_raw(run.executor().pid);
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    // It may have ended by itself; else this is in the middle of the teardown.
    let _ = kill(executor, Signal::SIGKILL);
    run.until_gone();
    assert_one_end(&mut run);
    lab.cleanup();
}

fn sigterm_while_the_pod_runs(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    signal(&mut run, Signal::SIGTERM);
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(end.message().contains("signal"), "{}", end.message());
    run.until_gone();
    assert_one_end(&mut run);
}

fn sigterm_while_the_pod_starts(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_STARTING");
    signal(&mut run, Signal::SIGTERM);
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
    assert_one_end(&mut run);
}

fn sigterm_twice_waits_for_no_grace(lab: &Lab) {
    let services = r#"
  stubborn:
    image: app:1
    stop_grace_period: 10m
    command: [sh, -c, "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("deaf");
    signal(&mut run, Signal::SIGTERM);
    wait::until("the first signal", PATIENCE, || {
        run.read("executor.log")
            .contains("told to end by a signal")
            .then_some(())
    });
    signal(&mut run, Signal::SIGTERM);
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(end.message().contains("stubborn"), "{}", end.message());
    run.until_gone();
    assert_one_end(&mut run);
}

fn frozen_and_thawed(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    signal(&mut run, Signal::SIGSTOP);
    run.kill();
    let pod = run.pod();
    assert!(!pod.processes().is_empty(), "nobody ends it meanwhile");
    signal(&mut run, Signal::SIGCONT);
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    assert_one_end(&mut run);
}
