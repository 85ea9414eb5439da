//! Several tasks in one executor: each a pod of its own; a `LAUNCH_GROUP` all or nothing.

use std::collections::BTreeSet;
use std::fs;

use crate::lab::Lab;
use crate::lab::pod::Pod;
use crate::lab::task::{Task, TaskRun, Update};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        each_task_is_a_pod_of_its_own,
        a_task_that_fails_leaves_the_others_alone,
        tasks_share_a_sandbox_but_no_volume,
        a_group_runs_as_one_and_is_killed_as_one,
        a_group_ends_when_one_of_it_fails,
        none_of_a_group_runs_when_one_is_refused,
        a_group_is_killed_before_it_runs,
    ]
    .into()
}

/// Sleeps until it is told to stop; `t-1` ends with 3 when the test says go.
const SERVICES: &str = r#"
  web:
    image: app:1
    volumes: [./share:/share]
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        echo up
        until [ $MESOS_TASK_ID = t-1 -a -e /share/go ]; do sleep 0.1; done
        exit 3
  side:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;

fn launch<'lab>(task: Task<'lab>, ids: &[&str]) -> TaskRun<'lab> {
    let mut run = task.folder("share").id("t").launch();
    for id in ids {
        run.until_task(id, "TASK_RUNNING");
    }
    run
}

fn services() -> String {
    // `$` is the loader's in a Compose file.
    SERVICES.replace('$', "$$")
}

/// What ends `t-1`.
fn go(run: &TaskRun<'_>) {
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
}

/// Every task has had one terminal update.
fn assert_each_ended_once(run: &mut TaskRun<'_>, ids: &[&str]) {
    let updates = run.updates();
    let mut ended: Vec<&str> = updates
        .iter()
        .filter(|update| update.is_terminal())
        .map(Update::task)
        .collect();
    ended.sort_unstable();
    assert_eq!(ended, ids);
}

fn each_task_is_a_pod_of_its_own(lab: &Lab) {
    let mut run = launch(Task::app(lab, &services()).count(2), &["t-0", "t-1"]);
    let pods = run.pods();
    let ids: BTreeSet<&str> = pods.iter().map(Pod::id).collect();
    assert_eq!(ids.len(), 2, "{pods:?}");
    let namespaces: BTreeSet<_> = pods
        .iter()
        .map(|pod| pod.service("web")[0].namespace("net"))
        .collect();
    assert_eq!(namespaces.len(), 2, "each has a network of its own");

    run.kill_task("t-0");
    run.until_task("t-0", "TASK_KILLED");
    let alive: Vec<_> = pods
        .iter()
        .filter(|pod| !pod.service("web").is_empty())
        .collect();
    assert_eq!(alive.len(), 1, "{alive:?}");
    run.kill_task("t-1");
    run.until_task("t-1", "TASK_KILLED");
    run.until_gone();
    assert_each_ended_once(&mut run, &["t-0", "t-1"]);
    // The first was alone when it came.
    let out = run.stdout();
    assert!(out.contains("t-1/web  | up"), "{out}");
}

fn a_task_that_fails_leaves_the_others_alone(lab: &Lab) {
    let mut run = launch(Task::app(lab, &services()).count(3), &["t-0", "t-1", "t-2"]);
    go(&run);
    let end = run.until_task("t-1", "TASK_FAILED");
    assert!(end.message().contains("exit=3"), "{}", end.message());
    let alive = run.pods().len();
    run.kill_task("t-0");
    run.until_task("t-0", "TASK_KILLED");
    run.kill_task("t-2");
    run.until_task("t-2", "TASK_KILLED");
    assert!(alive >= 2, "the other pods went on");
    run.until_gone();
    assert_each_ended_once(&mut run, &["t-0", "t-1", "t-2"]);
}

fn tasks_share_a_sandbox_but_no_volume(lab: &Lab) {
    let compose = r#"
x-pod: {images: [./app.tar]}
services:
  web:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "test ! -e /data/mine && touch /data/mine && sleep 1"]
volumes:
  data: {}
"#;
    let mut run = Task::app(lab, "")
        .compose(compose)
        .count(2)
        .id("t")
        .launch();
    run.until_task("t-0", "TASK_FINISHED");
    run.until_task("t-1", "TASK_FINISHED");
    run.until_gone();
}

fn a_group_runs_as_one_and_is_killed_as_one(lab: &Lab) {
    let mut run = launch(Task::app(lab, &services()).group(2), &["t-0", "t-1"]);
    assert_eq!(run.pods().len(), 2);
    run.kill_task("t-1");
    run.until_task("t-1", "TASK_KILLED");
    let other = run.until_task("t-0", "TASK_KILLED");
    assert!(other.message().contains("group"), "{}", other.message());
    run.until_gone();
    assert_each_ended_once(&mut run, &["t-0", "t-1"]);
}

fn a_group_ends_when_one_of_it_fails(lab: &Lab) {
    let mut run = launch(Task::app(lab, &services()).group(2), &["t-0", "t-1"]);
    go(&run);
    run.until_task("t-1", "TASK_FAILED");
    let other = run.until_task("t-0", "TASK_KILLED");
    assert!(other.message().contains("group"), "{}", other.message());
    run.until_gone();
    assert_each_ended_once(&mut run, &["t-0", "t-1"]);
}

fn none_of_a_group_runs_when_one_is_refused(lab: &Lab) {
    let services = "
  web:
    image: app:1
    env_file: ./${MESOS_TASK_ID}.env
    command: [sleep, '1000']
";
    let task = Task::app(lab, services)
        .file("t-0.env", "A=1\n")
        .file("t-2.env", "A=1\n");
    let mut run = task.group(3).id("t").launch();
    let refused = run.until_task("t-1", "TASK_FAILED");
    assert_eq!(refused.reason(), "REASON_TASK_INVALID");
    assert!(
        refused.message().contains("t-1.env"),
        "{}",
        refused.message()
    );
    for id in ["t-0", "t-2"] {
        let other = run.until_task(id, "TASK_FAILED");
        assert_eq!(other.reason(), "REASON_TASK_GROUP_INVALID");
        assert!(other.message().contains("\"t-1\""), "{}", other.message());
    }
    run.until_gone();
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
    assert_each_ended_once(&mut run, &["t-0", "t-1", "t-2"]);
}

fn a_group_is_killed_before_it_runs(lab: &Lab) {
    let mut run = Task::app(lab, &services())
        .folder("share")
        .group(2)
        .id("t")
        .launch();
    run.until_state("TASK_STARTING");
    run.kill_task("t-0");
    run.until_task("t-0", "TASK_KILLED");
    run.until_task("t-1", "TASK_KILLED");
    run.until_gone();
    assert_each_ended_once(&mut run, &["t-0", "t-1"]);
}
