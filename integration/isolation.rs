//! Two pods on one host have nothing in common.

use std::collections::BTreeSet;

use crate::app;
use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos: two_pods_of_the_same_file].into()
}

const SERVICES: &str = r#"
  web:
    image: app:1
    container_name: web
    command: [sh, -c, "cat /who; httpd -p 8080 && while :; do sleep 0.1; done"]
    volumes: [data:/data]
"#;

/// A pod whose image has the usual name and a content of its own.
fn launch<'lab>(lab: &'lab Lab, who: &str) -> TaskRun<'lab> {
    let image = app::image().file("/who", 0o644, format!("I am {who}\n").as_bytes());
    let compose = app::compose(SERVICES) + "volumes: {data: {}}\n";
    Task::app(lab, "")
        .compose(&compose)
        .archive("app.tar", &image)
        .launch()
}

fn two_pods_of_the_same_file(lab: &Lab) {
    let mut left = launch(lab, "left");
    let mut right = launch(lab, "right");
    left.until_state("TASK_RUNNING");
    right.until_state("TASK_RUNNING");
    // The same port in each, the same tag for another image.
    left.until_stdout("I am left");
    right.until_stdout("I am right");

    let pods = [left.pod(), right.pod()];
    assert_ne!(pods[0].id(), pods[1].id());
    for kind in ["net", "ipc", "pid", "mnt"] {
        let ids: BTreeSet<_> = pods
            .iter()
            .map(|pod| pod.service("web")[0].namespace(kind))
            .collect();
        assert_eq!(ids.len(), 2, "a {kind} namespace for each pod");
    }
    let listed = lab
        .containerd()
        .ctr("compose-executor", &["containers", "list", "-q"]);
    let names: BTreeSet<_> = listed
        .expect("containerd answers")
        .lines()
        .map(str::to_owned)
        .collect();
    for pod in &pods {
        let mine = names.iter().filter(|name| name.contains(pod.id()));
        assert_eq!(mine.count(), 2, "{names:?}");
    }

    left.kill();
    assert_eq!(left.until_end().state(), "TASK_KILLED");
    left.until_gone();
    assert!(!left.stdout().contains("I am right"));
    let alive: BTreeSet<_> = pods[1]
        .processes()
        .into_iter()
        .map(|process| process.leaf)
        .collect();
    assert_eq!(
        alive,
        ["pause", "shim", "svc-web"].map(str::to_owned).into()
    );
    right.kill();
    assert_eq!(right.until_end().state(), "TASK_KILLED");
    right.until_gone();
}
