//! crun where it works, runc where it doesn't.

use std::fs;
use std::path::Path;

use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::lab::Lab;
use crate::lab::host::{self, CGROUPS};
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

/// A hierarchy for the one controller that else stays with version 2 on hosts with both, where
/// crun refuses to run. Gone with its test.
struct Hugetlb(bool);

impl Hugetlb {
    const PLACE: &'static str = "/sys/fs/cgroup/hugetlb";

    fn mount() -> Self {
        let both = Path::new(CGROUPS).join("unified/cgroup.controllers");
        let held = fs::read_to_string(both).unwrap_or_default();
        let wanted = held
            .split_whitespace()
            .any(|controller| controller == "hugetlb");
        if wanted && fs::create_dir(Self::PLACE).is_ok() {
            let options = Some("hugetlb");
            mount(
                Some("cgroup"),
                Self::PLACE,
                Some("cgroup"),
                MsFlags::empty(),
                options,
            )
            .expect("the controller is free");
            return Self(true);
        }
        Self(false)
    }
}

impl Drop for Hugetlb {
    fn drop(&mut self) {
        if self.0 {
            umount2(Self::PLACE, MntFlags::MNT_DETACH).expect("it is mounted");
            fs::remove_dir(Self::PLACE).expect("it is empty");
        }
    }
}

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
