//! Shims and runtimes that hang: what does not answer holds nobody up, is named, and does not stay.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};

use super::containerd::part;
use super::{SLEEPS, STOPS_SLOWLY, WAITS};
use crate::lab::Lab;
use crate::lab::containerd::Spare;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_kill_while_the_shim_is_frozen,
        a_shim_frozen_within_a_kill,
        a_shim_frozen_and_thawed,
        a_service_that_ends_while_the_shim_is_frozen,
        a_runtime_that_hangs_at_create,
        a_runtime_that_hangs_at_start,
        a_runtime_that_hangs_at_kill,
        a_runtime_that_hangs_at_delete,
        a_runtime_that_is_not_executable,
    ]
    .into()
}

fn a_kill_while_the_shim_is_frozen(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    kill(part(&pod, "shim"), Signal::SIGSTOP).expect("it lives");
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    let message = end.message();
    assert!(message.contains("shim did not answer"), "{message}");
    // The services heard their signal all the same.
    assert!(!message.contains("SIGKILL"), "{message}");
    pod.until_dead();
    run.until_gone();
    lab.cleanup();
}

fn a_shim_frozen_within_a_kill(lab: &Lab) {
    let mut run = Task::app(lab, STOPS_SLOWLY).folder("share").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    run.kill();
    run.until_stdout("asked to stop");
    kill(part(&pod, "shim"), Signal::SIGSTOP).expect("it lives");
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(
        end.message().contains("shim did not answer"),
        "{}",
        end.message()
    );
    pod.until_dead();
    run.until_gone();
    lab.cleanup();
}

fn a_shim_frozen_and_thawed(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let shim = part(&pod, "shim");
    kill(shim, Signal::SIGSTOP).expect("it lives");
    kill(shim, Signal::SIGCONT).expect("it lives");
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED");
    assert!(!end.message().contains("shim"), "{}", end.message());
    run.until_gone();
}

/// The kernel tells that it has ended; how, nobody does.
fn a_service_that_ends_while_the_shim_is_frozen(lab: &Lab) {
    let config = "[containerd]\ndeadline_seconds = 5\n";
    let services = format!("{WAITS}{}", SLEEPS.replace("one:", "three:"));
    let mut run = Task::app(lab, &services)
        .folder("share")
        .config(config)
        .launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    kill(part(&pod, "shim"), Signal::SIGSTOP).expect("it lives");
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    let message = end.message();
    for word in ["CE-SHIM", "\"one\" has ended", "did not answer any more"] {
        assert!(message.contains(word), "{message}");
    }
    pod.until_dead();
    run.until_gone();
    lab.cleanup();
}

const ALONE: &str = "  one:\n    image: app:1\n    command: [sleep, '1000']\n";

/// What containerd runs containers with. Deadlines are short, but not so short that a busy machine
/// meets them.
const RUNC: &str = "[containerd]\nruntime = \"runc\"\ndeadline_seconds = 10\n";

/// A `runc` that hangs at a command about the service "one", as long as a file says at which.
struct Hanging {
    folder: PathBuf,
}

impl Hanging {
    fn make(folder: &Path) -> Self {
        let programs = folder.join("programs");
        fs::create_dir(&programs).expect("the fixture's folder takes another");
        let this = Self {
            folder: folder.to_owned(),
        };
        let runc = which("runc");
        let script = format!(
            r#"#!/bin/sh
at=$(cat {word} 2>/dev/null)
for word; do
  [ "$word" = "$at" ] && hangs=1
  case $word in *.one) while [ "$hangs" ] && [ -e {word} ]; do sleep 0.1; done ;; esac
done
exec {runc} "$@"
"#,
            word = this.word().display(),
            runc = runc.display()
        );
        write_program(&programs.join("runc"), &script);
        this
    }

    fn programs(&self) -> PathBuf {
        self.folder.join("programs")
    }

    fn word(&self) -> PathBuf {
        self.folder.join("hangs-at")
    }

    fn hang_at(&self, command: &str) {
        fs::write(self.word(), command).expect("the fixture's folder takes a file");
    }

    fn heal(&self) {
        fs::remove_file(self.word()).expect("it is there");
    }
}

fn which(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.exists());
    found.expect("the tools are installed")
}

fn write_program(path: &Path, script: &str) {
    fs::write(path, script).expect("the fixture's folder takes a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}

fn a_runtime_that_hangs_at_create(lab: &Lab) {
    // Its shim serves nobody meanwhile: what is told is the call that was the first to be late.
    hangs_in_the_launch(lab, "create", "containerd Tasks.");
}

fn a_runtime_that_hangs_at_start(lab: &Lab) {
    hangs_in_the_launch(lab, "start", "service \"one\" can't be started");
}

fn hangs_in_the_launch(lab: &Lab, command: &str, told: &str) {
    let fixture = lab.fixture();
    let runtime = Hanging::make(&fixture);
    let containerd = Spare::start(&fixture.join("containerd"), Some(&runtime.programs()));
    runtime.hang_at(command);
    let mut run = Task::app(lab, ALONE).on(&containerd, RUNC).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    let message = end.message();
    assert!(message.starts_with("CE-LAUNCH:"), "{message}");
    for word in [told, "no answer within 10s"] {
        assert!(message.contains(word), "{message}");
    }
    run.until_gone();
}

fn a_runtime_that_hangs_at_kill(lab: &Lab) {
    let fixture = lab.fixture();
    let runtime = Hanging::make(&fixture);
    let containerd = Spare::start(&fixture.join("containerd"), Some(&runtime.programs()));
    let mut run = Task::app(lab, SLEEPS).on(&containerd, RUNC).launch();
    run.until_state("TASK_RUNNING");
    runtime.hang_at("kill");
    run.kill();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    assert!(!end.message().contains("SIGKILL"), "{}", end.message());
    run.until_gone();
}

fn a_runtime_that_hangs_at_delete(lab: &Lab) {
    let fixture = lab.fixture();
    let runtime = Hanging::make(&fixture);
    let containerd = Spare::start(&fixture.join("containerd"), Some(&runtime.programs()));
    let mut run = Task::app(lab, SLEEPS).on(&containerd, RUNC).launch();
    run.until_state("TASK_RUNNING");
    runtime.hang_at("delete");
    run.kill();
    // The services have ended: the framework need not wait for what is left of them.
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    runtime.heal();
    lab.cleanup();
}

fn a_runtime_that_is_not_executable(lab: &Lab) {
    let fixture = lab.fixture();
    let programs = fixture.join("programs");
    fs::create_dir(&programs).expect("the fixture's folder takes another");
    write_program(&programs.join("runc"), "#!/nonexistent/interpreter\n");
    let containerd = Spare::start(&fixture.join("containerd"), Some(&programs));
    let mut run = Task::app(lab, SLEEPS).on(&containerd, RUNC).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(end.message().starts_with("CE-LAUNCH:"), "{}", end.message());
    assert!(end.message().contains("runc"), "{}", end.message());
    run.until_gone();
}
