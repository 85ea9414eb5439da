//! Services' health: probed as Docker does, told to the framework, and no process left of a probe.

use crate::app;
use crate::image_archive::Image;
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
        an_images_check_counts,
        an_images_check_can_be_changed_in_part_or_turned_off,
    ]);
    all.extend(tests![Mesos:
        running_is_healthy,
        ill_health_before_running_fails_the_task,
        running_may_mean_started_and_health_is_told_later,
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

/// Probes itself as its image has it.
const OF_IMAGE: &str = r#"
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, fine]
  db:
    image: db:1
    command: [sh, -c, "sleep 0.3; touch /tmp/well; while :; do sleep 0.1; done"]
"#;

fn of_image<'lab>(lab: &'lab Lab, image: &Image, more: &str) -> Up<'lab> {
    let compose =
        format!("x-pod: {{images: [./app.tar, ./db.tar], main: web}}\nservices:\n{OF_IMAGE}{more}");
    let up = Up::new(lab).archive("app.tar", &app::image());
    up.archive("db.tar", image).compose(&compose)
}

fn an_images_check_counts(lab: &Lab) {
    let image = Image::busybox("db:1").healthcheck("test -e /tmp/well", 100);
    let mut run = of_image(lab, &image, "").start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert!(run.stdout().contains("fine"), "{}", run.stdout());
}

/// The image's own interval would be waited for till the end of the test.
fn an_images_check_can_be_changed_in_part_or_turned_off(lab: &Lab) {
    let image = Image::busybox("db:1").healthcheck("test -e /tmp/well", 3_600_000);
    let sooner = "    healthcheck: {interval: 100ms}\n";
    let mut run = of_image(lab, &image, sooner).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    for off in ["disable: true", "test: [NONE]"] {
        let off = format!("    healthcheck: {{{off}}}\n");
        let mut run = of_image(lab, &image, &off).start();
        assert!(!run.until_end().success());
        assert!(run.stderr().contains("no health check"), "{}", run.stderr());
    }
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
