//! The same pods without Mesos: `up`, and what its user sees.

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        it_ends_with_0_when_all_do,
        it_ends_with_the_code_of_the_service_that_failed,
        ctrl_c_stops_the_pod,
        sigterm_stops_the_pod,
        ports_are_not_published_yet,
        a_mistake_is_shown_with_its_line,
        it_needs_a_containerd,
        two_at_once,
        out_of_memory_is_told,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;

fn it_ends_with_0_when_all_do(lab: &Lab) {
    let services = r#"
  one:
    image: app:1
    command: [echo, hello]
  two:
    image: app:1
    command: [sh, -c, "echo there >&2"]
"#;
    let mut up = Up::app(lab, services).start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert!(
        up.stdout().lines().any(|line| line == "one | hello"),
        "{}",
        up.stdout()
    );
    assert!(
        up.stderr().lines().any(|line| line == "two | there"),
        "{}",
        up.stderr()
    );
}

fn it_ends_with_the_code_of_the_service_that_failed(lab: &Lab) {
    let services = format!("{SLEEPS}  bad:\n    image: app:1\n    command: [sh, -c, exit 7]\n");
    let mut up = Up::app(lab, &services).start();
    assert_eq!(up.until_end().code(), Some(7), "{}", up.stderr());
    assert!(up.stderr().contains("bad"), "{}", up.stderr());
}

fn ctrl_c_stops_the_pod(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let pod = up.pod();
    up.signal(Signal::SIGINT);
    assert_eq!(up.until_end().code(), Some(130), "{}", up.stderr());
    assert!(pod.processes().is_empty());
    assert!(
        up.stdout().contains("bye"),
        "it was asked to stop: {}",
        up.stdout()
    );
}

fn sigterm_stops_the_pod(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    up.signal(Signal::SIGTERM);
    up.until_end();
    assert!(
        up.stdout().contains("bye"),
        "it was asked to stop: {}",
        up.stdout()
    );
}

fn ports_are_not_published_yet(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    command: [echo, hi]\n    ports: ['8080:80']\n";
    let mut up = Up::app(lab, services).start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert!(up.stderr().contains("not published yet"), "{}", up.stderr());
}

fn a_mistake_is_shown_with_its_line(lab: &Lab) {
    let services = "  web:\n    image: app:1\n    comand: [sleep, '1']\n";
    let mut up = Up::app(lab, services).start();
    assert_eq!(up.until_end().code(), Some(3), "{}", up.stderr());
    let text = up.stderr();
    assert!(
        text.contains("compose.yaml:7:5") && text.contains("comand: [sleep"),
        "{text}"
    );
    assert!(!text.contains('\x1b'), "no colours in a file: {text}");
}

fn it_needs_a_containerd(lab: &Lab) {
    let nowhere = lab.fixture().join("nowhere.sock").display().to_string();
    let mut up = Up::app(lab, SLEEPS).containerd(&nowhere).start();
    assert!(!up.until_end().success());
    assert!(up.stderr().contains(&nowhere), "{}", up.stderr());
}

fn two_at_once(lab: &Lab) {
    let mut left = Up::app(lab, SLEEPS).start();
    let mut right = Up::app(lab, SLEEPS).start();
    left.until_stdout("up");
    right.until_stdout("up");
    left.signal(Signal::SIGINT);
    assert_eq!(left.until_end().code(), Some(130), "{}", left.stderr());
    // The only one left.
    let alive = right.pod().service("one");
    assert!(!alive.is_empty());
    right.signal(Signal::SIGINT);
    assert_eq!(right.until_end().code(), Some(130), "{}", right.stderr());
}

/// By the kernel's counter, in either version of control groups.
fn out_of_memory_is_told(lab: &Lab) {
    let services =
        "  eater:\n    image: app:1\n    mem_limit: 16m\n    command: [tail, /dev/zero]\n";
    let mut up = Up::app(lab, services).start();
    assert_eq!(up.until_end().code(), Some(137), "{}", up.stderr());
    assert!(up.stderr().contains("out of memory"), "{}", up.stderr());
}
