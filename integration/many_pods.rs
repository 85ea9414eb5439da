//! Many pods at once through one agent: all of them run, and nothing is left of any.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::app;
use crate::lab::task::{Task, Update};
use crate::lab::{EXECUTOR, Lab};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        fifty_pods_of_three_at_once,
        twenty_pods_killed_at_random_moments,
    ]
    .into()
}

/// What so many may take on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_mins(5);

const THREE: &str = "
services:
  one: &sleeps
    image: app:1
    command: [sh, -c, \"trap 'exit 0' TERM; while :; do sleep 1; done\"]
  two: *sleeps
  three: *sleeps
";

/// An image that an operator has loaded, so that no pod brings its own.
struct LoadedImage<'lab>(&'lab Lab);

impl<'lab> LoadedImage<'lab> {
    fn load(lab: &'lab Lab) -> Self {
        let archive = lab.fixture().join("app.tar");
        app::image().write(&archive);
        let loaded = lab.output(&["image", "load", &archive.display().to_string()]);
        assert!(loaded.status.success(), "{}", loaded.status);
        Self(lab)
    }
}

impl Drop for LoadedImage<'_> {
    fn drop(&mut self) {
        let ctr = |words: &[&str]| self.0.containerd().ctr("compose-executor", words);
        for name in ctr(&["images", "list", "-q"]).unwrap_or_default().lines() {
            let _ = ctr(&["images", "rm", "--sync", name]);
        }
    }
}

/// So many small tasks, an executor each. Nothing is fetched: the shell brings the file.
fn pods(lab: &Lab, number: usize) -> Task<'_> {
    let file: PathBuf = lab.fixture().join("compose.yaml");
    fs::write(&file, THREE).expect("the fixture's folder takes a file");
    let options = lab.options().join(" ");
    let command = format!("cp {} . && exec {EXECUTOR} {options}", file.display());
    Task::bare(lab)
        .executor(&command)
        .id("p")
        .executors(number)
        .option("--cpus", 0.05)
        .option("--executor-cpus", 0.01)
        .option("--mem", 32)
        .option("--executor-mem", 32)
        .patience(PATIENCE)
}

fn ids(number: usize) -> Vec<String> {
    (0..number).map(|i| format!("p-{i}")).collect()
}

fn fifty_pods_of_three_at_once(lab: &Lab) {
    let _image = LoadedImage::load(lab);
    let mut run = pods(lab, 50).launch();
    let launched = Instant::now();
    let running = ids(50)
        .iter()
        .map(|id| run.until_task(id, "TASK_RUNNING").timestamp())
        .fold(0.0, f64::max);
    eprintln!("50 pods: all RUNNING after {:.1?}", launched.elapsed());
    let updates = run.updates();
    let first = updates
        .iter()
        .map(Update::timestamp)
        .fold(running, f64::min);
    eprintln!(
        "50 pods: {:.1} s from the first LAUNCH to the last RUNNING",
        running - first
    );
    run.kill();
    let killed = Instant::now();
    for id in ids(50) {
        let end = run.until_update(&id, |update| update.task() == id && update.is_terminal());
        assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    }
    eprintln!("50 pods: all killed after {:.1?}", killed.elapsed());
    run.until_gone();
    let updates = run.updates();
    let ends = updates.iter().filter(|update| update.is_terminal());
    assert_eq!(ends.count(), 50, "one terminal update each");
}

/// From before the executor is there to after the pod runs. The seed is printed.
fn twenty_pods_killed_at_random_moments(lab: &Lab) {
    let _image = LoadedImage::load(lab);
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let mut random = Random(u64::from(now.unwrap_or_default().subsec_nanos()) | 1);
    for round in 1..=5 {
        eprintln!("round {round}: the seed is {}", random.0);
        let mut moments: Vec<(Duration, String)> = ids(20)
            .into_iter()
            .map(|id| (Duration::from_millis(random.below(6000)), id))
            .collect();
        moments.sort();
        let mut run = pods(lab, 20).launch();
        let launched = Instant::now();
        for (moment, id) in moments {
            thread::sleep(moment.saturating_sub(launched.elapsed()));
            run.kill_task(&id);
        }
        for id in ids(20) {
            let end = run.until_update(&id, |update| update.task() == id && update.is_terminal());
            assert_eq!(end.state(), "TASK_KILLED", "{id}: {}", end.message());
        }
        run.until_gone();
    }
}

/// Xorshift, which is random enough and can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}
