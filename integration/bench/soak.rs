//! What the program takes of its host after a thousand restarts, and after as many probes as a day
//! has: the same as at the beginning.

use std::fs;

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::footprint::Footprint;
use crate::lab::program::{Up, UpRun};
use crate::pods;
use crate::table::{Table, Unit};
use crate::wait::{self, PATIENCE};

const FEW: usize = 100;
const RESTARTS: usize = 1000;
/// One each half minute for 24 hours.
const PROBES: usize = 2880;
/// How often it is looked at the program each time: what is under way takes something too.
const LOOKS: usize = 50;

const CRASHING: &str = r#"
  only:
    image: bench:1
    deploy: {restart_policy: {condition: any, delay: 1ms}}
    command: [sh, -c, "echo again; exit 1"]
"#;

const PROBED: &str = r#"
  only:
    image: bench:1
    volumes: [./share:/share]
    command: [sleep, inf]
    stop_signal: SIGKILL
    healthcheck: {test: "echo probed | tee -a /share/probes", interval: 1ms}
"#;

/// One table for each thing that could grow.
struct Tables([Table; 3]);

pub(crate) fn run(lab: &Lab, _: usize) -> Vec<Table> {
    pods::load_image(lab);
    let of = |what: &str, unit| Table::new(format!("{what} of `up`, in the long run"), unit);
    let mut tables = Tables([
        of("memory of its own", Unit::Mebibytes),
        of("descriptors", Unit::Count),
        of("threads", Unit::Count),
    ]);
    let run = start(lab, CRASHING);
    tables.follow(run, "restarts", RESTARTS, |run| {
        run.stdout().lines().count()
    });
    let run = start(lab, PROBED);
    tables.follow(run, "probes", PROBES, |run| {
        run.read("share/probes").lines().count()
    });
    tables.0.into()
}

fn start(lab: &Lab, services: &str) -> UpRun {
    let up = Up::new(lab).compose(&format!("name: bench\nservices:{services}"));
    fs::create_dir(up.folder().join("share")).expect("the fixture's folder takes a folder");
    up.start()
}

impl Tables {
    fn follow(&mut self, mut run: UpRun, what: &str, all: usize, count: fn(&UpRun) -> usize) {
        for times in [FEW, all] {
            wait::until(what, 10 * PATIENCE, || (count(&run) >= times).then_some(()));
            self.look(&run, &format!("{times} {what}"));
        }
        run.signal(Signal::SIGINT);
        run.until_end();
    }

    #[allow(clippy::cast_precision_loss, reason = "small numbers")]
    fn look(&mut self, run: &UpRun, when: &str) {
        let [memory, descriptors, threads] = &mut self.0;
        for _ in 0..LOOKS {
            let now = Footprint::of(run.pid());
            memory.add(when, now.memory as f64 / 1024.0);
            descriptors.add(when, now.descriptors as f64);
            threads.add(when, now.threads as f64);
            std::thread::sleep(wait::INTERVAL);
        }
    }
}
