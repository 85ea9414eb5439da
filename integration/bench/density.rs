//! Many pods on one host, as tasks of one Mesos agent: how soon they run, and what each costs.

use std::fs;
use std::time::{Duration, Instant};

use crate::idle::pss;
use crate::lab::hugetlb::Hugetlb;
use crate::lab::pod::{Pod, Process, processes_in};
use crate::lab::task::{Task, TaskRun};
use crate::lab::{EXECUTOR, Lab, host};
use crate::pods;
use crate::table::{Table, Unit};

/// Pods that are launched at once.
const AT_ONCE: usize = 50;
/// Pods that idle beside one another while their memory is read.
const IDLE: usize = 100;
const CONTAINERS: usize = 3;
/// For a task, and for its executor: a hundred of both are within what the lab's agent offers.
const MEGABYTES: u32 = 20;
const PATIENCE: Duration = Duration::from_mins(5);

pub(crate) fn burst(lab: &Lab, rounds: usize) -> Vec<Table> {
    of_mesos(lab, |lab| at_once(lab, rounds.min(5)))
}

pub(crate) fn run(lab: &Lab, _rounds: usize) -> Vec<Table> {
    of_mesos(lab, memory)
}

fn of_mesos(lab: &Lab, measure: impl FnOnce(&Lab) -> Table) -> Vec<Table> {
    if !host::cgroup_v1() {
        return Vec::new();
    }
    let _hugetlb = Hugetlb::mount();
    pods::load_image(lab);
    vec![measure(lab)]
}

/// From the scheduler's ACCEPT to the last `TASK_RUNNING`, and from KILL to the last end.
fn at_once(lab: &Lab, rounds: usize) -> Table {
    let title = format!("{AT_ONCE} pods of {CONTAINERS} containers at once");
    let mut table = Table::new(title, Unit::Milliseconds);
    for _ in 0..rounds {
        forget_pods_before(lab);
        let mut run = launch(lab, AT_ONCE);
        let launched = Instant::now();
        until_running(&mut run, AT_ONCE);
        table.add_time("all running", launched.elapsed());
        let asked = Instant::now();
        end(&mut run, AT_ONCE);
        table.add_time("all killed", asked.elapsed());
    }
    table
}

/// Has the kernel forget what hundreds of pods in the minutes before have left in its caches, and read
/// again what each pod needs.
///
/// As long as their blocks are cached, ext4 looks at each inode that was removed in the last minutes
/// whenever it makes one; and a memory cgroup stays for as long as a page of it is cached.
fn forget_pods_before(lab: &Lab) {
    nix::unistd::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").expect("root may");
    let mut run = launch(lab, 1);
    until_running(&mut run, 1);
    end(&mut run, 1);
}

/// A mean over all pods, since what they share counts in parts.
#[allow(clippy::cast_precision_loss, reason = "a hundred pods")]
fn memory(lab: &Lab) -> Table {
    let title = format!("memory of each of {IDLE} idle pods of {CONTAINERS} containers, as PSS");
    let mut table = Table::new(title, Unit::Mebibytes);
    let mut run = launch(lab, IDLE);
    until_running(&mut run, IDLE);
    let (mut executors, mut shims, mut pauses) = (0.0, 0.0, 0.0);
    for base in run.cgroups() {
        let of_ours = |process: &&Process| {
            let program = process.command.first();
            program.is_some_and(|word| word.ends_with("/compose-executor"))
        };
        for process in processes_in(&base).iter().filter(of_ours) {
            executors += pss(process.pid);
        }
        for process in Pod::all_below(&base).iter().flat_map(Pod::processes) {
            match process.leaf.as_str() {
                "shim" => shims += pss(process.pid),
                "pause" => pauses += pss(process.pid),
                _ => {}
            }
        }
    }
    let each = |sum: f64| sum / IDLE as f64;
    table.add("executor", each(executors));
    table.add("shim", each(shims));
    table.add("pause", each(pauses));
    table.add("all three", each(executors + shims + pauses));
    end(&mut run, IDLE);
    table
}

/// So many small tasks, an executor each; nothing is fetched.
fn launch(lab: &Lab, number: usize) -> TaskRun<'_> {
    let file = lab.fixture().join("compose.yaml");
    fs::write(&file, pods::compose(CONTAINERS)).expect("the lab's folder takes it");
    let options = lab.options().join(" ");
    Task::bare(lab)
        .executor(&format!(
            "cp {} . && exec {EXECUTOR} {options}",
            file.display()
        ))
        .id("p")
        .executors(number)
        .option("--cpus", 0.01)
        .option("--executor-cpus", 0.01)
        .option("--mem", MEGABYTES)
        .option("--executor-mem", MEGABYTES)
        .patience(PATIENCE)
        .launch()
}

fn until_running(run: &mut TaskRun<'_>, number: usize) {
    for i in 0..number {
        run.until_task(&format!("p-{i}"), "TASK_RUNNING");
    }
}

fn end(run: &mut TaskRun<'_>, number: usize) {
    run.kill();
    for i in 0..number {
        let id = format!("p-{i}");
        run.until_update(&id, |update| update.task() == id && update.is_terminal());
    }
    run.until_gone();
}
