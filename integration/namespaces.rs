//! The services of a pod share net, IPC and PID namespaces, and nothing else.

use std::collections::BTreeSet;
use std::fs;

use crate::app;
use crate::lab::Lab;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Mesos: namespaces_are_shared_and_not, a_service_reaches_another_by_name].into()
}

const PAIR: &str = r#"
  web:
    image: app:1
    container_name: shop-front
    networks: {default: {aliases: [www]}}
    command: [httpd, -f, -p, "8080", -h, /www]
  client:
    image: app:1
    depends_on: [web]
    command:
      - sh
      - -c
      - |
        for name in 127.0.0.1 localhost web www; do
          until wget -q -O - http://$$name:8080/ | sed "s/^/$$name: /"; do sleep 0.1; done
        done
        ps -o args
        while :; do sleep 0.1; done
"#;

fn task(lab: &Lab) -> Task<'_> {
    let image = app::image().file("/www/index.html", 0o644, b"hello from web\n");
    Task::app(lab, PAIR).archive("app.tar", &image)
}

fn namespaces_are_shared_and_not(lab: &Lab) {
    let mut run = task(lab).launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let first = |leaf: &str| {
        let mut processes = pod.processes().into_iter();
        processes
            .find(|process| process.leaf == leaf)
            .unwrap_or_else(|| panic!("no {leaf}"))
    };
    let containers = [first("pause"), first("svc-web"), first("svc-client")];
    for kind in ["net", "ipc", "pid"] {
        let ids: BTreeSet<_> = containers
            .iter()
            .map(|process| process.namespace(kind))
            .collect();
        assert_eq!(ids.len(), 1, "one {kind} namespace for all");
        let own = fs::read_link(format!("/proc/self/ns/{kind}")).expect("we have one");
        assert!(
            !ids.contains(&own),
            "the {kind} namespace is not the host's"
        );
    }
    for kind in ["mnt", "cgroup"] {
        let ids: BTreeSet<_> = containers
            .iter()
            .map(|process| process.namespace(kind))
            .collect();
        assert_eq!(ids.len(), containers.len(), "a {kind} namespace for each");
    }
    run.kill();
    run.until_end();
    run.until_gone();
}

fn a_service_reaches_another_by_name(lab: &Lab) {
    let mut run = task(lab).launch();
    run.until_state("TASK_RUNNING");
    for name in ["127.0.0.1", "localhost", "web", "www"] {
        run.until_stdout(&format!("{name}: hello from web"));
    }
    // And sees its processes.
    run.until_stdout("httpd -f -p 8080");
    run.kill();
    run.until_end();
    run.until_gone();
}
