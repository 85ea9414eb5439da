//! What the services write ends up in the sandbox's stdout and stderr, whole lines, by service.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::thread;

use compose_executor::sys::mount;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    let mesos = tests![Mesos:
        lines_carry_their_service,
        one_service_needs_no_prefix,
        a_flood_is_written_and_ends,
        the_executors_own_log_is_apart,
        each_service_has_a_bounded_log_of_its_own,
    ];
    let up = tests![Containerd:
        a_reader_that_stalls_costs_whole_lines_and_never_the_pod,
        a_full_disk_costs_whole_lines_and_never_the_pod,
        lines_without_end_and_bytes_that_are_no_text_are_written,
        one_pipe_for_both_streams_keeps_lines_whole,
        a_process_that_outlives_its_container_does_not_hold_the_end,
    ];
    mesos.into_iter().chain(up).collect()
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

fn each_service_has_a_bounded_log_of_its_own(lab: &Lab) {
    let services = r#"
  small:
    image: app:1
    command: [sh, -c, "echo out; echo err >&2"]
  flood:
    image: app:1
    command: [sh, -c, "seq -w 1 100000"]
    logging: {options: {max-size: 100k, max-file: "3"}}
  silent:
    image: app:1
    command: [echo, not a word]
    logging: {driver: none}
"#;
    let mut run = Task::app(lab, services).launch();
    assert_eq!(run.until_end().state(), "TASK_FINISHED");
    run.until_gone();
    let own = |name: &str| run.read(&format!("compose-executor.d/logs/{name}"));
    let mut lines: Vec<_> = own("small.log").lines().map(str::to_owned).collect();
    lines.sort();
    assert_eq!(lines, ["err", "out"]);
    let kept: String = [".log.2", ".log.1", ".log"]
        .map(|end| own(&format!("flood{end}")))
        .concat();
    let numbers: Vec<u32> = kept.lines().filter_map(|line| line.parse().ok()).collect();
    let first = *numbers.first().expect("something is kept");
    assert!(
        numbers.into_iter().eq(first..=100_000),
        "not one after the other"
    );
    assert!(
        kept.len() <= 300 << 10 && kept.len() > 150 << 10,
        "{}",
        kept.len()
    );
    assert_eq!(own("flood.log.3"), "");
    // The common output has every line of those who speak.
    let (out, silent) = (run.stdout(), "not a word");
    assert_eq!(
        out.lines().filter(|line| line.starts_with("flood")).count(),
        100_000
    );
    assert!(!out.contains(silent) && own("silent.log").is_empty());
}

/// A service that writes numbered lines, more than any buffer holds, then leaves a file, and goes on
/// when it finds another.
const FLOOD: &str = r#"
  flood:
    image: app:1
    command:
      - sh
      - -c
      - |
        seq 1 100000 | sed 's/.*/line & of many, so that it is as long as lines are/'
        touch /out/flooded
        until [ -e /out/go ]; do sleep 0.1; done
        echo the end
    volumes: ["./out:/out"]
"#;
const LINES: u64 = 100_000;

fn out_folder(up: &Up<'_>) -> std::path::PathBuf {
    let out = up.folder().join("out");
    fs::create_dir(&out).expect("the fixture's folder takes a folder");
    out
}

fn until_exists(path: &Path) {
    let what = path.display().to_string();
    wait::until(&what, PATIENCE, || path.exists().then_some(()));
}

/// Every line is whole and in order; what is missing is counted by markers.
fn assert_whole(text: &str) {
    let mut next = 1;
    let mut missing_in_all = 0;
    for line in text.lines() {
        if let Some(marker) = line.strip_prefix("[compose-executor] ") {
            let number = marker.split(' ').next().unwrap_or_default();
            let missing: u64 = number.parse().expect("a marker begins with a number");
            next += missing;
            missing_in_all += missing;
        } else if line == "the end" {
            assert_eq!(next, LINES + 1);
            next += 1;
        } else {
            assert_eq!(
                line,
                format!("line {next} of many, so that it is as long as lines are")
            );
            next += 1;
        }
    }
    assert_eq!(next, LINES + 2);
    assert!(missing_in_all > 0);
}

