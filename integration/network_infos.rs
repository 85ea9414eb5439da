//! Where a task is reached, as each of its updates tells.

use std::fs;
use std::process::Command;

use crate::lab::Lab;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_pods_own_address_is_told_from_running_on,
        a_pod_in_the_hosts_network_is_reached_as_its_agent_is,
    ]
    .into()
}

/// Runs once the test has said so.
const PROBED: &str = r#"
  web:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
    healthcheck: {test: "cat /share/well", interval: 100ms, retries: 1000}
"#;

/// A network has nothing but loopback by itself: the test puts an interface in it, as a plugin
/// would. Only what others can reach is told.
fn a_pods_own_address_is_told_from_running_on(lab: &Lab) {
    let mut run = Task::app(lab, PROBED).folder("share").launch();
    run.until_update("a word on what is waited for", |update| {
        update.message().contains("\"web\" to become healthy")
    });
    let pod = run.pod();
    let processes = pod.service("web");
    let web = processes.first().expect("it runs").pid.to_string();
    for words in [
        "link add pod0 type bridge",
        "address add 10.9.8.7/24 dev pod0",
        "address add fd00:9::7/64 dev pod0 nodad",
        "address add 10.9.9.9/32 dev lo",
        "link set pod0 up",
        "link add down0 type bridge",
        "address add 10.9.7.7/24 dev down0",
    ] {
        let status = Command::new("nsenter")
            .args(["--target", &web, "--net", "ip"])
            .args(words.split(' '))
            .status();
        assert!(status.expect("nsenter is there").success(), "ip {words}");
    }
    fs::write(run.sandbox().join("share/well"), "").expect("the sandbox is there");
    let own = ["10.9.8.7", "fd00:9::7"];
    assert_eq!(run.until_state("TASK_RUNNING").addresses(), own);
    fs::remove_file(run.sandbox().join("share/well")).expect("it is there");
    run.kill();
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.addresses()),
        ("TASK_KILLED", own.to_vec())
    );
    run.until_gone();
    let updates = run.updates();
    let ran = updates
        .iter()
        .skip_while(|it| it.state() == "TASK_STARTING");
    for update in ran {
        assert_eq!(update.addresses(), own, "{update:?}");
    }
}

/// That is the agent's own word, which it adds where there is none of ours.
fn a_pod_in_the_hosts_network_is_reached_as_its_agent_is(lab: &Lab) {
    let services = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services)
        .config("[network]\nmode = \"host\"\n")
        .launch();
    run.until_state("TASK_RUNNING");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    for update in run.updates() {
        assert_eq!(update.addresses(), ["127.0.0.1"], "{update:?}");
    }
}
