//! From the request to all containers running, and back to nothing.
//!
//! Variants take turns within a round, in another order each time: a machine that gets slower or
//! busier does so for all. Images are there beforehand.

use std::cell::RefCell;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::image_archive::Image;
use crate::lab::hugetlb::Hugetlb;
use crate::lab::task::{Task, TaskRun, Update};
use crate::lab::{EXECUTOR, Lab, cgroup_name, host};
use crate::peers;
use crate::raw::{self, Bundle, PAYLOAD};
use crate::table::{Table, Unit};

const SIZES: [usize; 3] = [1, 3, 10];
const BASE: &str = "crun, in series";

/// How long a pod took to come up, and to go.
type Times = (Duration, Duration);
type Variant<'lab> = (&'static str, Box<dyn Fn(usize) -> Times + 'lab>);

pub(crate) fn run(lab: &Lab, rounds: usize) -> Vec<Table> {
    let _hugetlb = Hugetlb::mount();
    load_image(lab);
    let peers = RefCell::new(peers::all(lab));
    let peers = &peers;
    let bundle = Bundle::make(&lab.fixture());
    let bundle = &bundle;
    let mut variants: Vec<Variant<'_>> = vec![
        ("unshare(1), in parallel", Box::new(raw::bare)),
        (
            "runc, in series",
            Box::new(move |size| raw::in_series("runc", bundle, size)),
        ),
        ("compose-executor up", Box::new(move |size| up(lab, size))),
    ];
    if host::find("crun").is_some() {
        variants.push((
            BASE,
            Box::new(move |size| raw::in_series("crun", bundle, size)),
        ));
    }
    if host::cgroup_v1() {
        variants.push((
            "compose-executor, a Mesos task",
            Box::new(move |size| task(lab, size)),
        ));
    }
    for i in 0..peers.borrow().len() {
        let name = peers.borrow()[i].name();
        variants.push((name, Box::new(move |size| peers.borrow_mut()[i].pod(size))));
    }
    SIZES
        .into_iter()
        .flat_map(|size| one_size(&variants, size, rounds))
        .collect()
}

fn one_size(variants: &[Variant<'_>], size: usize, rounds: usize) -> [Table; 2] {
    let of = |what: &str| Table::new(format!("{what}, {size} containers"), Unit::Milliseconds);
    let (mut ups, mut downs) = (of("request to running"), of("teardown"));
    // The first round warms caches, and does not count.
    for round in 0..=rounds {
        for turn in 0..variants.len() {
            let (name, variant) = &variants[(turn * 2 + round) % variants.len()];
            let (up, down) = variant(size);
            if round > 0 {
                ups.add_time(name, up);
                downs.add_time(name, down);
            }
        }
    }
    [ups.against(BASE), downs.against(BASE)]
}

/// The image of all benches, known to all pods.
pub(crate) fn load_image(lab: &Lab) {
    let archive = lab.fixture().join("app.tar");
    image("bench:1").write(&archive);
    let output = lab.output(&["image", "load", &archive.display().to_string()]);
    assert!(output.status.success(), "image load: {}", output.status);
}

/// What all pods run, peers' too. As in every distribution's image, what is mounted has its place.
pub(crate) fn image(name: &str) -> Image {
    Image::busybox(name).folders(&["dev", "proc", "sys"])
}

/// A Compose file with so many services.
pub(crate) fn compose(size: usize) -> String {
    let service = |i| {
        format!(
            "  s{i}:\n    image: bench:1\n    command: [sh, -c, \"{PAYLOAD}\"]\n    stop_signal: SIGKILL\n"
        )
    };
    let services: String = (0..size).map(service).collect();
    format!("name: bench\nservices:\n{services}")
}

/// From the start of the program to the last container's first line on its standard output; from
/// SIGINT to its end.
fn up(lab: &Lab, size: usize) -> Times {
    let folder = lab.fixture();
    fs::write(folder.join("compose.yaml"), compose(size)).expect("the lab's folder takes it");
    let begin = Instant::now();
    let mut process: Child = Command::new(EXECUTOR)
        .args([
            "up",
            "--cgroup-parent",
            &format!("/{}", cgroup_name("bench")),
        ])
        .args(lab.options())
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program starts");
    raw::until_ready(process.stdout.as_mut().expect("it is a pipe"), size);
    let up = begin.elapsed();

    let begin = Instant::now();
    let pid = process.id().try_into().expect("a process id is small");
    kill(Pid::from_raw(pid), Signal::SIGINT).expect("the program is our child");
    process.wait().expect("the program is our child");
    (up, begin.elapsed())
}

/// From the time of the first update, made as LAUNCH arrives, to that of `TASK_RUNNING`; from the
/// framework's KILL to its news of the end.
fn task(lab: &Lab, size: usize) -> Times {
    let mut run: TaskRun<'_> = Task::new(lab).compose(&compose(size)).launch();
    let starting = run.until_state("TASK_STARTING");
    let running = run.until_state("TASK_RUNNING");
    let begin = Instant::now();
    run.kill();
    let end = run.until_end();
    let down = begin.elapsed();
    assert_eq!(end.state(), "TASK_KILLED", "{}", end.message());
    run.until_gone();
    (between(&starting, &running), down)
}

/// From one update to another, by their sender's clock.
pub(crate) fn between(first: &Update, last: &Update) -> Duration {
    Duration::from_secs_f64((last.timestamp() - first.timestamp()).max(0.0))
}
