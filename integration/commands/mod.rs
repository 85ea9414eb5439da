//! What an operator does with pods that run: here ps, inspect, stats, events and up -d.

mod down;
mod exec;
mod logs;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use crate::json::assert_fields;
use crate::lab::program::{Up, UpRun};
use crate::lab::task::Task;
use crate::lab::{EXECUTOR, Lab};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    let up = tests![Containerd:
        ps_and_inspect_tell_of_services,
        ps_tells_health_and_restarts,
        a_pod_that_is_not_clear_is_told_with_those_there_are,
        services_are_shown_that_are_named,
        stats_tell_what_is_used,
        events_are_told_as_they_happen,
        events_tell_of_health,
        a_detached_pod_goes_on_alone,
        a_detached_pod_that_fails_says_why,
    ];
    let mesos = tests![Mesos: a_task_is_found_by_its_id_and_ended];
    up.into_iter()
        .chain(mesos)
        .chain(logs::tests())
        .chain(exec::tests())
        .chain(down::tests())
        .collect()
}

const TWO: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
  job:
    image: app:1
    command: [sh, -c, "echo done; exit 0"]
"#;

/// Two services, one of which has ended.
fn two(lab: &Lab) -> UpRun {
    let mut run = Up::app(lab, TWO).start();
    run.until_stdout("up");
    run.until_stdout("done");
    wait::until("the end of the job", PATIENCE, || {
        let pods = json(lab, &["ps", "--format", "json", "--pod", "app"]);
        (pods[0]["services"][1]["status"] == "exited").then_some(())
    });
    run
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

pub(crate) fn ok(lab: &Lab, words: &[&str]) -> String {
    let output = lab.output(words);
    assert!(output.status.success(), "{words:?}: {}", output.status);
    text(&output)
}

pub(crate) fn json(lab: &Lab, words: &[&str]) -> Value {
    serde_json::from_str(&ok(lab, words)).expect("it is JSON")
}

/// A command that goes on, with pipes for its streams.
fn start(lab: &Lab, words: &[&str]) -> Child {
    Command::new(EXECUTOR)
        .args(lab.options())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts")
}

/// `exec` with these words, in the service web of the only pod; and its code.
fn run_in(lab: &Lab, words: &[&str]) -> (Option<i32>, Output) {
    let options = lab.options();
    let mut command = Command::new(EXECUTOR);
    command
        .args(options)
        .arg("exec")
        .args(words)
        .stdin(Stdio::null());
    let output = command.output().expect("the program starts");
    (output.status.code(), output)
}

fn ps_and_inspect_tell_of_services(lab: &Lab) {
    let run = two(lab);
    let pods = json(lab, &["ps", "--format", "json", "-A"]);
    let pod = &pods[0];
    assert_eq!(pods.as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&pod["schema"], &pod["project"]),
        (&1.into(), &"app".into())
    );
    assert_eq!(pod["owner"]["state"], "alive");
    assert_eq!(pod["owner"]["pid"], run.pid());
    let web = &pod["services"][0];
    assert_eq!(
        (&web["service"], &web["status"]),
        (&"web".into(), &"running".into())
    );
    let pid = web["pid"].as_i64().expect("it runs");
    assert!(
        run.pod()
            .service("web")
            .iter()
            .any(|process| i64::from(process.pid) == pid)
    );
    let job = &pod["services"][1];
    assert_eq!(
        (&job["status"], &job["exit_code"]),
        (&"exited".into(), &0.into())
    );

    let id = pod["pod"].as_str().expect("it has one").to_owned();
    assert_eq!(ok(lab, &["ps", "-q", "--pod", &id[..4]]), format!("{id}\n"));
    let table = ok(lab, &["ps", "--pod", "app"]);
    assert!(
        table
            .lines()
            .any(|line| line.contains("job") && line.contains("exited (0)")),
        "{table}"
    );
    let unknown = lab.output(&["ps", "--pod", "nope"]);
    assert_eq!(unknown.status.code(), Some(1));

    let inspected = json(lab, &["inspect", "--pod", &id, "web"]);
    let services = inspected[0]["services"].as_array().expect("a list");
    assert_eq!(services.len(), 1);
    assert_eq!(services[0]["document"]["process"]["args"][0], "sh");
}

