//! A chain of services, each of which starts when the one before is healthy: what it takes beyond
//! the probes' own times.

use std::time::Duration;

use crate::lab::task::Task;
use crate::lab::{Lab, host};
use crate::pods::{self, between};
use crate::table::{Table, Unit};

const LINKS: u32 = 10;
/// From a start to the first probe, as the file has it.
const INTERVAL: Duration = Duration::from_secs(1);
/// What the probe itself takes.
const PROBE: Duration = Duration::from_secs(1);
const OWN: &str = "the probes' own times: intervals and what probes take";

pub(crate) fn run(lab: &Lab, rounds: usize) -> Vec<Table> {
    if !host::cgroup_v1() {
        return Vec::new();
    }
    pods::load_image(lab);
    let title = format!("a chain of {LINKS} health conditions, LAUNCH to TASK_RUNNING");
    let mut table = Table::new(title, Unit::Milliseconds);
    table.add_time(OWN, LINKS * (INTERVAL + PROBE));
    for _ in 0..rounds.min(5) {
        let mut run = Task::new(lab).compose(&chain()).launch();
        let starting = run.until_state("TASK_STARTING");
        let running = run.until_state("TASK_RUNNING");
        table.add_time(
            "compose-executor, a Mesos task",
            between(&starting, &running),
        );
        run.kill();
        run.until_end();
        run.until_gone();
    }
    vec![table.against(OWN)]
}

fn chain() -> String {
    let (interval, probe) = (INTERVAL.as_millis(), PROBE.as_secs_f32());
    let service = |i: u32| {
        let before = i.checked_sub(1).map(|before| {
            format!("    depends_on: {{s{before}: {{condition: service_healthy}}}}\n")
        });
        format!(
            "  s{i}:\n    image: bench:1\n    command: [sleep, inf]\n    stop_signal: SIGKILL\n    \
             healthcheck: {{test: [CMD, sleep, '{probe}'], interval: {interval}ms}}\n{}",
            before.unwrap_or_default()
        )
    };
    let services: String = (0..LINKS).map(service).collect();
    format!("name: bench\nservices:\n{services}")
}
