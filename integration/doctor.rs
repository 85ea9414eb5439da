//! `doctor` tells whether the host is ready, and what to do where it is not.

use std::fs;

use serde_json::Value;

use crate::lab::Lab;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd: a_ready_host_is_told, what_is_missing_is_told_with_its_remedy].into()
}

fn state<'a>(report: &'a Value, name: &str) -> &'a str {
    let checks = report["checks"].as_array().expect("there are checks");
    let check = checks.iter().find(|check| check["name"] == name);
    let state = check.and_then(|check| check["state"].as_str());
    state.unwrap_or_else(|| panic!("no {name} in {report}"))
}

fn a_ready_host_is_told(lab: &Lab) {
    let output = lab.output(&["doctor", "--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["schema"], 1);
    assert_eq!(report["ready"], true);
    for name in [
        "user",
        "kernel",
        "cgroups",
        "root",
        "state",
        "containerd",
        "runc",
    ] {
        assert_eq!(state(&report, name), "ok", "{name}: {report}");
    }
}

fn what_is_missing_is_told_with_its_remedy(lab: &Lab) {
    let before = fs::read(lab.config()).expect("the lab has a configuration");
    fs::write(lab.config(), "[containerd]\nsnapshotter = \"none-such\"\n").expect("it is ours");
    let output = lab.output(&["doctor"]);
    fs::write(lab.config(), before).expect("it is ours");
    assert_eq!(output.status.code(), Some(5));
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("no snapshotter \"none-such\""), "{text}");
    assert!(
        text.contains("one of: ") && text.contains("overlayfs"),
        "{text}"
    );
}
