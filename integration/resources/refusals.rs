//! Values that nobody should sum: each is refused, with the place that has it.

use crate::program::Folder;

/// The refusal of one service, whose lines begin at line 4.
fn refusal(lines: &str) -> String {
    let yaml = format!("services:\n  web:\n    image: nginx\n{lines}");
    let run = Folder::compose(&yaml).run(&[]);
    assert_eq!(run.code, 3, "{lines}: {}", run.err);
    assert_eq!(run.out, "", "{lines}");
    run.err
}

#[test]
fn bad_values_are_refused_where_they_stand() {
    for (lines, place) in [
        ("    mem_limit: 64Mi\n", "compose.yaml:4:16"),
        ("    mem_limit: -5m\n", "compose.yaml:4:16"),
        ("    mem_limit: 9999999999g\n", "compose.yaml:4:16"),
        ("    mem_limit: 5m\n", "compose.yaml:4:16"),
        ("    mem_limit: 1,5g\n", "compose.yaml:4:16"),
        ("    cpus: '0,5'\n", "compose.yaml:4:11"),
        ("    cpus: -1\n", "compose.yaml:4:11"),
        ("    cpus: 100m\n", "compose.yaml:4:11"),
        ("    cpu_shares: -2\n", "compose.yaml:4:17"),
        ("    cpuset: 3-0\n", "compose.yaml:4:13"),
        ("    cpu_quota: 10\n", "compose.yaml:4:16"),
        (
            "    cpu_quota: 5000\n    cpu_period: 10\n",
            "compose.yaml:5:17",
        ),
        ("    shm_size: 1x\n", "compose.yaml:4:15"),
        ("    storage_opt: {size: 1x}\n", "compose.yaml:4:19"),
        ("    x-pod: {resources: {mem: 1x}}\n", "compose.yaml:4:30"),
        ("    x-pod: {resources: {ram: 1g}}\n", "compose.yaml:4:25"),
        ("    gpus: all\n", "compose.yaml:4:11"),
    ] {
        let refusal = refusal(lines);
        assert!(refusal.contains(place), "{lines}: {refusal}");
    }
}

#[test]
fn a_conflict_names_both_places() {
    let deploy = |key: &str, part: &str, value: &str| {
        format!("    {key}\n    deploy:\n      resources:\n        {part}: {{{value}}}\n")
    };
    for (lines, first, second) in [
        (
            deploy("mem_limit: 64m", "limits", "memory: 128m"),
            "4:16",
            "7:26",
        ),
        (deploy("cpus: 1", "limits", "cpus: '2'"), "4:11", "7:24"),
        (
            deploy("mem_reservation: 64m", "reservations", "memory: 128m"),
            "4:22",
            "7:32",
        ),
        (deploy("pids_limit: 5", "limits", "pids: 6"), "4:17", "7:24"),
        (
            deploy("cpu_quota: 50000", "limits", "cpus: '1'"),
            "4:16",
            "7:24",
        ),
    ] {
        let refusal = refusal(&lines);
        let line = |place: &str| place.split(':').next().unwrap().to_owned();
        assert!(
            refusal.contains(&format!("compose.yaml:{first}")),
            "{refusal}"
        );
        assert!(
            refusal.contains(&format!("\n{} |", line(second))),
            "{refusal}"
        );
    }
}

#[test]
fn a_reservation_above_the_limit_is_refused() {
    for lines in [
        "    mem_limit: 64m\n    mem_reservation: 65m\n",
        "    mem_limit: 64m\n    deploy: {resources: {reservations: {memory: 65m}}}\n",
        "    cpuset: '0'\n    deploy: {resources: {reservations: {cpus: '1.5'}}}\n",
    ] {
        let refusal = refusal(lines);
        assert!(refusal.contains("than its limit"), "{refusal}");
        assert!(refusal.contains("compose.yaml:5:"), "{refusal}");
    }
}

#[test]
fn all_faults_are_told_at_once() {
    let refusal = refusal("    mem_limit: 1m\n    cpuset: x\n");
    assert!(refusal.contains("compose.yaml:4:16"), "{refusal}");
    assert!(refusal.contains("compose.yaml:5:13"), "{refusal}");
}

#[test]
fn sums_beyond_64_bits_are_refused() {
    let run = Folder::compose(
        "services: {web: {image: nginx, mem_limit: 8000000t, scale: 4000000000000}}",
    )
    .run(&[]);
    assert_eq!(run.code, 3, "{}", run.err);
}
