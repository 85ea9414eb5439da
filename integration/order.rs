//! The order in which services start: each as soon as what it depends on is as it should be, and
//! none that can't ever be.

use crate::image_archive::Image;
use crate::lab::Lab;
use crate::lab::program::{Up, UpRun};
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        a_healthy_dependency_is_waited_for,
        a_completed_dependency_is_waited_for,
        a_failed_dependency_ends_the_start,
        an_optional_dependency_only_delays,
        nobody_waits_for_what_is_not_theirs,
        health_that_nothing_tells_is_refused_before_the_start,
        an_unhealthy_dependency_is_told_with_its_last_probe,
        a_shell_that_is_not_in_the_image_is_named,
    ]);
    all.extend(tests![Mesos:
        an_unhealthy_dependency_is_told_with_both_names,
        an_end_during_the_start_ends_the_start,
    ]);
    all
}

/// Healthy once it has written `/ready`, which takes it a moment.
const SLOWLY_READY: &str = r#"
    image: app:1
    command: [sh, -c, "sleep 0.5; echo ready; touch /ready; while :; do sleep 0.1; done"]
    healthcheck: {test: [CMD, test, -e, /ready], interval: 100ms, retries: 600}
"#;

/// Runs to the end, which must be a success, and gives the lines.
fn lines(up: Up<'_>) -> Vec<String> {
    let mut run = up.start();
    let status = run.until_end();
    assert!(status.success(), "{status}: {}", run.stderr());
    run.stdout().lines().map(str::to_owned).collect()
}

fn place(lines: &[String], words: &str) -> usize {
    let found = lines.iter().position(|line| line.contains(words));
    found.unwrap_or_else(|| panic!("no {words:?} in {lines:#?}"))
}

/// A project in which one service decides.
fn with_main(main: &str, services: &str) -> String {
    format!("x-pod: {{images: [./app.tar], main: {main}}}\nservices:\n{services}")
}

fn a_healthy_dependency_is_waited_for(lab: &Lab) {
    let services = format!(
        "  web:
    image: app:1
    depends_on: {{db: {{condition: service_healthy}}}}
    command: [echo, up]
  db:{SLOWLY_READY}"
    );
    let compose = with_main("web", &services);
    let lines = lines(Up::app(lab, "").compose(&compose));
    assert!(place(&lines, "ready") < place(&lines, "up"));
}

fn a_completed_dependency_is_waited_for(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    depends_on: {migrate: {condition: service_completed_successfully}}
    command: [echo, up]
  migrate:
    image: app:1
    command: [sh, -c, "sleep 0.5; echo migrated"]
"#;
    let lines = lines(Up::app(lab, services));
    assert!(place(&lines, "migrated") < place(&lines, "up"));
}

fn a_failed_dependency_ends_the_start(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    depends_on: {migrate: {condition: service_completed_successfully}}
    command: [echo, up]
  migrate:
    image: app:1
    command: [sh, -c, "exit 7"]
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(7));
    assert_words(&run, &["\"web\" can't start", "\"migrate\"", "exit=7"]);
    assert!(!run.stdout().contains("up"), "{}", run.stdout());
}

fn an_unhealthy_dependency_is_told_with_its_last_probe(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, up]
  db:
    image: app:1
    stop_grace_period: 0s
    command: [sleep, "1000"]
    healthcheck: {test: "echo no table; exit 9", interval: 100ms, retries: 2}
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(1));
    assert_words(
        &run,
        &[
            "\"web\" can't start",
            "\"db\", which is unhealthy",
            "exit=9: no table",
        ],
    );
}

