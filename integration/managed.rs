//! A containerd of the program's own: started where none answers, shared, ended by the last.

use std::fs;
use std::path::PathBuf;

use compose_executor::journal::Folders;
use compose_executor::supervisor::managed::{Managed, ManagedError};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use procfs::process::Process;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lease::on_runtime;
use crate::oracle::processes;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        one_is_started_where_none_answers,
        the_last_user_ends_it,
        ctrl_c_is_for_the_pod_alone,
        cleanup_mends_a_kill_of_everything,
        cleanup_ends_one_that_nobody_uses,
        without_the_program_one_is_told_what_to_do,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;

/// Where all of it is.
fn folder(lab: &Lab) -> PathBuf {
    lab.state().join("managed")
}

fn daemon(lab: &Lab) -> Pid {
    let text = fs::read_to_string(folder(lab).join("pid")).expect("it is running");
    let pid = text.split(' ').next().and_then(|pid| pid.parse().ok());
    Pid::from_raw(pid.expect("the file begins with the process' id"))
}

/// A zombie is not: who takes note of its end may be slow at it.
fn is_alive(pid: Pid) -> bool {
    let stat = Process::new(pid.as_raw()).and_then(|process| process.stat());
    stat.is_ok_and(|stat| stat.state != 'Z')
}

fn shims(lab: &Lab) -> Vec<i32> {
    let socket = folder(lab).join("containerd.sock").display().to_string();
    processes::with_words(&["containerd-shim", &socket])
}

fn one_is_started_where_none_answers(lab: &Lab) {
    let nowhere = lab.fixture().join("nowhere.sock");
    let config = format!("[containerd]\naddress = \"{}\"\n", nowhere.display());
    let services = "  one:\n    image: app:1\n    command: [echo, hello]\n";
    let mut up = Up::app(lab, services)
        .config(&config)
        .containerd("auto")
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert_eq!(up.stdout(), "hello\n");
    assert!(!folder(lab).exists(), "it has ended");
}

fn the_last_user_ends_it(lab: &Lab) {
    let mut first = Up::app(lab, SLEEPS).managed().start();
    let mut second = Up::app(lab, SLEEPS).managed().start();
    first.until_stdout("up");
    second.until_stdout("up");
    let daemon = daemon(lab);
    first.signal(Signal::SIGINT);
    assert_eq!(first.until_end().code(), Some(130), "{}", first.stderr());
    assert!(is_alive(daemon), "it is used");
    assert!(!second.pod().service("one").is_empty());
    second.signal(Signal::SIGINT);
    assert_eq!(second.until_end().code(), Some(130), "{}", second.stderr());
    assert!(!is_alive(daemon));
    assert!(!folder(lab).exists());
}

fn ctrl_c_is_for_the_pod_alone(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).managed().group().start();
    up.until_stdout("up");
    let daemon = daemon(lab);
    assert_eq!(getsid(Some(daemon)), Ok(daemon), "a session of its own");
    up.signal_group(Signal::SIGINT);
    assert_eq!(up.until_end().code(), Some(130), "{}", up.stderr());
    assert!(
        up.stdout().contains("bye"),
        "{}{}",
        up.stdout(),
        up.stderr()
    );
    assert!(!is_alive(daemon));
}

fn cleanup_mends_a_kill_of_everything(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).managed().start();
    up.until_stdout("up");
    let (pod, daemon, shims) = (up.pod(), daemon(lab), shims(lab));
    assert!(!shims.is_empty());
    up.signal(Signal::SIGKILL);
    for pid in shims.iter().copied().map(Pid::from_raw).chain([daemon]) {
        kill(pid, Signal::SIGKILL).expect("it is running");
    }
    up.until_end();
    // Which can't look into a containerd that doesn't run.
    let dry_run = lab.output(&["cleanup", "--dry-run"]);
    assert_eq!(dry_run.status.code(), Some(4));
    assert!(folder(lab).exists());
    lab.cleanup();
    pod.until_dead();
    assert!(!folder(lab).exists());
}

fn cleanup_ends_one_that_nobody_uses(lab: &Lab) {
    let mut up = Up::app(lab, SLEEPS).managed().start();
    up.until_stdout("up");
    let daemon = daemon(lab);
    lab.cleanup();
    assert!(is_alive(daemon), "a live pod is in it");
    up.signal(Signal::SIGKILL);
    up.until_end();
    assert!(is_alive(daemon), "it does not end with who started it");
    lab.cleanup();
    assert!(!is_alive(daemon));
    assert!(shims(lab).is_empty());
    assert!(!folder(lab).exists());
}

fn without_the_program_one_is_told_what_to_do(lab: &Lab) {
    let folders = Folders::new(lab.root(), lab.state());
    let nowhere = [("PATH".into(), "/nowhere".into())];
    let error = on_runtime(Managed::open(&folders, &nowhere)).expect_err("there is no program");
    assert!(matches!(error, ManagedError::Missing), "{error:?}");
    let text = error.to_string();
    assert!(
        text.contains("apt-get install containerd") && text.contains("--containerd"),
        "{text}"
    );
    assert!(!folder(lab).exists());
}
