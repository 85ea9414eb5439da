//! A task's `max_completion_time`: the pod is over by then, its stop included.

use crate::lab::Lab;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_task_that_takes_too_long_is_asked_to_stop_and_fails,
        without_a_kill_policy_there_is_no_grace,
        a_task_that_is_done_in_time_finishes,
    ]
    .into()
}

/// The order to stop comes two seconds before the end, as the kill policy has it.
fn a_task_that_takes_too_long_is_asked_to_stop_and_fails(lab: &Lab) {
    let services = r#"
  polite:
    image: app:1
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
  stubborn:
    image: app:1
    stop_grace_period: 10m
    command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]
"#;
    let limit = r#"{"max_completion_time": {"nanoseconds": 5000000000},
        "kill_policy": {"grace_period": {"nanoseconds": 2000000000}}}"#;
    let mut run = Task::app(lab, services)
        .option("--merge-task", limit)
        .launch();
    run.until_state("TASK_RUNNING");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert_eq!(end.reason(), "REASON_MAX_COMPLETION_TIME_REACHED");
    assert_eq!(end.source(), "SOURCE_EXECUTOR");
    for words in ["CE-TIMEOUT", "max_completion_time", "SIGKILL: stubborn"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
    assert_eq!(end.data()["code"], "CE-TIMEOUT");
    run.until_gone();
    assert!(run.stdout().contains("polite   | bye"), "{}", run.stdout());
    let ends = run.updates();
    assert_eq!(ends.iter().filter(|it| it.is_terminal()).count(), 1);
}

/// As with Mesos' own executors.
fn without_a_kill_policy_there_is_no_grace(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    stop_grace_period: 10m
    command: [sh, -c, "trap '' TERM; while :; do sleep 0.1; done"]
"#;
    let limit = r#"{"max_completion_time": {"nanoseconds": 3000000000}}"#;
    let mut run = Task::app(lab, services)
        .option("--merge-task", limit)
        .launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert_eq!(end.reason(), "REASON_MAX_COMPLETION_TIME_REACHED");
    run.until_gone();
}

fn a_task_that_is_done_in_time_finishes(lab: &Lab) {
    let services = "  job:\n    image: app:1\n    command: [echo, done]\n";
    let limit = r#"{"max_completion_time": {"nanoseconds": 3600000000000}}"#;
    let mut run = Task::app(lab, services)
        .option("--merge-task", limit)
        .launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
}
