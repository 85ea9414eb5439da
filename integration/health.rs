//! Services' health: probed as Docker does, told to the framework, and no process left of a probe.

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        a_probe_runs_in_the_container_as_the_container_does,
        a_probe_that_hangs_is_killed_with_its_children,
        a_probe_that_floods_does_no_harm,
        a_young_service_may_fail_its_probes,
        a_check_can_be_turned_off,
    ]);
    all.extend(tests![Mesos:
        running_is_healthy,
        ill_health_before_running_fails_the_task,
        running_may_mean_started_and_health_is_told_later,
        a_health_check_by_http_looks_into_the_pods_network,
        a_health_check_that_fails_too_often_ends_the_task,
        a_check_is_told_with_every_update,
    ]);
    all
}

fn a_probe_runs_in_the_container_as_the_container_does(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: {web: {condition: service_healthy}}
    volumes: [data:/data]
    command: [cat, /data/said]
  web:
    image: app:1
    user: "1000:1001"
    working_dir: /tmp
    environment: {WORD: given}
    volumes: [data:/data]
    tmpfs: /scratch
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck:
      test: "echo $$(id -u):$$(id -g) in $$PWD, $$WORD > /data/said"
      interval: 100ms
  open:
    image: app:1
    volumes: [data:/data]
    command: [chmod, "777", /data]
"#;
    let compose = format!(
        "x-pod: {{images: [./app.tar], main: last}}\nservices:\n{services}volumes: {{data: {{}}}}\n"
    );
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    let text = run.stdout();
    let said = text.lines().find(|line| line.contains("1000:1001"));
    let said = said.unwrap_or_else(|| panic!("nothing said in {text}"));
    assert!(said.contains("in /tmp, given"), "{said}");
    std::fs::remove_dir_all(lab.root().join("volumes")).expect("named volumes are kept there");
}

/// The probe hangs once, with a child; the second service counts what is left of it.
fn a_probe_that_hangs_is_killed_with_its_children(lab: &Lab) {
    let services = r#"  count:
    image: app:1
    depends_on: {web: {condition: service_healthy, required: false}}
    command: [sh, -c, "ps -o args | grep -c '[s]leep 1000'; true"]
  web:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck:
      test: "[ -e /tmp/hung ] && exit 1; touch /tmp/hung; sleep 1000 & sleep 1000"
      interval: 100ms
      timeout: 300ms
      retries: 1
"#;
    let compose = format!("x-pod: {{images: [./app.tar], main: count}}\nservices:\n{services}");
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert_eq!(run.stdout().trim(), "count | 0");
}

fn a_probe_that_floods_does_no_harm(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: {web: {condition: service_healthy}}
    command: [echo, fine]
  web:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck:
      test: "dd if=/dev/zero bs=1M count=64 2>/dev/null"
      interval: 100ms
"#;
    let compose = format!("x-pod: {{images: [./app.tar], main: last}}\nservices:\n{services}");
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert!(run.stdout().contains("fine"), "{}", run.stdout());
}

/// One failure is ill health, but not so soon.
fn a_young_service_may_fail_its_probes(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: {web: {condition: service_healthy}}
    command: [echo, fine]
  web:
    image: app:1
    command: [sh, -c, "sleep 1; touch /tmp/well; while :; do sleep 0.1; done"]
    healthcheck:
      test: [CMD, test, -e, /tmp/well]
      interval: 1h
      start_period: 1h
      start_interval: 200ms
      retries: 1
"#;
    let compose = format!("x-pod: {{images: [./app.tar], main: last}}\nservices:\n{services}");
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert!(run.stdout().contains("fine"), "{}", run.stdout());
}

/// Left on, the check would keep the task from running.
fn a_check_can_be_turned_off(lab: &Lab) {
    let services = "
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, up]
  db:
    image: app:1
    command: [echo, started]
    healthcheck: {disable: true}
";
    let mut run = Up::app(lab, services).start();
    assert!(!run.until_end().success());
    assert!(run.stderr().contains("no health check"), "{}", run.stderr());
}

/// Waits for the file `well` in a folder of the sandbox that the test writes to.
const PROBED: &str = r#"
  web:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck: {test: "cat /share/well", interval: 100ms, retries: 2}
