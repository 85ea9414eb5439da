//! Containers that are started again: on their own root, so often as their policy allows, and never
//! once their task is being killed.

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        a_container_keeps_its_root_and_its_log,
        the_last_attempt_decides,
        a_policy_of_deploy_wins,
        a_pod_that_stops_restarts_nothing,
    ]);
    all.extend(tests![Mesos:
        a_restart_is_no_end_and_is_counted,
        a_killed_task_restarts_nothing,
    ]);
    all
}

/// Counts its runs on its own root; the third succeeds.
const THIRD_TIME: &str = r#"
    image: app:1
    restart: on-failure:5
    command:
      - sh
      - -c
      - |
        n=$$(($$(cat /runs 2> /dev/null || echo 0) + 1)); echo $$n > /runs
        echo "run $$n"; echo "and its last words" >&2
        [ $$n -ge 3 ]
"#;

fn a_container_keeps_its_root_and_its_log(lab: &Lab) {
    let mut run = Up::app(lab, &format!("  only:{THIRD_TIME}")).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert_eq!(run.stdout(), "run 1\nrun 2\nrun 3\n");
    assert_eq!(run.stderr().matches("and its last words").count(), 3);
}

fn the_last_attempt_decides(lab: &Lab) {
    let services = r#"
  other:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
  only:
    image: app:1
    restart: on-failure:2
    command: [sh, -c, "echo tried; exit 7"]
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(7));
    assert_eq!(run.stdout().matches("tried").count(), 3, "{}", run.stdout());
}

fn a_policy_of_deploy_wins(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    restart: always
    deploy: {restart_policy: {condition: on-failure, delay: 10ms, max_attempts: 5}}
    command: [sh, -c, "echo tried; exit 7"]
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(7));
    assert_eq!(run.stdout().matches("tried").count(), 6, "{}", run.stdout());
}

fn a_pod_that_stops_restarts_nothing(lab: &Lab) {
    let services = r#"
  steady:
    image: app:1
    restart: always
    command: [sh, -c, "trap 'echo bye; exit 1' TERM; echo up; while :; do sleep 0.1; done"]
  crashing:
    image: app:1
    restart: always
    command: [sh, -c, "echo crash; exit 1"]
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("crash");
    run.until_stdout("up");
    run.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
    let out = run.stdout();
    assert_eq!(out.matches("up").count(), 1, "{out}");
    assert_eq!(out.matches("bye").count(), 1, "{out}");
}

fn a_restart_is_no_end_and_is_counted(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    restart: on-failure:2
    command: [sh, -c, "echo tried; exit 7"]
"#;
    let mut run = Task::app(lab, services).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(
        end.message().contains("after 2 restarts: exit=7"),
        "{}",
        end.message()
    );
    assert_eq!(end.data()["services"][0]["restarts"], 2, "{}", end.data());
    run.until_gone();
    assert_eq!(run.stdout(), "tried\ntried\ntried\n");
}

fn a_killed_task_restarts_nothing(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    restart: always
    command: [sh, -c, "trap 'echo bye; exit 1' TERM; echo up; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    let out = run.stdout();
    assert!(out.matches("up").count() <= 1, "{out}");
}
