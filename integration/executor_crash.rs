//! The executor is killed with SIGKILL: Mesos kills the pod, and `cleanup` removes what is left.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lab::Lab;
use crate::lab::task::Task;
use crate::oracle::{self, Oracle};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos: one_cleanup_later_nothing_is_left, the_next_executor_cleans_up].into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sleep, "1000"]
  two:
    image: app:1
    command: [sleep, "1000"]
"#;

fn one_cleanup_later_nothing_is_left(lab: &Lab) {
    let mut bystander = Task::app(lab, SLEEPS).launch();
    bystander.until_state("TASK_RUNNING");
    let pids = |pod: &crate::lab::pod::Pod| -> BTreeSet<i32> {
        pod.processes().iter().map(|process| process.pid).collect()
    };
    let untouched = pids(&bystander.pod());
    let oracle = Oracle::over(lab);
    let before = oracle.look();

    crash(lab);
    lab.cleanup();
    let left = oracle.left_since(&before, Duration::from_secs(15));
    assert!(
        left.is_empty(),
        "left after cleanup:\n{}",
        oracle::report(&left)
    );
    assert_eq!(
        pids(&bystander.pod()),
        untouched,
        "the pod beside it was not touched"
    );

    bystander.kill();
    assert_eq!(bystander.until_end().state(), "TASK_KILLED");
    bystander.until_gone();
}

/// Nobody has to call it: the next executor on the host does.
fn the_next_executor_cleans_up(lab: &Lab) {
    let oracle = Oracle::over(lab);
    let before = oracle.look();
    crash(lab);
    let mut next = Task::app(lab, SLEEPS).launch();
    next.until_state("TASK_RUNNING");
    next.kill();
    assert_eq!(next.until_end().state(), "TASK_KILLED");
    next.until_gone();
    drop(next);
    let left = oracle.left_since(&before, Duration::from_secs(30));
    assert!(
        left.is_empty(),
        "left after the next executor:\n{}",
        oracle::report(&left)
    );
}

/// Runs a pod, kills its executor, and waits until Mesos has killed the pod.
fn crash(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    kill(Pid::from_raw(run.executor().pid), Signal::SIGKILL).expect("it runs");
    let end = run.until_end();
    assert_eq!((end.state(), end.source()), ("TASK_FAILED", "SOURCE_AGENT"));
    assert_eq!(end.reason(), "REASON_EXECUTOR_TERMINATED");
    pod.until_dead();
    run.until_gone();
}
