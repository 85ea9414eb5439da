//! `logs`: by service, by time, from the end, and followed.

use std::fs;
use std::io::{BufRead as _, BufReader};

use nix::sys::signal::Signal;
use serde_json::Value;

use super::{ok, start, text, two};
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(super) fn tests() -> Vec<Test> {
    tests![Containerd:
        logs_are_shown_by_service_and_time,
        logs_are_followed_to_the_end,
        following_ends_with_a_dead_owner,
        what_a_detached_pod_wrote_stays_until_it_is_taken_away,
    ]
    .into()
}

fn logs_are_shown_by_service_and_time(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    command: [sh, -c, "seq 1 100; until [ -e /out/1 ]; do sleep 0.1; done; echo wrong >&2; until [ -e /out/2 ]; do sleep 0.1; done; echo late; touch /out/3; sleep 1000"]
    volumes: ["./out:/out"]
    stop_grace_period: 0s
  job:
    image: app:1
    command: [sh, -c, "echo done; sleep 1000"]
    stop_grace_period: 0s
"#;
    let up = Up::app(lab, services);
    let out = up.folder().join("out");
    fs::create_dir(&out).expect("the fixture's folder takes a folder");
    let mut run = up.start();
    run.until_stdout("done");
    wait::until("the first lines in the log", PATIENCE, || {
        let all = lab.output(&["logs", "--pod", "app"]);
        (text(&all).lines().count() == 101).then_some(())
    });
    // Order is kept within a stream alone: the other one's line has to wait for these.
    fs::write(out.join("1"), "").expect("the service's folder takes a file");
    wait::until("the line on standard error", PATIENCE, || {
        let all = lab.output(&["logs", "--pod", "app"]);
        (!all.stderr.is_empty()).then_some(())
    });
    let all = lab.output(&["logs", "--pod", "app"]);
    assert_eq!(String::from_utf8_lossy(&all.stderr), "web | wrong\n");
    assert!(text(&all).contains("web | 57\n") && text(&all).contains("job | done\n"));
    let tail = ok(
        lab,
        &["logs", "--pod", "app", "-n", "3", "--no-log-prefix", "web"],
    );
    assert_eq!(tail, "99\n100\n");

    let lines = ok(
        lab,
        &["logs", "--pod", "app", "--format", "json", "--tail", "1"],
    );
    let rows: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    assert_eq!(rows.len(), 2);
    let wrong = rows
        .iter()
        .find(|row| row["service"] == "web")
        .expect("it wrote");
    assert_eq!(
        (&wrong["stream"], &wrong["line"]),
        (&"stderr".into(), &"wrong".into())
    );
    let time = wrong["time"].as_str().expect("it has one");

    // Whatever comes now is later.
    fs::write(out.join("2"), "").expect("the service's folder takes a file");
    wait::until("the late line", PATIENCE, || {
        text(&lab.output(&["logs", "--pod", "app"]))
            .contains("late")
            .then_some(())
    });
    let since = ok(
        lab,
        &[
            "logs",
            "--pod",
            "app",
            "--since",
            time,
            "-t",
            "--no-log-prefix",
            "web",
        ],
    );
    let (stamp, line) = since.trim_end().split_once(' ').expect("a time and a line");
    assert_eq!(line, "late", "{since}");
    assert!(stamp > time && stamp.ends_with('Z'));
    assert!(ok(lab, &["logs", "--pod", "app", "--since", "1h"]).contains("late"));
    assert_eq!(
        lab.output(&["logs", "--pod", "app", "--since", "soon"])
            .status
            .code(),
        Some(2)
    );
    assert_eq!(
        lab.output(&["logs", "--pod", "app", "wbe"]).status.code(),
        Some(1)
    );
}

fn logs_are_followed_to_the_end(lab: &Lab) {
    let mut run = two(lab);
    let mut follow = start(
        lab,
        &["logs", "-f", "--pod", "app", "--no-log-prefix", "web"],
    );
    let mut lines = BufReader::new(follow.stdout.take().expect("it is a pipe")).lines();
    assert_eq!(line(&mut lines), "up");
    run.signal(Signal::SIGINT);
    assert_eq!(line(&mut lines), "bye");
    assert!(lines.next().is_none());
    assert!(follow.wait().expect("it ends").success());
    run.until_end();
}

fn following_ends_with_a_dead_owner(lab: &Lab) {
    let mut run = two(lab);
    let mut follow = start(lab, &["logs", "-f", "--pod", "app", "web"]);
    let mut lines = BufReader::new(follow.stdout.take().expect("it is a pipe")).lines();
    assert_eq!(line(&mut lines), "web | up");
    run.signal(Signal::SIGKILL);
    run.until_end();
    assert!(lines.next().is_none());
    assert!(follow.wait().expect("it ends").success());
    assert!(ok(lab, &["down", "--pod", "app"]).contains("cleaned up"));
}

fn line(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.next().expect("there is a line").expect("it is text")
}

fn what_a_detached_pod_wrote_stays_until_it_is_taken_away(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    volumes: ["./out:/out"]
    command: [sh, -c, "until [ -e /out/go ]; do sleep 0.1; done; echo last words; exit 3"]
"#;
    let up = Up::app(lab, services).word("-d");
    let folder = up.folder();
    fs::create_dir(folder.join("out")).expect("the fixture's folder takes a folder");
    let mut run = up.start();
    assert_eq!(run.until_end().code(), Some(0), "{}", run.stderr());
    let id = run.stdout().trim().to_owned();
    fs::write(folder.join("out/go"), "").expect("the service's folder takes a file");
    wait::until("the end of the pod", PATIENCE, || {
        ok(lab, &["ps", "-A", "-q"]).is_empty().then_some(())
    });
    let folder = folder.display().to_string();
    for which in [["--pod", &id], ["--project-directory", &folder]] {
        let logs = lab.output(&[&["logs"], &which[..]].concat());
        assert_eq!(text(&logs), "last words\n");
        let told = String::from_utf8_lossy(&logs.stderr);
        for words in [&id[..], "ended at 2", "CE-EXIT", "exit=3", "last words"] {
            assert!(told.contains(words), "no {words:?} in {told}");
        }
    }
    let row: Value = serde_json::from_str(&ok(lab, &["logs", "--pod", &id, "--format", "json"]))
        .expect("it is one line of JSON");
    assert_eq!(row["line"], "last words");
    let removed = ok(lab, &["down", "--project-directory", &folder]);
    assert!(removed.contains("logs removed"), "{removed}");
    assert_eq!(lab.output(&["logs", "--pod", &id]).status.code(), Some(1));
}
