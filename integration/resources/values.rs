//! Which number counts, of all that a service may state.

use serde_json::{Value, json};

use crate::program::Folder;

/// The sum of one service `web` with these lines, by these flags.
fn sum(lines: &str, flags: &[&str]) -> Value {
    let folder = Folder::compose(&format!("services:\n  web:\n    image: nginx\n{lines}"));
    folder.run(&[&["--format=json"], flags].concat()).json()
}

/// CPUs in thousandths and memory in mebibytes, with their sources.
fn row(sum: &Value) -> (u64, String, u64, String) {
    let row = &sum["services"][0];
    let number = |key: &str| row[key].as_u64().expect("this is an integer");
    let kind = |key: &str| {
        row["sources"][key]["kind"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    (
        number("milli_cpus"),
        kind("cpus"),
        number("mem_bytes") >> 20,
        kind("mem"),
    )
}

#[test]
fn the_precedence_is_dockers() {
    for (lines, limits, requests) in [
        (
            "",
            (100, "default", 128, "default"),
            (100, "default", 128, "default"),
        ),
        // Zero is as good as nothing.
        (
            "    cpus: 0\n    mem_limit: 0\n    cpu_quota: -1\n    cpu_shares: 0\n",
            (100, "default", 128, "default"),
            (100, "default", 128, "default"),
        ),
        (
            "    deploy: {resources: {limits: {cpus: '0.3', memory: 64m}}}\n",
            (300, "limit", 64, "limit"),
            (300, "limit", 64, "limit"),
        ),
        (
            "    deploy: {resources: {reservations: {cpus: '0.3', memory: 64m}}}\n",
            (300, "reservation", 64, "reservation"),
            (300, "reservation", 64, "reservation"),
        ),
        (
            "    cpus: 2\n    cpu_shares: 512\n    mem_limit: 1g\n    mem_reservation: 64m\n",
            (2000, "limit", 1024, "limit"),
            (500, "shares", 64, "reservation"),
        ),
        // Shares are a weight: they can't ask for more than the limit gives.
        (
            "    cpus: 0.5\n    cpu_shares: 1024\n",
            (500, "limit", 128, "default"),
            (500, "limit", 128, "default"),
        ),
        (
            "    cpu_quota: 33333\n    cpu_period: 100000\n",
            (334, "quota", 128, "default"),
            (334, "quota", 128, "default"),
        ),
        (
            "    cpus: 8\n    cpuset: 0-1,1\n",
            (2000, "cpuset", 128, "default"),
            (2000, "cpuset", 128, "default"),
        ),
        (
            "    cpus: 0.5\n    cpuset: 0-3\n    x-pod: {resources: {cpus: 0.7, mem: 70m}}\n",
            (700, "override", 70, "override"),
            (700, "override", 70, "override"),
        ),
    ] {
        for (basis, expected) in [("limits", limits), ("requests", requests)] {
            let (cpus, cpus_kind, mem, mem_kind) = row(&sum(lines, &["--basis", basis]));
            let row = (cpus, cpus_kind.as_str(), mem, mem_kind.as_str());
            assert_eq!(row, expected, "{basis}: {lines}");
        }
    }
}

#[test]
fn amounts_are_rounded_up() {
    let sum = sum("    cpus: 0.0001\n    mem_limit: 64000001b\n", &[]);
    assert_eq!(sum["services_total"]["milli_cpus"], 1);
    assert_eq!(sum["services_total"]["mem_bytes"], 64_000_001);
    assert_eq!(sum["task"]["milli_cpus"], 11);
    assert_eq!(sum["task"]["mem_bytes"], 78_u64 << 20);
}

#[test]
fn decimals_that_floats_lack_are_exact() {
    let services: String = (0..10)
        .map(|index| format!("  s{index}: {{image: nginx, cpus: 0.1}}\n"))
        .fold(String::new(), |all, service| all + &service);
    let folder = Folder::compose(&format!("services:\n{services}"));
    let sum = folder.run(&["--format=json"]).json();
    assert_eq!(sum["services_total"]["milli_cpus"], 1000);
}

#[test]
fn replicas_multiply_and_are_warned_of() {
    let folder = Folder::compose("services: {web: {image: nginx, mem_limit: 64m, scale: 3}}");
    let run = folder.run(&["--format=json"]);
    assert!(run.err.contains("services.web runs 3 times"), "{}", run.err);
    assert_eq!(run.json()["services_total"]["mem_bytes"], 192_u64 << 20);
}

#[test]
fn a_global_service_counts_once() {
    let sum = sum("    deploy: {mode: global}\n", &[]);
    assert_eq!(sum["services"][0]["replicas"], 1);
}

#[test]
fn what_is_not_counted_is_told() {
    let folder = Folder::compose(
        "
services:
  web: {image: nginx}
  none: {image: nginx, scale: 0, mem_limit: 1g}
  cloud: {provider: {type: cloud}}
  debug: {image: nginx, profiles: [debug]}
",
    );
    let sum = folder.run(&["--format=json"]).json();
    assert_eq!(
        sum["not_counted"],
        json!([
            {"service": "none", "reason": "no_replicas"},
            {"service": "cloud", "reason": "provider"},
            {"service": "debug", "reason": "profile"},
        ])
    );
    assert_eq!(sum["services_total"]["mem_bytes"], 128_u64 << 20);
    let table = folder.run(&[]).out;
    assert!(
        table.contains("Not counted (scaled to 0): none\n"),
        "{table}"
    );
}

#[test]
fn limits_on_processes_are_summed_if_all_have_one() {
    let pids = |yaml: &str| Folder::compose(yaml).run(&["--format=json"]).json()["pids"].clone();
    let one = "services: {a: {image: i, pids_limit: 10, scale: 2}, b: {image: i";
    assert_eq!(pids(&format!("{one}, pids_limit: 5}}}}")), 25);
    assert_eq!(pids(&format!("{one}, pids_limit: -1}}}}")), Value::Null);
}
