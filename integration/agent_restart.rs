//! The agent dies and comes back: with checkpointing the pod does not notice.

use std::collections::BTreeSet;

use crate::lab::Lab;
use crate::lab::pod::Pod;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_checkpointed_pod_outlives_the_agent,
        what_happened_while_the_agent_was_away_is_told,
        a_pod_without_checkpointing_ends_with_the_agent,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "trap 'exit 0' TERM; until [ -e /share/go ]; do sleep 0.1; done; exit 5"]
"#;

fn pids(pod: &Pod) -> BTreeSet<i32> {
    // Its sleeps come and go.
    let lasting = |command: &[String]| command.first().is_some_and(|word| word != "sleep");
    let processes = pod
        .processes()
        .into_iter()
        .filter(|process| lasting(&process.command));
    processes.map(|process| process.pid).collect()
}

fn a_checkpointed_pod_outlives_the_agent(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).folder("share").checkpoint().launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let before = pids(&pod);
    lab.mesos().restart_agent();
    let after = pids(&pod);
    // A sleep that has not begun yet is one more.
    assert!(after.is_superset(&before), "{before:?}, then {after:?}");
    assert!(run.updates().iter().all(|update| !update.is_terminal()));
    assert_eq!(run.kill_until_end().state(), "TASK_KILLED");
    run.until_gone();
}

fn what_happened_while_the_agent_was_away_is_told(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).folder("share").checkpoint().launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    lab.mesos().kill_agent();
    std::fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    pod.until_dead();
    lab.mesos().restart_agent();
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_FAILED", "SOURCE_EXECUTOR"),
        "{end:?}"
    );
    assert!(end.message().contains("exit=5"), "{}", end.message());
    run.until_gone();
}

fn a_pod_without_checkpointing_ends_with_the_agent(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).folder("share").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    lab.mesos().kill_agent();
    pod.until_dead();
    lab.mesos().restart_agent();
    // The master has told by itself what it could know.
    assert_eq!(run.until_end().source(), "SOURCE_MASTER");
}
