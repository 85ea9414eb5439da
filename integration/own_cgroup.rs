//! Where an executor's pods go in the control groups of a host, whichever version those have.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::app;
use crate::lab::Lab;
use crate::lab::agent::{self, LoneExecutor, TASK_KILLED, TASK_RUNNING};
use crate::lab::host::{CGROUPS, cgroup_v1};
use crate::lab::pod::Pod;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd: pods_go_below_the_executors_cgroup]);
    // With version 1 a group may have both processes and groups below.
    if !cgroup_v1() {
        all.extend(tests![Containerd: a_group_that_others_are_in_is_left_alone]);
    }
    all
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    mem_limit: 32m
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;

fn launch(lab: &Lab, name: &str) -> LoneExecutor {
    let cgroup = agent::cgroup(name);
    LoneExecutor::launch(lab, cgroup, &app::compose(SLEEPS), &app::image())
}

fn cgroup_of(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it runs")
}

fn pods_go_below_the_executors_cgroup(lab: &Lab) {
    let mut executor = launch(lab, "own");
    executor.until_state(TASK_RUNNING);
    let base = executor.cgroup.path();
    let pod = Pod::below(&base);
    assert!(!pod.service("one").is_empty());
    if !cgroup_v1() {
        assert_eq!(cgroup_of(executor.pid()), format!("0::{base}/executor\n"));
        let limit = format!("{CGROUPS}{}/svc-one/memory.max", pod.cgroup());
        assert_eq!(
            fs::read_to_string(limit).expect("the controller is on"),
            format!("{}\n", 32 << 20)
        );
    }
    executor.kill_task();
    executor.until_state(TASK_KILLED);
    executor.until_gone();
    assert!(Pod::all_below(&base).is_empty());
}

/// As below an agent without isolation: its own processes are there, and other executors.
fn a_group_that_others_are_in_is_left_alone(lab: &Lab) {
    let cgroup = agent::cgroup("shared");
    let mut other = Command::new("setsid")
        .args(["cat"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("setsid starts");
    let procs = format!("{CGROUPS}{}/cgroup.procs", cgroup.path());
    fs::write(procs, other.id().to_string()).expect("a process can be moved there");

    let mut executor = LoneExecutor::launch(lab, cgroup, &app::compose(SLEEPS), &app::image());
    executor.until_state(TASK_RUNNING);
    let base = executor.cgroup.path();
    assert_eq!(cgroup_of(executor.pid()), format!("0::{base}\n"));
    assert_eq!(cgroup_of(other.id()), format!("0::{base}\n"));
    let pod = Pod::below("/compose-executor");
    assert!(!pod.service("one").is_empty());
    // Nobody else holds it to what its task may use.
    let limit = |name: &str| {
        let file = format!("{CGROUPS}{}/{name}", pod.cgroup());
        fs::read_to_string(file).expect("the controllers are on")
    };
    assert_eq!(limit("cpu.weight"), "50\n", "of {} CPUs", agent::CPUS);
    assert_eq!(limit("memory.max"), format!("{}\n", 256 << 20));
    executor.kill_task();
    executor.until_state(TASK_KILLED);
    executor.until_gone();
    drop(other.stdin.take());
    other.wait().expect("it is our child");
    assert!(!Path::new(CGROUPS).join("compose-executor").exists());
}