fn ps_tells_health_and_restarts(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck:
      test: [CMD, test, -e, /share/well]
      interval: 100ms
      start_period: 1h
      start_interval: 100ms
      retries: 2
  shaky:
    image: app:1
    restart: on-failure
    stop_grace_period: 0s
    command: [sh, -c, "echo x >> /runs; [ $$(wc -l < /runs) -ge 3 ] && exec sleep 1000; exit 1"]
"#;
    let up = Up::app(lab, services);
    let share = up.folder().join("share");
    fs::create_dir(&share).expect("the fixture's folder takes a folder");
    let _run = up.start();
    let until = |what: &str, health: &str, restarts: u64| {
        wait::until(what, PATIENCE, || {
            let output = lab.output(&["ps", "--pod", "app", "--format", "json"]);
            let pods: Value = serde_json::from_slice(&output.stdout).ok()?;
            let services = &pods[0]["services"];
            let shaky = (&services[1]["status"], &services[1]["restarts"]);
            let is_so =
                services[0]["health"] == health && shaky == (&"running".into(), &restarts.into());
            is_so.then(|| services.clone())
        })
    };
    let services = until("a start", "starting", 2);
    assert_eq!(services[0]["restarts"], 0);
    assert_eq!(services[1]["health"], Value::Null);
    fs::write(share.join("well"), "").expect("the service's folder takes a file");
    until("health", "healthy", 2);
    let table = ok(lab, &["ps", "--pod", "app"]);
    let row = |name: &str| -> Vec<&str> {
        let row = table.lines().find(|line| line.contains(name));
        let cells = row.expect("it has a row").split_whitespace();
        cells.skip(3).take(4).collect()
    };
    assert_eq!(row(" web "), ["web", "running", "healthy", "0"], "{table}");
    assert_eq!(row(" shaky "), ["shaky", "running", "-", "2"], "{table}");
    fs::remove_file(share.join("well")).expect("it is there");
    until("ill health", "unhealthy", 2);
}

fn a_pod_that_is_not_clear_is_told_with_those_there_are(lab: &Lab) {
    let _runs = [two(lab), two_beside(lab)];
    let pods = json(lab, &["ps", "-A", "--format", "json"]);
    let ids: Vec<&str> = (0..2).filter_map(|n| pods[n]["pod"].as_str()).collect();
    let commands: [&[&str]; 7] = [
        &["ps"],
        &["inspect"],
        &["logs"],
        &["stats", "--no-stream"],
        &["events"],
        &["down"],
        &["exec"],
    ];
    for command in commands {
        for (word, told) in [("app", "more than one"), ("nope", "there are: ")] {
            let flags = [command, &["--pod", word]].concat();
            let output = if command == ["exec"] {
                run_in(lab, &["--pod", word, "web", "true"]).1
            } else {
                lab.output(&flags)
            };
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{flags:?}: {error}");
            for words in [told, ids[0], ids[1]] {
                assert!(error.contains(words), "no {words:?}: {flags:?}: {error}");
            }
        }
    }
}

