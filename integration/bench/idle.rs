//! What a pod costs while it does nothing: memory of what is not the user's, and wake-ups.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::lab::task::{Task, TaskRun};
use crate::lab::{Lab, host};
use crate::pods;
use crate::table::{Table, Unit};

/// How long threads that wait for work are kept before they end, and a while.
const SETTLED: Duration = Duration::from_secs(15);
/// How long nothing happens while wake-ups are counted.
const IDLE: Duration = Duration::from_mins(1);

pub(crate) fn run(lab: &Lab, _rounds: usize) -> Vec<Table> {
    if !host::cgroup_v1() {
        return Vec::new();
    }
    pods::load_image(lab);
    let mut memory = Table::new(
        "memory of an idle pod of 3 containers, as PSS",
        Unit::Mebibytes,
    );
    let mut wakeups = Table::new("wake-ups of an idle executor in a minute", Unit::Count);
    let mut run: TaskRun<'_> = Task::new(lab).compose(&pods::compose(3)).launch();
    run.until_state("TASK_RUNNING");
    let executor = run.executor().pid;
    thread::sleep(SETTLED);
    let before = switches(executor);
    thread::sleep(IDLE);
    wakeups.add("executor", switches(executor) - before);
    memory.add("executor", pss(executor));
    for process in run.pod().processes() {
        if let leaf @ ("pause" | "shim") = process.leaf.as_str() {
            memory.add(leaf, pss(process.pid));
        }
    }
    run.kill();
    run.until_end();
    run.until_gone();
    vec![memory, wakeups]
}

/// In MiB. See proc(5), `smaps_rollup`.
pub(crate) fn pss(pid: i32) -> f64 {
    field(&format!("/proc/{pid}/smaps_rollup"), "Pss:") / 1024.0
}

/// How often its threads went to sleep by themselves, and so were woken.
fn switches(pid: i32) -> f64 {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the executor lives");
    threads
        .flatten()
        .map(|thread| {
            field(
                &thread.path().join("status").display().to_string(),
                "voluntary_ctxt_switches:",
            )
        })
        .sum()
}

/// A number in one of proc's files, after this name.
pub(crate) fn field(path: &str, name: &str) -> f64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.and_then(|word| word.parse().ok()).unwrap_or(0.0)
}
