//! What programs read: the fields of each `--format json`, which docs/operations.md promises. Within
//! a schema they are added to, never changed; so a field that is new comes here, and to that page.

use serde_json::Value;

use crate::commands::{json, ok};
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd: every_command_has_the_fields_of_the_page].into()
}

const SERVICES: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;

/// An object has exactly these fields, and the page has them all.
pub(crate) fn assert_fields(object: &Value, fields: &str) {
    let page = include_str!("../docs/operations.md");
    let object = object.as_object().expect("it is an object");
    let mut have: Vec<&str> = object.keys().map(String::as_str).collect();
    let mut want: Vec<&str> = fields.split(' ').collect();
    have.sort_unstable();
    want.sort_unstable();
    assert_eq!(have, want);
    for field in want {
        let told = page.contains(&format!("`{field}`"));
        assert!(told || field == "schema", "the page has no `{field}`");
    }
    if let Some(schema) = object.get("schema") {
        assert_eq!(schema, 1);
    }
}

fn every_command_has_the_fields_of_the_page(lab: &Lab) {
    let mut run = Up::app(lab, SERVICES).start();
    run.until_stdout("up");
    let ask = |words: &[&str]| json(lab, &[words, &["--format", "json"]].concat());

    let pod = "schema pod task project folder created owner mesos services";
    let service = "service container image status pid exit_code health restarts";
    let ps = ask(&["ps", "-A"]);
    assert_fields(&ps[0], pod);
    assert_fields(&ps[0]["owner"], "state pid");
    assert_fields(&ps[0]["services"][0], service);

    let inspected = json(lab, &["inspect", "-A"]);
    assert_fields(
        &inspected[0],
        &format!("{pod} cgroup logs containerd version"),
    );
    let more = format!("{service} cgroup labels runtime document");
    assert_fields(&inspected[0]["services"][0], &more);
    let containerd = "socket namespace snapshotter lease pause";
    assert_fields(&inspected[0]["containerd"], containerd);

    let lines = ok(lab, &["logs", "--pod", "app", "--format", "json"]);
    let line = lines.lines().next().expect("there is a line");
    let line = serde_json::from_str(line).expect("a line is JSON");
    assert_fields(&line, "schema pod service stream time line");

    let used = ask(&["stats", "--no-stream", "-A"]);
    let fields = "schema pod task service cpus memory_bytes memory_limit_bytes pids";
    assert_fields(&used[0], fields);

    let images = ask(&["image", "ls"]);
    assert_fields(&images, "schema images");
    assert!(images["images"].is_array(), "{images}");

    let cleaned = ask(&["cleanup", "--dry-run"]);
    assert_fields(&cleaned, "schema dry_run pods orphans errors");
    assert_fields(&cleaned["pods"][0], "pod task state remnants");

    let ended = ask(&["down", "--pod", "app"]);
    assert_fields(&ended[0], "schema pod task result");
    run.until_end();
}
