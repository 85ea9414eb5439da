//! What the services write ends up in the sandbox's stdout and stderr, whole lines, by service.

use crate::lab::Lab;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        lines_carry_their_service,
        one_service_needs_no_prefix,
        a_flood_is_written_and_ends,
        the_executors_own_log_is_apart,
    ]
    .into()
}

fn lines_carry_their_service(lab: &Lab) {
    let services = r#"
  one:
    image: app:1
    command: [sh, -c, "echo out of one; echo err of one >&2"]
  second:
    image: app:1
    command: [sh, -c, "printf 'no newline at its end'"]
"#;
    let mut run = Task::app(lab, services).launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    let (out, err) = (run.stdout(), run.stderr());
    assert!(
        out.lines().any(|line| line == "one    | out of one"),
        "{out}"
    );
    assert!(
        out.lines()
            .any(|line| line == "second | no newline at its end"),
        "{out}"
    );
    assert!(
        err.lines().any(|line| line == "one    | err of one"),
        "{err}"
    );
}

fn one_service_needs_no_prefix(lab: &Lab) {
    let services = "  only:\n    image: app:1\n    command: [echo, alone]\n";
    let mut run = Task::app(lab, services).launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    assert!(
        run.stdout().lines().any(|line| line == "alone"),
        "{}",
        run.stdout()
    );
}

fn a_flood_is_written_and_ends(lab: &Lab) {
    let services = r#"
  flood:
    image: app:1
    command: [sh, -c, "yes 0123456789abcdef | head -n 1000000; echo the end"]
"#;
    let mut run = Task::app(lab, services).launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    let out = run.stdout();
    let lines = out
        .lines()
        .filter(|line| *line == "0123456789abcdef")
        .count();
    assert_eq!(lines, 1_000_000);
    assert_eq!(out.lines().last(), Some("the end"));
}

fn the_executors_own_log_is_apart(lab: &Lab) {
    let services = "  only:\n    image: app:1\n    command: [echo, alone]\n";
    let mut run = Task::app(lab, services).launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    let log = run.read("executor.log");
    assert!(!log.is_empty() && !log.contains("alone"), "{log}");
}
