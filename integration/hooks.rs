//! Hooks: what is run in a service's container after its start and before its stop.

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        post_start_runs_before_others_depend_on_it,
        a_failed_post_start_ends_the_start,
        pre_stop_runs_before_the_signal,
        a_pre_stop_that_hangs_leaves_the_service_its_share,
    ]
    .into()
}

fn post_start_runs_before_others_depend_on_it(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: [web]
    volumes: [data:/data]
    command: [cat, /data/said]
  web:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "while :; do sleep 0.1; done"]
    post_start:
      - command: [sh, -c, "sleep 0.3; echo first $$WORD in $$PWD > /data/said"]
        working_dir: /tmp
        environment: {WORD: word}
      - command: [sh, -c, "echo second as $$(id -u) >> /data/more; cat /data/more >> /data/said"]
      - command: [sh, -c, "id -u > /tmp/who"]
        user: "1000"
"#;
    let compose = format!(
        "x-pod: {{images: [./app.tar], main: last}}\nservices:\n{services}volumes: {{data: {{}}}}\n"
    );
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    let out = run.stdout();
    assert!(out.contains("first word in /tmp"), "{out}");
    assert!(out.contains("second as 0"), "{out}");
    std::fs::remove_dir_all(lab.root().join("volumes")).expect("named volumes are kept there");
}

fn a_failed_post_start_ends_the_start(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    post_start:
      - command: [sh, -c, "echo can not migrate; exit 4"]
  last:
    image: app:1
    depends_on: [web]
    command: [echo, up]
"#;
    let mut run = Up::app(lab, services).start();
    assert!(!run.until_end().success());
    let told = run.stderr();
    for words in ["\"web\"", "post_start", "exit=4", "can not migrate"] {
        assert!(told.contains(words), "no {words:?} in {told}");
    }
    assert!(!run.stdout().contains("up"));
}

fn pre_stop_runs_before_the_signal(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'cat /tmp/said; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
    pre_stop:
      - command: [sh, -c, "sleep 0.3; echo drained > /tmp/said"]
      - command: ["false"]
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("up");
    run.signal(Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
    assert!(run.stdout().contains("drained"), "{}", run.stdout());
}

fn a_pre_stop_that_hangs_leaves_the_service_its_share(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    stop_grace_period: 2s
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
    pre_stop:
      - command: [sleep, "1000"]
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("up");
    run.signal(Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
    assert!(run.stdout().contains("bye"), "{}", run.stdout());
}
