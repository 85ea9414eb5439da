//! Containers that misbehave, and what they do to their pod and to others.

use std::fs;

use super::SLEEPS;
use crate::app;
use crate::lab::Lab;
use crate::lab::pod::Pod;
use crate::lab::task::Task;
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_child_out_of_memory_fails_nobody,
        a_fork_bomb_is_contained,
        zombies_are_reaped,
        a_command_that_can_not_be_run,
    ]
    .into()
}

/// One child alone asks for memory: while the kernel takes away what a killed one had, it kills
/// whoever asks for more.
fn a_child_out_of_memory_fails_nobody(lab: &Lab) {
    let services = r"
  web:
    image: app:1
    mem_limit: 32m
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        tail -c 90m /dev/zero > /dev/null
        echo survived
        while :; do sleep 0.1; done
";
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("survived");
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
}

fn a_fork_bomb_is_contained(lab: &Lab) {
    let services = format!(
        r#"
  bomb:
    image: app:1
    pids_limit: 40
    command: [sh, -c, "(while :; do sleep 1000 & done); sleep 1000"]
{SLEEPS}"#
    );
    let mut run = Task::app(lab, &services).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    wait::until("the bomb", PATIENCE, || {
        (pod.service("bomb").len() >= 39).then_some(())
    });
    assert!(pod.service("bomb").len() <= 40);
    assert!(!pod.service("one").is_empty(), "its neighbours live");
    run.kill_within(std::time::Duration::from_secs(1));
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    pod.until_dead();
    run.until_gone();
}

fn zombies_are_reaped(lab: &Lab) {
    let services = r"
  web:
    image: app:1
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        i=0; while [ $$i -lt 1000 ]; do (true &); i=$$((i+1)); done
        echo done
        while :; do sleep 0.1; done
";
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("done");
    let pod = run.pod();
    wait::until("the end of the zombies", PATIENCE, || {
        (zombies(&pod) < 10).then_some(())
    });
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

fn zombies(pod: &Pod) -> usize {
    let is_zombie = |pid: i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ")
            .is_some_and(|(_, rest)| rest.starts_with('Z'))
    };
    let processes = pod.processes().into_iter();
    processes.filter(|process| is_zombie(process.pid)).count()
}

fn a_command_that_can_not_be_run(lab: &Lab) {
    let image = app::image().file("/closed", 0o644, b"#!/bin/sh\n").file(
        "/garbage",
        0o755,
        b"\x00\x01garbage",
    );
    for (command, word) in [("/closed", "not executable"), ("/garbage", "web")] {
        let services = format!("  web:\n    image: app:1\n    command: [{command}]\n");
        let mut run = Task::app(lab, &services)
            .archive("app.tar", &image)
            .launch();
        let end = run.until_end();
        assert_eq!(end.state(), "TASK_FAILED", "{command}");
        assert!(end.message().contains(word), "{}", end.message());
        run.until_gone();
    }
}
