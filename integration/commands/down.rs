//! `down`: the pod of a folder, its volumes, its time, and one whose owner has died.

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{TWO, json, ok, run_in};
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(super) fn tests() -> Vec<Test> {
    let up = tests![Containerd:
        down_ends_the_pod_of_a_folder,
        down_removes_volumes_when_it_is_told,
        down_kills_when_the_time_is_up,
        down_cleans_up_after_a_dead_owner,
    ];
    let mesos = tests![Mesos: down_of_one_task_ends_its_executors_others];
    up.into_iter().chain(mesos).collect()
}

fn down_ends_the_pod_of_a_folder(lab: &Lab) {
    let mut other = Up::app(lab, TWO).start();
    other.until_stdout("up");
    let up = Up::app(lab, TWO);
    let folder = up.folder();
    let mut run = up.start();
    run.until_stdout("up");
    let nowhere = lab.fixture().display().to_string();
    assert!(
        lab.output(&["down", "--project-directory", &nowhere])
            .status
            .success()
    );
    let folder = folder.display().to_string();
    let ended = json(
        lab,
        &["down", "--project-directory", &folder, "--format", "json"],
    );
    assert_eq!(ended.as_array().map(Vec::len), Some(1));
    assert_eq!(ended[0]["result"], "ended");
    run.until_end();
    assert!(run.stdout().contains("bye"), "it was asked to stop");
    assert!(!other.pod().service("web").is_empty(), "the other goes on");
}

fn down_removes_volumes_when_it_is_told(lab: &Lab) {
    const KEEPS: &str = r#"
  web:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "echo kept > /data/file; echo up; sleep 1000"]
volumes:
  data:
"#;
    let up = Up::app(lab, KEEPS);
    let folder = up.folder().display().to_string();
    let mut run = up.start();
    run.until_stdout("up");
    let kept = lab.root().join("volumes/app_data/file");
    assert!(kept.exists(), "{}", kept.display());
    let down = ["down", "--project-directory", &folder, "-t", "1"];
    ok(lab, &down);
    run.until_end();
    assert!(kept.exists(), "it outlives its pod");
    let removed = ok(lab, &[&down[..], &["-v"]].concat());
    assert!(removed.contains("volume app_data: removed"), "{removed}");
    assert!(!kept.exists());
}

fn down_kills_when_the_time_is_up(lab: &Lab) {
    let services = r#"
  stubborn:
    image: app:1
    command: [sh, -c, "trap '' TERM; echo up; while :; do sleep 0.1; done"]
    stop_grace_period: 1h
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("up");
    let ended = ok(lab, &["down", "--pod", "app", "-t", "1"]);
    assert!(ended.contains("ended"), "{ended}");
    run.until_end();
}

fn down_cleans_up_after_a_dead_owner(lab: &Lab) {
    let mut run = Up::app(lab, TWO).start();
    run.until_stdout("up");
    run.signal(Signal::SIGKILL);
    run.until_end();
    let pods = json(lab, &["ps", "-A", "--format", "json"]);
    assert_eq!(pods[0]["owner"]["state"], "dead");
    assert_eq!(run_in(lab, &["--pod", "app", "web", "true"]).0, Some(1));
    assert!(ok(lab, &["down", "--pod", "app"]).contains("cleaned up"));
    assert_eq!(
        json(lab, &["ps", "-A", "--format", "json"]),
        Value::Array(Vec::new())
    );
}

fn down_of_one_task_ends_its_executors_others(lab: &Lab) {
    let mut run = Task::app(lab, TWO).count(2).id("t").launch();
    for id in ["t-0", "t-1"] {
        run.until_task(id, "TASK_RUNNING");
    }
    let ended = ok(lab, &["down", "--pod", "t-0"]);
    assert!(ended.ends_with("(t-0): ended\n"), "{ended}");
    for id in ["t-0", "t-1"] {
        run.until_task(id, "TASK_KILLED");
    }
    run.until_gone();
}
