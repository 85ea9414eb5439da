//! Single calls to containerd that fail, and events that do not come as they should: injected by a
//! relay between, since the real one does not do so on demand.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::containerd::part;
use super::{SLEEPS, WAITS};
use crate::lab::Lab;
use crate::lab::fault_proxy::{Fault, FaultProxy, How, Status};
use crate::lab::task::{Task, TaskRun, Update};
use crate::oracle::{self, Oracle};
use crate::trial::{Test, tests};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        what_is_refused_once_is_not_seen,
        a_call_of_a_launch_that_fails,
        a_connection_that_breaks_in_a_launch,
        what_was_done_and_is_disowned,
        a_restart_goes_on_after_calls_that_fail_once,
        a_restart_that_is_not_answered,
        a_kill_that_fails,
        a_delete_that_fails_once,
        an_event_that_is_lost,
        an_end_that_is_forgotten,
        the_event_of_the_pause_container_is_lost,
        events_that_come_twice_or_late,
        a_refusal_tells_nothing_of_crun,
    ]
    .into()
}

/// The usual runtime, and a deadline that a busy machine does not meet.
const QUICK: &str = "[containerd]\nruntime = \"runc\"\ndeadline_seconds = 10\n";

const SLEEPS_ALONE: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
"#;

/// Ends by itself, with 1.
const FAILS: &str = r#"
  one:
    image: app:1
    restart: on-failure:2
    command: [sh, -c, "echo run; exit 1"]
"#;

/// The steps of a launch: the call, a word of the one that is meant, and what the message names.
/// Ids of services have a dot, that of pause has `pod-`.
const LAUNCH: [(&str, &str, &str); 8] = [
    ("Leases/Create", "", "Leases.Create"),
    ("Containers/Create", "pause", "Containers.Create"),
    ("Tasks/Create", "pod-", "Tasks.Create"),
    ("Tasks/Start", "pod-", "Tasks.Start"),
    ("Snapshots/Prepare", ".one", "Snapshots.Prepare"),
    ("Containers/Create", ".one", "Containers.Create"),
    ("Tasks/Create", ".one", "Tasks.Create"),
    ("Tasks/Start", ".one", "Tasks.Start"),
];

const START_OF_PAUSE: (&str, &str) = ("Tasks/Start", "pod-");

fn launch<'lab>(lab: &'lab Lab, services: &str) -> TaskRun<'lab> {
    Task::app(lab, services)
        .folder("share")
        .config(QUICK)
        .launch()
}

/// The end of a run whose executor has ended by itself, and its only one.
fn only_end(run: &mut TaskRun<'_>) -> Update {
    let end = run.until_end();
    run.until_gone();
    let updates = run.updates().into_iter();
    let ends: Vec<_> = updates.filter(Update::is_terminal).collect();
    assert_eq!(ends.len(), 1, "{ends:#?}");
    end
}

fn assert_killed(run: &mut TaskRun<'_>) -> Update {
    run.kill();
    let end = only_end(run);
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    end
}

fn assert_launch_failed(end: &Update, named: &str) {
    let message = end.message();
    assert_eq!(end.state(), "TASK_FAILED", "{message}");
    assert_eq!(end.reason(), "REASON_CONTAINER_LAUNCH_FAILED", "{message}");
    for word in ["CE-", named] {
        assert!(message.contains(word), "{message}");
    }
}

/// Nothing is left after this part of a test.
fn leaves_nothing(lab: &Lab, what: &str, part: impl FnOnce()) {
    let oracle = Oracle::over(lab);
    let before = oracle.look();
    part();
    let left = oracle.left_since(&before, Duration::from_secs(15));
    assert!(
        left.is_empty(),
        "left after {what}:\n{}",
        oracle::report(&left)
    );
}

/// What a pod asks of containerd, from its launch to its last trace.
const ASKED: [&str; 12] = [
    "Version/Version",
    "Namespaces/Create",
    "Leases/Create",
    "Snapshots/Prepare",
    "Containers/Create",
    "Tasks/Create",
    "Tasks/Start",
    "Tasks/Kill",
    "Tasks/Delete",
    "Containers/Delete",
    "Snapshots/Remove",
    "Leases/Delete",
];

fn what_is_refused_once_is_not_seen(lab: &Lab) {
    let proxy = FaultProxy::start(lab);
    for call in ASKED {
        proxy.inject(Fault::at(call, How::Refuse(Status::Unavailable)));
    }
    let again = Fault::at("Containers/Create", How::Refuse(Status::ResourceExhausted));
    proxy.inject(again.nth(2));
    let mut run = launch(lab, SLEEPS);
    run.until_state("TASK_RUNNING");
    let end = assert_killed(&mut run);
    assert!(!end.message().contains("SIGKILL"), "{}", end.message());
    assert_eq!(
        run.states(),
        ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]
    );
    proxy.assert_met();
}