fn services_are_shown_that_are_named(lab: &Lab) {
    let _run = two(lab);
    let table = ok(lab, &["ps", "web"]);
    assert!(
        table.contains(" web ") && !table.contains(" job "),
        "{table}"
    );
    let names = |rows: &Value| -> Vec<String> {
        let rows = rows.as_array().expect("it is an array").iter();
        let names = rows.filter_map(|row| row["service"].as_str());
        names.map(str::to_owned).collect()
    };
    for command in ["ps --format json job", "inspect job"] {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(
            names(&json(lab, &words)[0]["services"]),
            ["job"],
            "{command}"
        );
    }
    let rows = json(lab, &["stats", "--no-stream", "--format", "json", "web"]);
    assert_eq!(names(&rows), ["web"]);
    for command in [
        "ps",
        "inspect",
        "logs",
        "stats --no-stream",
        "events --pod app",
    ] {
        let words: Vec<&str> = command.split(' ').chain(["web", "nope"]).collect();
        let output = lab.output(&words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {error}");
        let told = "has no service \"nope\"; it has web, job";
        assert!(error.contains(told), "{command}: {error}");
    }
}

/// Another pod of the same project.
fn two_beside(lab: &Lab) -> UpRun {
    let mut run = Up::app(lab, TWO).start();
    run.until_stdout("up");
    run
}

fn stats_tell_what_is_used(lab: &Lab) {
    let services = r#"
  busy:
    image: app:1
    command: [sh, -c, "echo up; while :; do :; done"]
    mem_limit: 64m
    stop_grace_period: 0s
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("up");
    let rows = json(
        lab,
        &["stats", "--no-stream", "--format", "json", "--pod", "app"],
    );
    let busy = &rows[0];
    assert_eq!(
        (&busy["schema"], &busy["service"]),
        (&1.into(), &"busy".into())
    );
    assert!(busy["cpus"].as_f64().expect("it is told") > 0.0);
    assert!(busy["memory_bytes"].as_u64().expect("it is told") > 0);
    assert_eq!(busy["memory_limit_bytes"], 64 << 20);
    assert_eq!(busy["pids"], 1);
    let table = ok(lab, &["stats", "--pod", "app"]);
    assert!(
        table.contains("busy") && table.contains("64.0MiB"),
        "{table}"
    );
}

fn events_are_told_as_they_happen(lab: &Lab) {
    let mut follow = start(lab, &["events", "--format", "json", "-A"]);
    let mut lines = BufReader::new(follow.stdout.take().expect("it is a pipe")).lines();
    let mut seen = Vec::new();
    // It says nothing before the first event: so pods are run until it has told of one.
    let services = "  only:\n    image: app:1\n    command: [sh, -c, exit 3]\n";
    let reader = std::thread::spawn(move || {
        while let Some(Ok(line)) = lines.next() {
            let event: Value = serde_json::from_str(&line).expect("it is JSON");
            let is_end = event["event"] == "remove" && event["service"].is_null();
            seen.push(event);
            if is_end {
                break;
            }
        }
        seen
    });
    wait::until("the end of a pod in the events", PATIENCE, || {
        let mut run = Up::app(lab, services).start();
        assert_eq!(run.until_end().code(), Some(3));
        reader.is_finished().then_some(())
    });
    let seen = reader.join().expect("it reads");
    let exit = seen
        .iter()
        .find(|event| event["event"] == "exit" && event["service"] == "only");
    let exit = exit.expect("it was told");
    assert_eq!(exit["exit_code"], 3);
    let fields = "schema time event pod task project service exit_code health";
    for event in &seen {
        assert_fields(event, fields);
    }
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
}

/// The service's health is turned until both ways were told.
fn events_tell_of_health(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    volumes: [./share:/share]
    stop_grace_period: 0s
    command: [sleep, "1000"]
    healthcheck: {test: [CMD, test, -e, /share/well], interval: 100ms, retries: 1}
"#;
    let up = Up::app(lab, services);
    let well = up.folder().join("share/well");
    fs::create_dir(up.folder().join("share")).expect("the fixture's folder takes a folder");
    fs::write(&well, "").expect("the service's folder takes a file");
    let _run = up.start();
    let until = |health: &str| {
        wait::until(health, PATIENCE, || {
            let output = lab.output(&["ps", "--pod", "app", "--format", "json"]);
            let pods: Value = serde_json::from_slice(&output.stdout).ok()?;
            (pods[0]["services"][0]["health"] == health).then_some(())
        });
    };
    until("healthy");
    let mut follow = start(lab, &["events", "--format", "json", "--pod", "app"]);
    let mut lines = BufReader::new(follow.stdout.take().expect("it is a pipe")).lines();
    let reader = std::thread::spawn(move || {
        let mut seen = Vec::new();
        while seen.len() < 2 {
            let line = lines.next().expect("it goes on").expect("it is text");
            let event: Value = serde_json::from_str(&line).expect("it is JSON");
            assert_eq!(
                (&event["event"], &event["service"]),
                (&"health".into(), &"web".into())
            );
            seen.push(event["health"].clone());
        }
        seen
    });
    wait::until("health in the events", PATIENCE, || {
        fs::remove_file(&well).expect("it is there");
        until("unhealthy");
        fs::write(&well, "").expect("the service's folder takes a file");
        until("healthy");
        reader.is_finished().then_some(())
    });
    let seen = reader.join().expect("it reads");
    assert!(
        seen.contains(&"healthy".into()) && seen.contains(&"unhealthy".into()),
        "{seen:?}"
    );
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
}

fn a_detached_pod_goes_on_alone(lab: &Lab) {
    let up = Up::app(lab, TWO).word("-d");
    let folder = up.folder().display().to_string();
    let mut up = up.start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    let id = up.stdout().trim().to_owned();
    assert_eq!(id.len(), 12, "{id}");
    assert!(!up.pod().service("web").is_empty());
    wait::until("the service's log", PATIENCE, || {
        (text(&lab.output(&["logs", "--pod", &id, "--no-log-prefix", "web"])) == "up\n")
            .then_some(())
    });
    let again = lab.output(&["up", "-d", "--project-directory", &folder]);
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(
        told.contains("runs already here") && told.contains(&id),
        "{told}"
    );
    let ended = ok(lab, &["down", "--project-directory", &folder]);
    assert_eq!(ended.matches("ended").count(), 2, "{ended}");
    assert!(up.pod_is_gone());
}

fn a_detached_pod_that_fails_says_why(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    command: [nowhere]\n";
    let mut up = Up::app(lab, services).word("-d").start();
    assert_ne!(up.until_end().code(), Some(0));
    assert!(up.stderr().contains("nowhere"), "{}", up.stderr());
    assert_eq!(up.stdout(), "");
}

fn a_task_is_found_by_its_id_and_ended(lab: &Lab) {
    let mut run = Task::app(lab, TWO).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("up");
    let task = run.task_id();
    let pods = json(lab, &["ps", "--format", "json", "--pod", &task]);
    assert!(pods[0]["mesos"]["executor"].is_string());
    assert!(ok(lab, &["logs", "--pod", &task]).contains("web | up"));
    let (code, output) = run_in(lab, &["--pod", &task, "-T", "web", "echo", "hi"]);
    assert_eq!((code, text(&output).as_str()), (Some(0), "hi\n"));
    assert!(ok(lab, &["down", "--pod", &task, "-t", "30"]).contains("ended"));
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}
