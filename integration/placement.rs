//! Everything of a pod is below the executor's own control groups, and what these limit, it feels.

use std::collections::BTreeSet;
use std::path::Path;

use crate::lab::Lab;
use crate::lab::host::CGROUPS;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos:
        every_process_is_below_the_executor,
        containers_are_named_after_their_task,
        a_service_over_its_own_memory_limit,
        a_task_over_its_memory_limit,
    ]
    .into()
}

const TWO: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
  two:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
"#;

fn every_process_is_below_the_executor(lab: &Lab) {
    let mut run = Task::app(lab, TWO).launch();
    run.until_state("TASK_RUNNING");
    let executor = run.executor();
    let pod = run.pod();
    let processes = pod.processes();
    let leaves: BTreeSet<_> = processes
        .iter()
        .map(|process| process.leaf.as_str())
        .collect();
    assert_eq!(
        leaves,
        BTreeSet::from(["pause", "shim", "svc-one", "svc-two"])
    );
    for process in &processes {
        let place = format!("{}/{}", pod.cgroup(), process.leaf);
        for (controllers, path) in process.cgroups.iter().filter(|it| counts(it.0)) {
            assert_eq!(path, &place, "{controllers} of {:?}", process.command);
        }
    }
    // Where Mesos counts and limits, the pod is below what it counts.
    for controllers in ["freezer", "memory", "cpu"] {
        let base = &executor.cgroups[controllers];
        assert!(
            pod.cgroup().starts_with(&format!("{base}/pod-")),
            "{controllers}: {base}"
        );
    }
    run.kill();
    run.until_end();
    run.until_gone();
}

/// Hierarchies of version 1 that are mounted here. One that is mounted elsewhere, in a namespace of
/// somebody's own, is no place for pods; and where there are these, nothing counts in version 2,
/// and containerd leaves its shims where they are in it.
fn counts(controllers: &str) -> bool {
    let folder = controllers.trim_start_matches("name=");
    !folder.is_empty() && Path::new(CGROUPS).join(folder).exists()
}

fn containers_are_named_after_their_task(lab: &Lab) {
    let mut run = Task::app(lab, TWO).id("Shop.Front_1").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let id = pod.id();
    let listed = lab
        .containerd()
        .ctr("compose-executor", &["containers", "list", "-q"]);
    let listed = listed.expect("containerd answers");
    let names: BTreeSet<_> = listed.lines().collect();
    assert!(names.contains(format!("pod-{id}").as_str()), "{names:?}");
    for service in ["one", "two"] {
        let fits = |name: &&&str| {
            name.starts_with("shop-front-1") && name.ends_with(&format!("-{id}.{service}"))
        };
        assert_eq!(names.iter().filter(fits).count(), 1, "{service}: {names:?}");
    }
    assert_eq!(names.len(), 3, "{names:?}");
    run.kill();
    run.until_end();
    run.until_gone();
}

fn a_service_over_its_own_memory_limit(lab: &Lab) {
    let services = r#"
  calm:
    image: app:1
    command: [sh, -c, "while :; do sleep 0.1; done"]
  greedy:
    image: app:1
    mem_limit: 8m
    command: [tail, /dev/zero]
"#;
    let mut run = Task::app(lab, services).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED");
    assert_eq!(
        end.source(),
        "SOURCE_EXECUTOR",
        "it is ours to tell: {}",
        end.message()
    );
    assert_eq!(
        end.reason(),
        "REASON_CONTAINER_LIMITATION_MEMORY",
        "{}",
        end.message()
    );
    assert!(end.message().contains("greedy"), "{}", end.message());
    let words = ["CE-OOM", "oom=yes", "its limit is 8MiB", "its peak was"];
    for word in words {
        assert!(end.message().contains(word), "{}", end.message());
    }
    assert_eq!(end.limitation("mem"), Some(8.0), "{end:?}");
    let data = end.data();
    let oom = &data["services"][1]["oom"];
    assert_eq!(oom["limit_bytes"], 8 << 20, "{data}");
    let peak = oom["peak_bytes"].as_u64().expect("the kernel tells it");
    assert!((4 << 20..=8 << 20).contains(&peak), "{data}");
    run.until_gone();
}

fn a_task_over_its_memory_limit(lab: &Lab) {
    let services = "  greedy:\n    image: app:1\n    command: [tail, /dev/zero]\n";
    let mut run = Task::app(lab, services).mem(64).launch();
    let end = run.until_end();
    assert_eq!(end.state(), "TASK_FAILED", "{}", end.message());
    assert_eq!(
        end.reason(),
        "REASON_CONTAINER_LIMITATION_MEMORY",
        "{}",
        end.message()
    );
    // Ours is the limit, of 128 MiB with the executor's own; the agent's is what was used at most,
    // some pages more.
    let mem = end.limitation("mem").unwrap_or_default();
    assert!((64.0..129.0).contains(&mem), "{end:?}");
    run.until_gone();
    let updates = run.updates();
    let ends = updates.iter().filter(|update| update.is_terminal());
    assert_eq!(ends.count(), 1, "{updates:#?}");
    drop(run);
    // Whoever was killed first: after this the oracle finds nothing.
    lab.cleanup();
}