fn a_reader_that_stalls_costs_whole_lines_and_never_the_pod(lab: &Lab) {
    let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
    let up = Up::app(lab, FLOOD).stdout_to(writer);
    let out = out_folder(&up);
    let mut run = up.start();
    // Nobody reads, and the service comes to the end of its flood.
    until_exists(&out.join("flooded"));
    let reader = thread::spawn(move || {
        let mut text = String::new();
        reader.read_to_string(&mut text).map(|_| text)
    });
    fs::write(out.join("go"), "").expect("the service's folder takes a file");
    assert_eq!(run.until_end().code(), Some(0), "{}", run.stderr());
    assert_whole(&reader.join().expect("it reads").expect("it is text"));
}

fn a_full_disk_costs_whole_lines_and_never_the_pod(lab: &Lab) {
    let disk = lab.fixture();
    mount::tmpfs(&disk, 3 << 20, 0o755).expect("a small disk");
    let (log, ballast) = (disk.join("log"), disk.join("ballast"));
    fs::write(&ballast, vec![0; 1 << 20]).expect("there is room yet");
    let up = Up::app(lab, FLOOD).stdout_to(File::create(&log).expect("there is room yet"));
    let out = out_folder(&up);
    let mut run = up.start();
    until_exists(&out.join("flooded"));
    fs::remove_file(&ballast).expect("it is there");
    fs::write(out.join("go"), "").expect("the service's folder takes a file");
    let code = run.until_end().code();
    let text = fs::read_to_string(&log);
    mount::unmount(&disk).expect("nobody uses the disk any more");
    assert_eq!(code, Some(0), "{}", run.stderr());
    assert_whole(&text.expect("the log can be read"));
}

fn lines_without_end_and_bytes_that_are_no_text_are_written(lab: &Lab) {
    let services = r#"
  endless:
    image: app:1
    command: [sh, -c, "head -c 1000000 /dev/zero | tr '\\0' x; echo; printf 'a\\000b\\377c\\n'"]
"#;
    let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
    let mut run = Up::app(lab, services).stdout_to(writer).start();
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).expect("it can be read");
    assert_eq!(run.until_end().code(), Some(0), "{}", run.stderr());
    let (body, last) = bytes.split_at(bytes.len() - b"a\0b\xffc\n".len());
    assert_eq!(last, b"a\0b\xffc\n");
    let body = String::from_utf8(body.to_vec()).expect("it is all x");
    assert!(body.lines().all(|line| line.len() < 100_000));
    let pieces = body.replace("[compose-executor: the line goes on]\n", "");
    assert_eq!(pieces, format!("{}\n", "x".repeat(1_000_000)));
}

fn one_pipe_for_both_streams_keeps_lines_whole(lab: &Lab) {
    let services = r#"
  both:
    image: app:1
    command: [sh, -c, "seq 1 50000 | sed 's/^/out /' & seq 1 50000 | sed 's/^/err /' >&2; wait"]
"#;
    let (mut reader, writer) = std::io::pipe().expect("a pipe can be made");
    let errors = writer.try_clone().expect("it is a pipe");
    let mut run = Up::app(lab, services)
        .stdout_to(writer)
        .stderr_to(errors)
        .start();
    let mut text = String::new();
    reader.read_to_string(&mut text).expect("it is text");
    assert_eq!(run.until_end().code(), Some(0));
    for side in ["out", "err"] {
        let numbers: Vec<u32> = text
            .lines()
            .filter_map(|line| line.strip_prefix(side)?.trim().parse().ok())
            .collect();
        assert!(numbers.into_iter().eq(1..=50_000), "not all of {side}");
    }
    assert_eq!(text.lines().count(), 100_000);
}

fn a_process_that_outlives_its_container_does_not_hold_the_end(lab: &Lab) {
    let services = r#"
  leaves:
    image: app:1
    command: [sh, -c, "echo before; (trap '' TERM HUP; sleep 1000) & exit 0"]
"#;
    let mut run = Up::app(lab, services).start();
    assert_eq!(run.until_end().code(), Some(0), "{}", run.stderr());
    assert_eq!(run.stdout(), "before\n");
}
