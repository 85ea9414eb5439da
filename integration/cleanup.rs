//! `cleanup` removes what a dead owner left, and never touches a live pod.

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        nothing_to_do_is_fine,
        a_killed_up_is_cleaned_after,
        a_live_pod_is_left_alone,
        twice_is_as_good_as_once,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    volumes: [data:/data]
    command: [sh, -c, "echo up; while :; do sleep 1000; done"]
volumes: {data: {}}
"#;

fn nothing_to_do_is_fine(lab: &Lab) {
    lab.cleanup();
}

/// Without Mesos nobody kills the processes of an `up` that was killed: `cleanup` does.
fn a_killed_up_is_cleaned_after(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let pod = up.pod();
    up.signal(Signal::SIGKILL);
    up.until_end();
    assert!(!pod.processes().is_empty(), "containerd keeps them");
    lab.cleanup();
    assert!(pod.processes().is_empty());
}

fn a_live_pod_is_left_alone(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    let before: Vec<_> = up
        .pod()
        .processes()
        .iter()
        .map(|process| process.pid)
        .collect();
    lab.cleanup();
    let after: Vec<_> = up
        .pod()
        .processes()
        .iter()
        .map(|process| process.pid)
        .collect();
    assert_eq!(after, before);
    up.signal(Signal::SIGINT);
    assert_eq!(up.until_end().code(), Some(130), "{}", up.stderr());
}

fn twice_is_as_good_as_once(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    up.signal(Signal::SIGKILL);
    up.until_end();
    lab.cleanup();
    lab.cleanup();
}
