//! crun where it works, runc where it doesn't.

use std::path::Path;

use crate::lab::Lab;
use crate::lab::host;
use crate::lab::hugetlb::Hugetlb;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd: a_pod_runs_with_crun_where_crun_runs].into()
}

const SLEEPS: &str = r#"
  one:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;

fn a_pod_runs_with_crun_where_crun_runs(lab: &Lab) {
    assert!(
        host::find("crun").is_some(),
        "no crun: apt-get install crun"
    );
    let _hugetlb = Hugetlb::mount();
    let mut up = Up::app(lab, SLEEPS).start();
    up.until_stdout("up");
    // crun's state of a container is a file `status`, runc's is `state.json`.
    let id = format!("pod-{}", up.pod().id());
    let states = [
        "/run/containerd/runc/compose-executor",
        "/run/containerd/crun/compose-executor",
    ]
    .map(|top| Path::new(top).join(&id).join("status"));
    assert!(
        states.iter().any(|state| state.exists()),
        "no crun state of {id}"
    );
    drop(up);
}
