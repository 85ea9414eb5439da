//! Checks that a framework wants of its task: tried from inside the pod, told as Mesos has it.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use compose_executor::sys::netns;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, Stream};

use crate::lab::Lab;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_health_check_by_http_looks_into_the_pods_network,
        a_health_check_by_http_follows_redirections,
        a_health_check_by_https_takes_any_certificate,
        a_health_check_by_tcp_connects_in_the_pods_network,
        a_health_check_by_command_runs_in_the_main_container,
        a_command_that_takes_too_long_is_killed_with_its_children,
        a_health_check_that_fails_too_often_ends_the_task,
        a_check_is_told_with_every_update,
    ]
    .into()
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

/// As Mesos' own executors do: the page that is asked for says where to ask, by a service's name, and
/// what is there decides.
fn a_health_check_by_http_follows_redirections(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    stop_grace_period: 0s
    command:
      - sh
      - -c
      - |
        mkdir -p /www/cgi-bin
        printf '#!/bin/sh\nprintf "Status: 302 Found\\r\\nLocation: http://api:8081/page\\r\\n\\r\\n"\n' > /www/cgi-bin/moved
        chmod +x /www/cgi-bin/moved
        exec httpd -f -p 8080 -h /www
  api:
    image: app:1
    stop_grace_period: 0s
    command: [sh, -c, "mkdir /www; httpd -p 8081 -h /www; until [ -e /share/well ]; do sleep 0.1; done; echo hello > /www/page; sleep 1000"]
    volumes: [./share:/share]
"#;
    let check = r#"{"health_check": {"type": "HTTP", "http": {"port": 8080, "path": "/cgi-bin/moved"},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 0,
        "consecutive_failures": 1000}}"#;
    let mut run = Task::app(lab, services)
        .folder("share")
        .option("--merge-task", check)
        .launch();
    run.until_update("no page where it was sent", |update| {
        update.healthy() == Some(false) && update.message().contains("404")
    });
    std::fs::write(run.sandbox().join("share/well"), "").expect("the sandbox is there");
    run.until_update("health", |update| update.healthy() == Some(true));
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// The server is the test's own, in the pod's network.
fn a_health_check_by_https_takes_any_certificate(lab: &Lab) {
    let check = r#"{"health_check": {"type": "HTTP",
        "http": {"port": 8443, "path": "/page", "scheme": "https"},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 60}}"#;
    let mut run = Task::app(lab, SERVES)
        .option("--merge-task", check)
        .launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let processes = pod.service("web");
    let web = processes.first().expect("it runs");
    let netns = PathBuf::from(format!("/proc/{}/ns/net", web.pid));
    let listener = netns::within(&netns, || TcpListener::bind("127.0.0.1:8443"));
    let listener = listener
        .expect("it is a network")
        .expect("the port is free");
    let serving = thread::spawn(move || answer_once(&listener));
    let well = run.until_update("health", |update| update.healthy() == Some(true));
    assert_eq!(well.reason(), "REASON_TASK_HEALTH_CHECK_STATUS_UPDATED");
    let request = serving.join().expect("it has answered");
    assert!(request.starts_with("GET /page HTTP/1.1"), "{request}");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// Shows a certificate that nobody has vouched for, and gives the request.
fn answer_once(listener: &TcpListener) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["web.example".to_owned()]);
    let made = made.expect("the name is a good one");
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("it is a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("certificate and key belong together");
    let (mut socket, _) = listener.accept().expect("the check connects");
    let mut session = ServerConnection::new(Arc::new(config)).expect("the configuration is good");
    let mut stream = Stream::new(&mut session, &mut socket);
    let mut request = [0; 4096];
    let length = stream.read(&mut request).expect("the check asks");
    let sent = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    sent.and_then(|()| stream.flush())
        .expect("the check listens");
    String::from_utf8_lossy(&request[..length]).into_owned()
}

fn a_health_check_by_tcp_connects_in_the_pods_network(lab: &Lab) {
    let check = r#"{"health_check": {"type": "TCP", "tcp": {"port": 8080},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 60}}"#;
    becomes_healthy(Task::app(lab, SERVES).option("--merge-task", check));
}

fn becomes_healthy(task: Task<'_>) {
    let mut run = task.launch();
    run.until_state("TASK_RUNNING");
    let well = run.until_update("health", |update| update.healthy().is_some());
    assert_eq!(well.healthy(), Some(true), "{}", well.message());
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// The first service is not the one.
const TWO: &str = r#"
x-pod: {images: [./app.tar], main: web}
services:
  side:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
  web:
    image: app:1
    environment: {SERVICE: web}
    command: [sh, -c, "trap 'exit 0' TERM; touch /tmp/here; while :; do sleep 0.1; done"]
"#;

fn a_health_check_by_command_runs_in_the_main_container(lab: &Lab) {
    let check = r#"{"health_check": {"type": "COMMAND",
        "command": {"value": "test -e /tmp/here -a $SERVICE = web"},
        "delay_seconds": 0, "interval_seconds": 0.2, "grace_period_seconds": 60}}"#;
    let task = Task::app(lab, "").compose(TWO);
    becomes_healthy(task.option("--merge-task", check));
}

/// Grace is over at once, so that it is told.
fn a_command_that_takes_too_long_is_killed_with_its_children(lab: &Lab) {
    let check = r#"{"health_check": {"type": "COMMAND",
        "command": {"value": "[ -e /tmp/hung ] && exit 0; touch /tmp/hung; sleep 4321 & sleep 4321"},
        "delay_seconds": 0, "interval_seconds": 0.2, "timeout_seconds": 0.5,
        "grace_period_seconds": 0}}"#;
    let task = Task::app(lab, "").compose(TWO);
    let mut run = task.option("--merge-task", check).launch();
    let ill = run.until_update("ill health", |update| update.healthy() == Some(false));
    assert!(ill.message().contains("took too long"), "{}", ill.message());
    run.until_update("health", |update| update.healthy() == Some(true));
    let processes = run.pod().processes();
    let hung = processes
        .iter()
        .filter(|it| it.command.contains(&"4321".to_owned()));
    assert_eq!(hung.count(), 0, "{processes:?}");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
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
