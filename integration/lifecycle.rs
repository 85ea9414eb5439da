//! What Mesos is told of a task from its launch to its end, and what it may ask for.

use std::fs;
use std::time::Duration;

use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        services_that_exit_with_0_finish_the_task,
        a_service_that_exits_with_3_fails_the_task,
        the_main_service_decides,
        a_kill_ends_services_that_heed_sigterm,
        a_kill_ends_a_service_that_ignores_sigterm,
        a_kill_may_come_more_than_once,
        a_shutdown_ends_the_task,
        a_framework_message_does_no_harm,
    ]
    .into()
}

/// Waits for the file `go` in a folder of the sandbox that the test writes to.
const WAITS: &str = r#"
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "until [ -e /share/go ]; do sleep 0.05; done; echo gone"]
"#;

/// Sleeps until it is told to stop.
const SLEEPS: &str = r#"
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;

fn services_that_exit_with_0_finish_the_task(lab: &Lab) {
    let services = format!("  one:{WAITS}  two:{WAITS}");
    let mut run = Task::app(lab, &services).folder("share").launch();
    let running = run.until_state("TASK_RUNNING");
    assert_eq!(running.source(), "SOURCE_EXECUTOR");
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FINISHED", "{}", end.message());
    run.until_gone();
    assert_eq!(
        run.states(),
        ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]
    );
    let out = run.stdout();
    assert!(
        out.contains("one | gone") && out.contains("two | gone"),
        "{out}"
    );
}

fn a_service_that_exits_with_3_fails_the_task(lab: &Lab) {
    let services = format!(
        r#"
  quiet:{SLEEPS}
  web:
    image: app:1
    command: [sh, -c, "echo first words; echo last words >&2; exit 3"]
"#
    );
    let mut run = Task::app(lab, &services).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    for words in ["web", "exit=3", "last words"] {
        assert!(
            end.message().contains(words),
            "no {words:?} in {:?}",
            end.message()
        );
    }
    assert!(
        end.message().len() <= 1024 && !end.message().contains('\n'),
        "{}",
        end.message()
    );
    let data = end.data();
    assert_eq!(data["schema"], 1, "{data}");
    let text = data.to_string();
    assert!(
        text.contains("web") && text.contains("quiet"),
        "a row for each service: {text}"
    );
    run.until_gone();
    assert_one_end(&mut run, "TASK_FAILED");
}

fn the_main_service_decides(lab: &Lab) {
    let compose = format!(
        "
x-pod: {{images: [./app.tar], main: job}}
services:
  helper:{SLEEPS}
  job:{WAITS}"
    );
    let mut run = Task::app(lab, "")
        .compose(&compose)
        .folder("share")
        .launch();
    run.until_state("TASK_RUNNING");
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
}

fn a_kill_ends_services_that_heed_sigterm(lab: &Lab) {
    let mut run = Task::app(lab, &format!("  one:{SLEEPS}  two:{SLEEPS}")).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(!end.message().contains("SIGKILL"), "{}", end.message());
    // The update comes when every process of the services is dead.
    let services = pod
        .processes()
        .into_iter()
        .filter(|process| process.leaf.starts_with("svc-"));
    assert_eq!(services.count(), 0);
    run.until_gone();
    assert_one_end(&mut run, "TASK_KILLED");
}

fn a_kill_ends_a_service_that_ignores_sigterm(lab: &Lab) {
    let services = r#"
  stubborn:
    image: app:1
    command: [sh, -c, "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("deaf");
    run.kill_within(Duration::from_secs(1));
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(
        end.message().contains("stubborn"),
        "who had to be killed: {}",
        end.message()
    );
    run.until_gone();
    assert_one_end(&mut run, "TASK_KILLED");
}

fn a_kill_may_come_more_than_once(lab: &Lab) {
    let services = r#"
  stubborn:
    image: app:1
    stop_grace_period: 10m
    command: [sh, -c, "trap '' TERM; echo deaf; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("deaf");
    run.kill_within(Duration::from_hours(1));
    run.kill_within(Duration::from_hours(1));
    // A later one that is more urgent is heeded.
    run.kill_within(Duration::from_secs(1));
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    assert_one_end(&mut run, "TASK_KILLED");
}

fn a_shutdown_ends_the_task(lab: &Lab) {
    let task = Task::app(lab, &format!("  one:{SLEEPS}")).shutdown_grace(Duration::from_secs(20));
    let mut run = task.launch();
    run.until_state("TASK_RUNNING");
    run.shutdown();
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_KILLED", "SOURCE_EXECUTOR")
    );
    run.until_gone();
    assert_one_end(&mut run, "TASK_KILLED");
}

fn a_framework_message_does_no_harm(lab: &Lab) {
    let mut run = Task::app(lab, &format!("  one:{SLEEPS}")).launch();
    run.until_state("TASK_RUNNING");
    run.message("good morning");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// Exactly one terminal update was sent, and it has this state.
fn assert_one_end(run: &mut TaskRun<'_>, state: &str) {
    let updates = run.updates();
    let ends: Vec<_> = updates
        .iter()
        .filter(|update| update.is_terminal())
        .collect();
    assert_eq!(ends.len(), 1, "{ends:#?}");
    assert_eq!(ends[0].state(), state);
}
