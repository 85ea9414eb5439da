//! containerd, the shim and the pause container die, hang and come back.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{SLEEPS, WAITS};
use crate::lab::Lab;
use crate::lab::pod::Pod;
use crate::lab::task::Task;
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        killed_and_back_it_changes_nothing,
        an_exit_while_it_is_down_is_told,
        an_exit_while_it_is_down_for_long_is_told,
        gone_for_too_long_it_ends_the_pod,
        a_kill_while_it_is_frozen,
        a_dead_shim_is_named,
        a_dead_pause_container_is_named,
        a_container_killed_by_hand,
    ]
    .into()
}

/// Those of a pod's processes that stay: its sleeps come and go.
pub(super) fn lasting(pod: &Pod) -> BTreeSet<i32> {
    let processes = pod.processes().into_iter();
    processes
        .filter(|it| it.command.first().is_some_and(|word| word != "sleep"))
        .map(|it| it.pid)
        .collect()
}

/// The process of a part of the pod: `shim`, `pause`.
pub(super) fn part(pod: &Pod, leaf: &str) -> Pid {
    let processes = pod.processes();
    let found = processes.iter().find(|process| process.leaf == leaf);
    Pid::from_raw(found.expect("the pod has one").pid)
}

fn killed_and_back_it_changes_nothing(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let before = lasting(&pod);
    lab.containerd().kill();
    assert_eq!(lasting(&pod), before);
    lab.containerd().start_again();
    assert_eq!(lasting(&pod), before);
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(!end.message().contains("SIGKILL"), "{}", end.message());
    run.until_gone();
    assert_eq!(
        run.states(),
        ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
    );
}

fn an_exit_while_it_is_down_is_told(lab: &Lab) {
    ends_while_it_is_down(lab, Duration::ZERO);
}

/// Longer than a shim tries to tell, which nobody can see: five times within 15 seconds.
fn an_exit_while_it_is_down_for_long_is_told(lab: &Lab) {
    ends_while_it_is_down(lab, Duration::from_secs(16));
}

fn ends_while_it_is_down(lab: &Lab, still: Duration) {
    let mut run = Task::app(lab, WAITS).folder("share").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    lab.containerd().kill();
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    wait::until("the end of the service", PATIENCE, || {
        pod.service("one").is_empty().then_some(())
    });
    thread::sleep(still);
    lab.containerd().start_again();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(end.message().contains("exit=5"), "{}", end.message());
    run.until_gone();
}

fn gone_for_too_long_it_ends_the_pod(lab: &Lab) {
    let config = lab.fixture().join("config.toml");
    fs::write(&config, "[containerd]\nlost_after_seconds = 1\n").expect("it can be written");
    let options = lab.options().join(" ").replace(
        &lab.config().display().to_string(),
        &config.display().to_string(),
    );
    let task = Task::app(lab, SLEEPS).executor(&format!("exec ./compose-executor {options}"));
    let mut run = task.launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    lab.containerd().kill();
    pod.until_dead();
    let end = run.until_end();
    lab.containerd().start_again();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_FAILED", "SOURCE_EXECUTOR")
    );
    assert!(end.message().starts_with("CE-RUNTIME"), "{}", end.message());
    run.until_gone();
    // What only containerd could take away is cleanup's.
    lab.cleanup();
}

fn a_kill_while_it_is_frozen(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let daemon = lab.containerd().pid().expect("it runs");
    kill(daemon, Signal::SIGSTOP).expect("it is our child");
    run.kill();
    // By its cgroups, where containerd does not do it.
    let ended = wait::within(2 * PATIENCE, || {
        let services = pod.processes().into_iter();
        (services.filter(|it| it.leaf != "shim").count() == 0).then_some(())
    });
    kill(daemon, Signal::SIGCONT).expect("it is our child");
    assert!(ended.is_some(), "the services outlive the kill");
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    lab.cleanup();
}

fn a_dead_shim_is_named(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    kill(part(&pod, "shim"), Signal::SIGKILL).expect("it lives");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    let message = end.message();
    assert!(message.starts_with("CE-SHIM"), "{message}");
    assert!(end.data()["service"].is_null(), "no service is to blame");
    pod.until_dead();
    run.until_gone();
    lab.cleanup();
}

fn a_dead_pause_container_is_named(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    kill(part(&pod, "pause"), Signal::SIGKILL).expect("it lives");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(end.message().starts_with("CE-INFRA"), "{}", end.message());
    assert!(end.message().contains("pause"), "{}", end.message());
    assert!(end.data()["service"].is_null(), "no service is to blame");
    run.until_gone();
}

fn a_container_killed_by_hand(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let ctr = |words: &[&str]| lab.containerd().ctr("compose-executor", words);
    let tasks = ctr(&["tasks", "list", "-q"]).expect("containerd answers");
    let two = tasks.lines().find(|id| {
        let service = id.rsplit_once('.').map(|(_, service)| service);
        service == Some("two")
    });
    let two = two.expect("the service has a task");
    ctr(&["tasks", "kill", "--signal", "SIGKILL", two]).expect("it runs");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    for word in ["\"two\"", "signal=SIGKILL"] {
        assert!(end.message().contains(word), "{}", end.message());
    }
    assert_ne!(end.reason(), "REASON_CONTAINER_LIMITATION_MEMORY");
    run.until_gone();
}