"#;

fn running_is_healthy(lab: &Lab) {
    let services = PROBED.replace("retries: 2", "retries: 1000");
    let mut run = Task::app(lab, &services).folder("share").launch();
    run.until_update("a word on what is waited for", |update| {
        update.state() == "TASK_STARTING" && update.message().contains("\"web\" to become healthy")
    });
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
    std::fs::write(run.sandbox().join("share/well"), "").expect("the sandbox is there");
    let running = run.until_state("TASK_RUNNING");
    assert_eq!(running.healthy(), Some(true));
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

fn ill_health_before_running_fails_the_task(lab: &Lab) {
    let mut run = Task::app(lab, PROBED).folder("share").launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert_eq!(end.reason(), "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED");
    assert_eq!(end.healthy(), Some(false));
    for words in ["CE-HEALTH", "\"web\"", "No such file"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
    run.until_gone();
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
}

fn running_may_mean_started_and_health_is_told_later(lab: &Lab) {
    let task = Task::app(lab, PROBED).folder("share");
    let mut run = task.label("compose.running", "started").launch();
    let running = run.until_state("TASK_RUNNING");
    assert_eq!(running.healthy(), None, "nothing is known yet");
    let ill = run.until_update("ill health", |update| update.healthy() == Some(false));
    assert_eq!(ill.state(), "TASK_RUNNING");
    assert_eq!(ill.reason(), "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED");
    assert!(ill.message().contains("\"web\""), "{}", ill.message());
    std::fs::write(run.sandbox().join("share/well"), "").expect("the sandbox is there");
    run.until_update("health", |update| update.healthy() == Some(true));
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// Serves one page on port 8080 of the pod's own network.
const SERVES: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "mkdir /www; echo hello > /www/page; exec httpd -f -p 8080 -h /www"]
"#;

fn a_health_check_by_http_looks_into_the_pods_network(lab: &Lab) {
    let check = r#"{"health_check": {"type": "HTTP", "http": {"port": 8080, "path": "/page"},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 60}}"#;
    let mut run = Task::app(lab, SERVES)
        .option("--merge-task", check)
        .launch();
    let running = run.until_state("TASK_RUNNING");
    assert_eq!(running.healthy(), None, "nothing is known yet");
    let well = run.until_update("health", |update| update.healthy().is_some());
    assert_eq!(well.healthy(), Some(true), "{}", well.message());
    assert_eq!(well.state(), "TASK_RUNNING");
    assert_eq!(well.reason(), "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED");
    run.kill();
    let end = run.until_end();
    assert_eq!((end.state(), end.healthy()), ("TASK_KILLED", Some(true)));
    run.until_gone();
}

fn a_health_check_that_fails_too_often_ends_the_task(lab: &Lab) {
    let check = r#"{"health_check": {"type": "TCP", "tcp": {"port": 9},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 0,
        "consecutive_failures": 2}}"#;
    let mut run = Task::app(lab, SERVES)
        .option("--merge-task", check)
        .launch();
    let ill = run.until_update("ill health", |update| update.healthy() == Some(false));
    assert_eq!(ill.state(), "TASK_RUNNING");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert_eq!(end.healthy(), Some(false));
    for words in ["CE-HEALTH", "refused"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
    run.until_gone();
}

fn a_check_is_told_with_every_update(lab: &Lab) {
    let check = r#"{"check": {"type": "COMMAND", "command": {"command": {"value": "exit $CODE",
        "environment": {"variables": [{"name": "CODE", "value": "3"}]}}},
        "delay_seconds": 0, "interval_seconds": 0.2}}"#;
    let mut run = Task::app(lab, SERVES)
        .option("--merge-task", check)
        .launch();
    let told = run.until_update("a result", |update| {
        update.check_status()["command"]["exit_code"] == 3
    });
    assert_eq!(told.state(), "TASK_RUNNING");
    assert_eq!(told.reason(), "REASON_TASK_CHECK_STATUS_UPDATED");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    for update in run.updates() {
        assert_eq!(update.check_status()["type"], "COMMAND", "{update:?}");
    }
}
