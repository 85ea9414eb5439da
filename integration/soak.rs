//! What goes on for long leaves nothing behind in the program that sees to it: no memory, no
//! descriptors, no threads. `make bench BENCHES=soak` does the same a thousand times and more.

use std::fs;

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::footprint::Footprint;
use crate::lab::program::{Up, UpRun};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        restarts_leave_nothing_behind,
        probes_leave_nothing_behind,
    ]
    .into()
}

/// The program is looked at from the one time to the other, and after so many more. Whatever is made
/// once is made by then.
const WARM: [usize; 2] = [10, 20];
const MORE: usize = 100;
/// What an allocator may hold back, in KiB.
const SLACK: u64 = 256;

fn restarts_leave_nothing_behind(lab: &Lab) {
    let services = r#"
  crashing:
    image: app:1
    deploy: {restart_policy: {condition: any, delay: 1ms}}
    command: [sh, -c, "echo again; exit 1"]
"#;
    let run = Up::app(lab, services).start();
    costs_nothing(run, |run| run.stdout().lines().count());
}

fn probes_leave_nothing_behind(lab: &Lab) {
    let services = r#"
  probed:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "while :; do sleep 0.1; done"]
    healthcheck: {test: "echo probed | tee -a /share/probes", interval: 1ms}
"#;
    let up = Up::app(lab, services);
    fs::create_dir(up.folder().join("share")).expect("the fixture's folder takes a folder");
    costs_nothing(up.start(), |run| run.read("share/probes").lines().count());
}

/// Has something happen many times, and holds what the program takes against what it took before.
fn costs_nothing(mut run: UpRun, happened: impl Fn(&UpRun) -> usize) {
    let until = |times: usize| {
        wait::until(&format!("{times} times"), 4 * PATIENCE, || {
            (happened(&run) >= times).then_some(())
        });
    };
    until(WARM[0]);
    let mut before = Footprint::of(run.pid());
    while happened(&run) < WARM[1] {
        before = before.or(&Footprint::of(run.pid()));
    }
    until(WARM[1] + MORE);
    // What is under way takes threads and descriptors too.
    let mut after = Footprint::of(run.pid());
    let settled = wait::within(PATIENCE, || {
        after = Footprint::of(run.pid());
        after.is_within(&before, SLACK).then_some(())
    });
    assert!(settled.is_some(), "{before:?} became {after:?}");
    run.signal(Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
}
