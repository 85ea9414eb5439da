//! How a pod's services are stopped: those that others need last, and those of one level at once.

use std::fs;

use nix::sys::signal::Signal;

use crate::app;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        the_stop_is_the_start_in_reverse_and_at_once_within_a_level,
    ]);
    all.extend(tests![Mesos:
        killing_is_told_to_who_wants_to_hear_it,
        a_service_is_asked_by_its_own_signal_or_its_images,
    ]);
    all
}

/// The two in the middle wait for each other when they are asked: one after the other, neither
/// would ever end by itself.
fn the_stop_is_the_start_in_reverse_and_at_once_within_a_level(lab: &Lab) {
    let service = |name: &str, on: &str, asked: &str| {
        format!(
            r#"
  {name}:
    image: app:1
    depends_on: [{on}]
    volumes: [./share:/share]
    stop_grace_period: 10m
    command:
      - sh
      - -c
      - |
        stop() {{ touch /share/{name}; {asked}; echo "{name} has ended"; exit 0; }}
        trap stop TERM
        echo "{name} is up"
        while :; do sleep 0.1; done
"#
        )
    };
    let await_ = |other: &str| format!("until [ -e /share/{other} ]; do sleep 0.1; done");
    let services = [
        service("db", "", "true"),
        service("left", "db", &await_("right")),
        service("right", "db", &await_("left")),
        service("web", "left, right", "true"),
    ];
    let up = Up::app(lab, &services.concat());
    fs::create_dir(up.folder().join("share")).expect("the fixture's folder takes a folder");
    let mut run = up.start();
    for name in ["db", "left", "right", "web"] {
        run.until_stdout(&format!("{name} is up"));
    }
    run.signal(Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
    let out = run.stdout();
    let place = |name: &str| {
        let ended = out.find(&format!("{name} has ended"));
        ended.unwrap_or_else(|| panic!("{name} did not end by itself: {out}"))
    };
    for middle in ["left", "right"] {
        assert!(place("web") < place(middle), "{out}");
        assert!(place(middle) < place("db"), "{out}");
    }
}

fn killing_is_told_to_who_wants_to_hear_it(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services)
        .option(
            "--merge-framework",
            r#"{"capabilities": [{"type": "TASK_KILLING_STATE"}]}"#,
        )
        .launch();
    run.until_state("TASK_RUNNING");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    let states = run.states();
    assert_eq!(states[states.len() - 2..], ["TASK_KILLING", "TASK_KILLED"]);
}

fn a_service_is_asked_by_its_own_signal_or_its_images(lab: &Lab) {
    let heeds = |signal: &str| {
        format!(
            r#"[sh, -c, "trap 'echo by {signal}; exit 0' {signal}; trap '' TERM; echo up; while :; do sleep 0.1; done"]"#
        )
    };
    let compose = format!(
        r"
x-pod: {{images: [./app.tar, ./quits.tar]}}
services:
  own:
    image: app:1
    stop_signal: SIGUSR1
    stop_grace_period: 10m
    command: {}
  image:
    image: quits:1
    stop_grace_period: 10m
    command: {}
",
        heeds("USR1"),
        heeds("QUIT")
    );
    let image = app::named("quits:1").stop_signal("SIGQUIT");
    let mut run = Task::app(lab, "")
        .archive("quits.tar", &image)
        .compose(&compose)
        .launch();
    run.until_state("TASK_RUNNING");
    for name in ["own   | up", "image | up"] {
        run.until_stdout(name);
    }
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED");
    assert!(!end.message().contains("SIGKILL"), "{}", end.message());
    run.until_gone();
    let out = run.stdout();
    assert!(out.contains("own   | by USR1"), "{out}");
    assert!(out.contains("image | by QUIT"), "{out}");
}
