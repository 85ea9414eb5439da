//! containerd replaced by a newer one under a running pod: nothing changes for the pod.
//!
//! `CONTAINERDS` names the folder that the newer ones are in, as `make containerds` fetches them.

use std::env;
use std::fs;
use std::path::PathBuf;

use super::containerd::{lasting, part};
use super::{SLEEPS, WAITS};
use crate::lab::Lab;
use crate::lab::containerd::Spare;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

/// None where there is nothing to upgrade to; the Makefile tells so.
pub(super) fn tests() -> Vec<Test> {
    if env::var_os("CONTAINERDS").is_none() {
        return Vec::new();
    }
    tests![Mesos:
        to_1_7_a_pod_goes_on,
        to_1_7_an_exit_is_told,
        to_1_7_a_service_is_started_again,
        to_2_a_pod_goes_on,
        to_2_an_exit_is_told,
        to_2_a_service_is_started_again,
    ]
    .into()
}

fn to_1_7_a_pod_goes_on(lab: &Lab) {
    goes_on(lab, "containerd-1.7");
}

fn to_1_7_an_exit_is_told(lab: &Lab) {
    exit_is_told(lab, "containerd-1.7");
}

fn to_2_a_pod_goes_on(lab: &Lab) {
    goes_on(lab, "containerd-2");
}

fn to_2_an_exit_is_told(lab: &Lab) {
    exit_is_told(lab, "containerd-2");
}

fn to_1_7_a_service_is_started_again(lab: &Lab) {
    is_started_again(lab, "containerd-1.7");
}

fn to_2_a_service_is_started_again(lab: &Lab) {
    is_started_again(lab, "containerd-2");
}

/// The folder of a version's programs.
fn programs(version: &str) -> PathBuf {
    let all = PathBuf::from(env::var_os("CONTAINERDS").unwrap_or_default());
    let folder = all.join(version).join("usr/bin");
    assert!(
        folder.join("containerd").exists(),
        "CONTAINERDS has no {version}: make containerds fetches it"
    );
    folder
}

fn upgrade(containerd: &Spare, version: &str) {
    containerd.stop();
    containerd.replace_by(&programs(version));
    containerd.start_again();
}

fn goes_on(lab: &Lab, version: &str) {
    let containerd = Spare::start(&lab.fixture().join("containerd"), None);
    let mut run = Task::app(lab, SLEEPS).on(&containerd, "").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let before = lasting(&pod);
    upgrade(&containerd, version);
    assert_eq!(lasting(&pod), before);
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    for word in ["SIGKILL", "shim"] {
        assert!(!end.message().contains(word), "{}", end.message());
    }
    run.until_gone();
    assert_eq!(
        run.states(),
        ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
    );
}

fn exit_is_told(lab: &Lab, version: &str) {
    let containerd = Spare::start(&lab.fixture().join("containerd"), None);
    let mut run = Task::app(lab, WAITS)
        .folder("share")
        .on(&containerd, "")
        .launch();
    run.until_state("TASK_RUNNING");
    upgrade(&containerd, version);
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(end.message().contains("exit=5"), "{}", end.message());
    run.until_gone();
}

/// Its new task finds the shim that the old containerd started.
fn is_started_again(lab: &Lab, version: &str) {
    const FAILS_ONCE: &str = r"
  one:
    image: app:1
    restart: on-failure
    volumes: [./share:/share]
    command:
      - sh
      - -c
      - |
        trap 'exit 0' TERM
        [ -e /share/go ] && echo again
        until [ -e /share/go ]; do sleep 0.1; last=yes; done
        [ $$last ] && exit 5
        while :; do sleep 0.1; done
";
    let containerd = Spare::start(&lab.fixture().join("containerd"), None);
    let mut run = Task::app(lab, FAILS_ONCE)
        .folder("share")
        .on(&containerd, "")
        .launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let shim = part(&pod, "shim");
    upgrade(&containerd, version);
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    run.until_stdout("again");
    assert_eq!(part(&pod, "shim"), shim);
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
}