/// Its user wrote a line, and no shell's name.
fn a_shell_that_is_not_in_the_image_is_named(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, up]
  db:
    image: app:1
    stop_grace_period: 0s
    entrypoint: [busybox, sh, -c, "rm /bin/sh; exec busybox sleep 1000"]
    healthcheck: {test: "true", interval: 500ms, retries: 2}
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(1));
    let words = [
        "\"web\"",
        "\"db\"",
        "\"/bin/sh\" can't be run",
        "no such shell",
        "CMD-SHELL",
    ];
    assert_words(&run, &words);

    let image = Image::busybox("bare:1").link("bin/sh", "/nowhere");
    let image = image.entrypoint(&[]).cmd(&["/bin/sh", "-c", "echo up"]);
    let compose = "x-pod: {images: [./bare.tar]}\nservices:\n  web: {image: 'bare:1'}\n";
    let up = Up::new(lab).archive("bare.tar", &image).compose(compose);
    let mut run = up.start();
    assert_eq!(run.until_end().code(), Some(3));
    assert_words(
        &run,
        &["\"web\"", "\"/bin/sh\" can't be run", "no such shell"],
    );
}

fn assert_words(run: &UpRun, words: &[&str]) {
    let told = run.stderr();
    for word in words {
        assert!(told.contains(word), "no {word:?} in {told}");
    }
}

fn an_optional_dependency_only_delays(lab: &Lab) {
    let services = r#"  web:
    image: app:1
    depends_on: {helper: {condition: service_completed_successfully, required: false}}
    command: [echo, up]
  helper:
    image: app:1
    command: [sh, -c, "echo no help; exit 1"]
"#;
    let compose = with_main("web", services);
    let lines = lines(Up::app(lab, "").compose(&compose));
    assert!(place(&lines, "no help") < place(&lines, "up"));
}

/// `quick` depends on the first level alone, and starts while `slow` of the same level is not
/// healthy yet: what it does makes `slow` healthy.
fn nobody_waits_for_what_is_not_theirs(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: {slow: {condition: service_healthy}}
    command: [echo, done]
  slow:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck: {test: [CMD, test, -e, /data/go], interval: 100ms, retries: 600}
  first:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
  quick:
    image: app:1
    depends_on: [first]
    volumes: [data:/data]
    command: [touch, /data/go]
"#;
    let compose = with_main("last", services) + "volumes: {data: {}}\n";
    let lines = lines(Up::app(lab, "").compose(&compose));
    place(&lines, "done");
    std::fs::remove_dir_all(lab.root().join("volumes")).expect("named volumes are kept there");
}

fn health_that_nothing_tells_is_refused_before_the_start(lab: &Lab) {
    let services = "
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, up]
  db:
    image: app:1
    command: [echo, started]
";
    let mut run = Up::app(lab, services).start();
    assert!(!run.until_end().success());
    assert_words(&run, &["\"web\" can't start", "\"db\"", "no health check"]);
    assert_eq!(run.stdout(), "");
}

fn an_unhealthy_dependency_is_told_with_both_names(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    depends_on: {db: {condition: service_healthy}}
    command: [echo, up]
  db:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck: {test: "echo no socket; exit 1", interval: 100ms, retries: 2}
"#;
    let mut run = Task::app(lab, services).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    for words in ["CE-DEPENDS", "\"web\"", "\"db\"", "exit=1: no socket"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
    let data = end.data();
    assert_eq!(data["service"], "db");
    assert_eq!(data["services"][0]["state"], "not-started", "{data}");
    assert_eq!(data["services"][1]["health"], "unhealthy", "{data}");
    run.until_gone();
    assert!(!run.stdout().contains("up"));
}

fn an_end_during_the_start_ends_the_start(lab: &Lab) {
    let services = r#"
  first:
    image: app:1
    command: [sh, -c, "exit 4"]
  later:
    image: app:1
    depends_on: {first: {condition: service_completed_successfully}}
    command: [sleep, "1000"]
"#;
    let mut run = Task::app(lab, services).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    for words in ["\"first\"", "exit=4"] {
        assert!(end.message().contains(words), "{}", end.message());
    }
    run.until_gone();
    assert!(!run.states().contains(&"TASK_RUNNING".to_owned()));
}