fn a_call_of_a_launch_that_fails(lab: &Lab) {
    for (call, about, named) in LAUNCH {
        leaves_nothing(lab, &format!("{call} of {about:?}"), || {
            let proxy = FaultProxy::start(lab);
            let fault = Fault::at(call, How::Refuse(Status::Internal)).about(about);
            proxy.inject(fault.times(usize::MAX));
            let mut run = launch(lab, SLEEPS);
            assert_launch_failed(&only_end(&mut run), named);
            proxy.assert_met();
        });
    }
}

/// Nobody can tell whether the call had its effect. A start is looked after; the rest ends the
/// launch. Pause is started beside the making of services, which would be hit or not.
fn a_connection_that_breaks_in_a_launch(lab: &Lab) {
    let steps = LAUNCH.into_iter();
    for (call, about, _) in steps.filter(|(call, about, _)| (*call, *about) != START_OF_PAUSE) {
        for how in [How::CutBefore, How::CutAfter] {
            leaves_nothing(lab, &format!("{how:?} at {call} of {about:?}"), || {
                let proxy = FaultProxy::start(lab);
                let is_start = call == "Tasks/Start";
                proxy.inject(Fault::at(call, how).about(about));
                // While the only one is started, nothing is being made that would break as well.
                let services = if is_start { SLEEPS_ALONE } else { SLEEPS };
                let mut run = launch(lab, services);
                // A task that was made may be known by its event before the connection breaks.
                let may_run = is_start || call == "Tasks/Create" && matches!(how, How::CutAfter);
                let told = run.until_update("a pod that runs, or its end", |update| {
                    update.state() == "TASK_RUNNING" || update.is_terminal()
                });
                if may_run && told.state() == "TASK_RUNNING" {
                    assert_killed(&mut run);
                } else {
                    assert!(!is_start, "{}", told.message());
                    // Others of the same connection's may be told of.
                    assert_launch_failed(&told, "disconnected");
                    run.until_gone();
                }
                proxy.assert_met();
            });
        }
    }
}

/// containerd has done it, and says that it could not do so just now.
fn what_was_done_and_is_disowned(lab: &Lab) {
    let start = Fault::at("Tasks/Start", How::Disown(Status::Unavailable)).about(".one");
    leaves_nothing(lab, "a start", || {
        let proxy = FaultProxy::start(lab);
        proxy.inject(start);
        for call in [
            "Tasks/Delete",
            "Containers/Delete",
            "Snapshots/Remove",
            "Leases/Delete",
        ] {
            proxy.inject(Fault::at(call, How::Disown(Status::Unavailable)));
        }
        let mut run = launch(lab, SLEEPS);
        run.until_state("TASK_RUNNING");
        assert_killed(&mut run);
        proxy.assert_met();
    });
    // A task's event tells that it is there, whatever the answer says.
    leaves_nothing(lab, "a task's creation", || {
        let proxy = FaultProxy::start(lab);
        proxy.inject(Fault::at("Tasks/Create", How::Disown(Status::Unavailable)).about(".one"));
        let mut run = launch(lab, SLEEPS);
        run.until_state("TASK_RUNNING");
        assert_killed(&mut run);
        proxy.assert_met();
    });
    // Without the event, what is there already by our own doing is not told as somebody else's.
    leaves_nothing(lab, "a sandbox's creation", || {
        let proxy = FaultProxy::start(lab);
        proxy.inject(Fault::at("Tasks/Create", How::Disown(Status::Unavailable)).about("pod-"));
        let mut run = launch(lab, SLEEPS);
        let end = only_end(&mut run);
        assert_launch_failed(&end, "injected");
        assert!(!end.message().contains("exists"), "{}", end.message());
        proxy.assert_met();
    });
}

fn a_restart_goes_on_after_calls_that_fail_once(lab: &Lab) {
    let proxy = FaultProxy::start(lab);
    // The first of a task is of its launch.
    for fault in [
        Fault::at("Tasks/Delete", How::Refuse(Status::Internal)),
        Fault::at("Tasks/Create", How::CutBefore).nth(2),
        Fault::at("Tasks/Create", How::CutAfter).nth(4),
        Fault::at("Tasks/Start", How::CutAfter).nth(2),
    ] {
        proxy.inject(fault.about(".one"));
    }
    let mut run = launch(lab, FAILS);
    let end = only_end(&mut run);
    assert_eq!(end.state(), "TASK_FAILED");
    for word in ["CE-EXIT", "after 2 restarts: exit=1"] {
        assert!(end.message().contains(word), "{}", end.message());
    }
    proxy.assert_met();
}

/// Who hangs while containerd answers is not waited for without an end.
fn a_restart_that_is_not_answered(lab: &Lab) {
    let proxy = FaultProxy::start(lab);
    let create = Fault::at("Tasks/Create", How::Swallow).about(".one");
    proxy.inject(create.nth(2).times(usize::MAX));
    let mut run = launch(lab, FAILS);
    let end = only_end(&mut run);
    assert_launch_failed(&end, "Tasks.Create");
    assert!(
        end.message().contains("no answer within 10s"),
        "{}",
        end.message()
    );
    proxy.assert_met();
}

