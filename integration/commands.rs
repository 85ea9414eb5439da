//! What an operator does with pods that run: ps, logs, exec, stats, inspect, events, down, up -d.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;
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
        logs_are_shown_by_service_and_time,
        logs_are_followed_to_the_end,
        exec_passes_streams_and_codes,
        exec_runs_as_it_is_told,
        exec_has_a_terminal_of_the_right_size,
        stats_tell_what_is_used,
        events_are_told_as_they_happen,
        down_ends_the_pod_of_a_folder,
        down_kills_when_the_time_is_up,
        down_removes_volumes_when_it_is_told,
        down_cleans_up_after_a_dead_owner,
        a_detached_pod_goes_on_alone,
        a_detached_pod_that_fails_says_why,
    ];
    let mesos = tests![Mesos: a_task_is_found_by_its_id_and_ended];
    up.into_iter().chain(mesos).collect()
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
fn exec(lab: &Lab, words: &[&str]) -> (Option<i32>, Output) {
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
                exec(lab, &["--pod", word, "web", "true"]).1
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

/// Another pod of the same project.
fn two_beside(lab: &Lab) -> UpRun {
    let mut run = Up::app(lab, TWO).start();
    run.until_stdout("up");
    run
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

fn line(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> String {
    lines.next().expect("there is a line").expect("it is text")
}

fn exec_passes_streams_and_codes(lab: &Lab) {
    let _run = two(lab);
    let (code, output) = exec(lab, &["web", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(code, Some(7));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(exec(lab, &["web", "sh", "-c", "kill -9 $$"]).0, Some(137));
    assert_eq!(exec(lab, &["web", "nowhere"]).0, Some(127));
    assert_eq!(exec(lab, &["web", "/etc"]).0, Some(126));
    assert_eq!(exec(lab, &["job", "true"]).0, Some(1), "it has ended");
    assert_eq!(exec(lab, &["nope", "true"]).0, Some(1));

    let mut cat = start(lab, &["exec", "-T", "--pod", "app", "web", "wc", "-c"]);
    // More than any pipe holds.
    let mut input = cat.stdin.take().expect("it is a pipe");
    input.write_all(&vec![b'x'; 1 << 20]).expect("it reads");
    drop(input);
    let output = cat.wait_with_output().expect("it ends");
    assert_eq!(text(&output).trim(), "1048576");
    assert!(output.status.success());
}

fn exec_runs_as_it_is_told(lab: &Lab) {
    let _run = two(lab);
    let script = "echo $(id -u):$(id -g) $PWD $A; cat /proc/self/cgroup";
    let words = [
        "-u", "1000:7", "-w", "/tmp", "-e", "A=b", "web", "sh", "-c", script,
    ];
    let (code, output) = exec(lab, &words);
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = text(&output);
    assert_eq!(said.lines().next(), Some("1000:7 /tmp b"));
    // It has no more rights than the service.
    let (_, output) = exec(lab, &["web", "grep", "CapEff", "/proc/self/status"]);
    let (_, service) = exec(lab, &["web", "grep", "CapEff", "/proc/1/status"]);
    assert!(!output.stdout.is_empty() && !service.stdout.is_empty());
}

fn exec_has_a_terminal_of_the_right_size(lab: &Lab) {
    let _run = two(lab);
    let size = Winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).expect("a terminal can be made");
    let ours = |fd: &std::os::fd::OwnedFd| fd.try_clone().expect("it is open");
    // The size comes after the start; whoever wants to know it waits for a while.
    let script = "for n in 1 2 3 4 5 6 7 8 9; do [ \"$(stty size)\" = '33 99' ] && break; sleep 0.2; done; tty; stty size; read word; echo got $word";
    let mut child = Command::new(EXECUTOR)
        .args(lab.options())
        .args(["exec", "--pod", "app", "web", "sh", "-c", script])
        .stdin(ours(&pty.slave))
        .stdout(ours(&pty.slave))
        .stderr(ours(&pty.slave))
        .spawn()
        .expect("the program starts");
    drop(pty.slave);
    let mut terminal = fs::File::from(pty.master);
    terminal.write_all(b"hello\r").expect("it reads");
    let mut shown = Vec::new();
    // A terminal that everybody has left ends with an error.
    let _ = terminal.read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("/dev/pts/0") || shown.contains("/dev/console"),
        "{shown}"
    );
    assert!(
        shown.contains("33 99") && shown.contains("got hello"),
        "{shown}"
    );
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
    let fields = "schema time event pod task project service exit_code";
    for event in &seen {
        assert_fields(event, fields);
    }
    follow.kill().expect("it runs");
    follow.wait().expect("it ends");
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
    assert_eq!(exec(lab, &["--pod", "app", "web", "true"]).0, Some(1));
    assert!(ok(lab, &["down", "--pod", "app"]).contains("cleaned up"));
    assert_eq!(
        json(lab, &["ps", "-A", "--format", "json"]),
        Value::Array(Vec::new())
    );
}

fn a_detached_pod_goes_on_alone(lab: &Lab) {
    let mut up = Up::app(lab, TWO).word("-d").start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    let id = up.stdout().trim().to_owned();
    assert_eq!(id.len(), 12, "{id}");
    assert!(!up.pod().service("web").is_empty());
    wait::until("the service's log", PATIENCE, || {
        (text(&lab.output(&["logs", "--pod", &id, "--no-log-prefix", "web"])) == "up\n")
            .then_some(())
    });
    assert!(ok(lab, &["down", "--pod", &id]).contains("ended"));
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
    let (code, output) = exec(lab, &["--pod", &task, "-T", "web", "echo", "hi"]);
    assert_eq!((code, text(&output).as_str()), (Some(0), "hi\n"));
    assert!(ok(lab, &["down", "--pod", &task, "-t", "30"]).contains("ended"));
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}
