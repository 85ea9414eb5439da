//! KILL and SHUTDOWN are heeded in the middle of a launch, and nothing is left of it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use crate::app;
use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        a_kill_while_an_image_is_imported,
        a_shutdown_while_an_image_is_imported,
        a_kill_while_containerd_does_not_answer,
    ]
    .into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
"#;

/// Launches a pod with an image so large that its import takes a while, and waits until
/// containerd holds a part of it.
fn launch_until_import(lab: &Lab) -> TaskRun<'_> {
    let image = app::image().file("/large", 0o644, &vec![0; 192 << 20]);
    let image = image.form(crate::image_archive::Form::DockerSave);
    let task = Task::app(lab, SLEEPS).archive("app.tar", &image).mem(512);
    let run = task.shutdown_grace(Duration::from_secs(20)).launch();
    wait::until("the import", PATIENCE, || {
        let active = lab
            .containerd()
            .ctr("compose-executor", &["content", "active"])
            .ok()?;
        (active.lines().count() > 1).then_some(())
    });
    run
}

fn a_kill_while_an_image_is_imported(lab: &Lab) {
    let mut run = launch_until_import(lab);
    run.kill();
    assert_killed(&mut run);
}

fn a_shutdown_while_an_image_is_imported(lab: &Lab) {
    let mut run = launch_until_import(lab);
    run.shutdown();
    assert_killed(&mut run);
}

fn a_kill_while_containerd_does_not_answer(lab: &Lab) {
    let daemon = lab.containerd().pid().expect("it runs");
    kill(daemon, Signal::SIGSTOP).expect("it is our child");
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_STARTING");
    run.kill();
    // Whatever the executor is waiting for, it has heard of the kill when it has logged it.
    let heard = wait::within(PATIENCE, || {
        run.read("executor.log").contains("KILL").then_some(())
    });
    kill(daemon, Signal::SIGCONT).expect("it is our child");
    assert!(heard.is_some(), "the executor's log tells of the KILL");
    assert_killed(&mut run);
}

/// One `TASK_KILLED`, no `TASK_RUNNING`; the oracle looks for the rest.
fn assert_killed(run: &mut TaskRun<'_>) {
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
    let states = run.states();
    assert!(!states.contains(&"TASK_RUNNING".to_owned()), "{states:?}");
    let updates = run.updates();
    assert_eq!(
        updates.iter().filter(|update| update.is_terminal()).count(),
        1,
        "{states:?}"
    );
}