fn a_kill_that_fails(lab: &Lab) {
    let services = SLEEPS.replace("image: app:1", "image: app:1\n    stop_grace_period: 1s");
    let proxy = FaultProxy::start(lab);
    proxy.inject(Fault::at("Tasks/Kill", How::Refuse(Status::Internal)).times(usize::MAX));
    let mut run = launch(lab, &services);
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let end = assert_killed(&mut run);
    assert!(
        end.message().contains("needed SIGKILL"),
        "{}",
        end.message()
    );
    pod.until_dead();
    proxy.assert_met();
}

/// It is tried again, and nobody is killed for it.
fn a_delete_that_fails_once(lab: &Lab) {
    for (call, about) in [
        ("Tasks/Delete", ".one"),
        ("Tasks/Delete", "pod-"),
        ("Containers/Delete", ".one"),
        ("Snapshots/Remove", ".one"),
        ("Leases/Delete", ""),
    ] {
        leaves_nothing(lab, &format!("{call} of {about:?}"), || {
            let proxy = FaultProxy::start(lab);
            proxy.inject(Fault::at(call, How::Refuse(Status::Internal)).about(about));
            let mut run = launch(lab, SLEEPS);
            run.until_state("TASK_RUNNING");
            let end = assert_killed(&mut run);
            assert!(!end.message().contains("shim"), "{}", end.message());
            let log = run.read("executor.log");
            assert!(!log.contains("shim does not answer"), "{log}");
            proxy.assert_met();
        });
    }
}

/// The kernel tells that the service has ended, and containerd how, when it is asked.
fn an_event_that_is_lost(lab: &Lab) {
    let wait = Fault::at("Tasks/Wait", How::Refuse(Status::Unavailable));
    ends_unheard(lab, wait, "exit=5");
}

/// Nobody knows how: then it is what containerd tells of those that it does not know.
fn an_end_that_is_forgotten(lab: &Lab) {
    let wait = Fault::at("Tasks/Wait", How::Refuse(Status::NotFound));
    ends_unheard(lab, wait, "signal=SIGKILL");
}

fn ends_unheard(lab: &Lab, wait: Fault, how: &str) {
    let proxy = FaultProxy::start(lab);
    for topic in ["/tasks/exit", "/tasks/delete"] {
        proxy.inject(Fault::of_events(topic, How::Lose).about(".one"));
    }
    let mut run = launch(lab, WAITS);
    run.until_state("TASK_RUNNING");
    proxy.inject(wait.about(".one"));
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let end = only_end(&mut run);
    assert_eq!(end.state(), "TASK_FAILED");
    for word in ["CE-EXIT", "\"one\"", how] {
        assert!(end.message().contains(word), "{}", end.message());
    }
}

fn the_event_of_the_pause_container_is_lost(lab: &Lab) {
    let proxy = FaultProxy::start(lab);
    proxy.inject(Fault::of_events("/tasks/exit", How::Lose));
    let mut run = launch(lab, SLEEPS);
    run.until_state("TASK_RUNNING");
    let pause = part(&run.pod(), "pause");
    kill(pause, Signal::SIGKILL).expect("it lives");
    let end = only_end(&mut run);
    assert_eq!(end.state(), "TASK_FAILED");
    assert!(end.message().starts_with("CE-INFRA"), "{}", end.message());
    proxy.assert_met();
}

/// Each end is taken for what it is once.
fn events_that_come_twice_or_late(lab: &Lab) {
    for how in [How::Double, How::AfterNext] {
        let proxy = FaultProxy::start(lab);
        proxy.inject(Fault::of_events("/tasks/exit", how).about(".one"));
        let mut run = launch(lab, FAILS);
        let end = only_end(&mut run);
        assert_eq!(end.state(), "TASK_FAILED");
        let message = end.message();
        assert!(message.contains("after 2 restarts: exit=1"), "{message}");
        assert_eq!(
            run.stdout()
                .lines()
                .filter(|line| line.contains("run"))
                .count(),
            3
        );
        proxy.assert_met();
    }
}

/// A containerd that could not do it just now says nothing of crun: runc is not taken for good.
fn a_refusal_tells_nothing_of_crun(lab: &Lab) {
    let memo = lab.state().join("runtime.json");
    let _ = fs::remove_file(&memo);
    let proxy = FaultProxy::start(lab);
    // As often as it is tried.
    let create = Fault::at("Tasks/Create", How::Refuse(Status::Unavailable)).about("pod-");
    proxy.inject(create.times(4));
    let mut run = Task::app(lab, SLEEPS).config("").launch();
    assert_launch_failed(&only_end(&mut run), "Tasks.Create");
    assert!(!memo.exists(), "what crun can do was never seen");
    proxy.assert_met();
}
