//! What holds for any project: a check ends, and a stricter profile allows nothing that a laxer one
//! forbids.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::profile::Profile;
use super::{PolicyFile, Surroundings, check};
use crate::compose::model::Project;
use crate::compose::testing::{FOLDER, load_text};

/// Keys with values of all kinds: harmless, forbidden, and beyond sense.
const PIECES: &[(&str, &[&str])] = &[
    (
        "user",
        &["root", "'0'", "'1000'", "app", "'99999999999'", "':'", "''"],
    ),
    ("privileged", &["true", "false"]),
    (
        "cap_add",
        &[
            "[ALL]",
            "[CHOWN, NET_RAW]",
            "[NET_BIND_SERVICE]",
            "['']",
            "[é]",
        ],
    ),
    ("cap_drop", &["[ALL]", "[all]", "[CHOWN]", "[]"]),
    (
        "devices",
        &[
            "['/dev/fuse']",
            "['/dev/a:/dev/b:r']",
            "['vendor.com/gpu=all']",
        ],
    ),
    ("device_cgroup_rules", &["['c 1:3 mr']"]),
    (
        "network_mode",
        &["host", "bridge", "none", "'container:x'", "other"],
    ),
    ("pid", &["host", "'container:x'"]),
    ("ipc", &["host", "private", "shareable"]),
    ("uts", &["host"]),
    ("cgroup", &["host", "private"]),
    ("userns_mode", &["host", "auto"]),
    ("runtime", &["runc", "kata", "''"]),
    (
        "security_opt",
        &[
            "[no-new-privileges]",
            "['no-new-privileges:false']",
            "['seccomp=unconfined']",
            "['label=disable', 'apparmor=x']",
            "['=', ':', '']",
            "['label=type:']",
        ],
    ),
    (
        "sysctls",
        &[
            "{net.core.somaxconn: 1}",
            "{net.ipv4.tcp_syncookies: 1}",
            "{'': 1}",
        ],
    ),
    ("annotations", &["{a: b}", "{run.oci.handler: wasm}"]),
    (
        "labels",
        &["{a: b}", "{containerd.io/restart.status: running}"],
    ),
    (
        "volumes",
        &[
            "['/:/x']",
            "['./a:/x']",
            "['../../..:/x']",
            "['/x']",
            "['/var/run/docker.sock:/s']",
            "[{type: tmpfs, target: /t, tmpfs: {size: 1g}}]",
            "[{type: image, source: 'UPPER', target: /i}]",
            "[{type: bind, source: /data, target: /d, bind: {propagation: rshared}}]",
        ],
    ),
    (
        "tmpfs",
        &["[/tmp]", "['/tmp:size=50%']", "['/tmp:size=9999999999g']"],
    ),
    ("shm_size", &["1g", "64m", "0"]),
    (
        "image",
        &[
            "app",
            "'registry.example/app@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'",
            "'::'",
            "UPPER",
        ],
    ),
    ("mem_limit", &["64m", "0"]),
    ("memswap_limit", &["-1", "128m", "0"]),
    ("oom_score_adj", &["-1000", "0", "1000"]),
    ("oom_kill_disable", &["true"]),
    ("pids_limit", &["-1", "0", "1", "99999999"]),
    (
        "ulimits",
        &[
            "{nofile: 1}",
            "{core: -1}",
            "{nofile: {soft: 1, hard: 9999999}}",
            "{unknown: 3}",
        ],
    ),
    (
        "restart",
        &["always", "'no'", "'on-failure:3'", "sometimes"],
    ),
    ("stop_grace_period", &["1s", "1000h", "0s"]),
    (
        "post_start",
        &[
            "[{command: x}]",
            "[{command: x, user: root, privileged: true}]",
        ],
    ),
    (
        "logging",
        &[
            "{driver: json-file, options: {max-size: 1t, max-file: x}}",
            "{options: {max-size: ''}}",
        ],
    ),
    ("ports", &["['80:80']", "[80]"]),
    ("mac_address", &["02:00:00:00:00:01"]),
    (
        "blkio_config",
        &[
            "{weight: 10}",
            "{device_write_iops: [{path: /dev/sda, rate: 1}]}",
        ],
    ),
    ("cpu_rt_runtime", &["1", "0"]),
    ("environment", &["{A: b}", "[A]"]),
];

fn service() -> impl Strategy<Value = String> {
    let keys = subsequence(PIECES, 0..12);
    let lines = keys.prop_flat_map(|keys| {
        keys.into_iter()
            .map(|(key, values)| {
                select(values.to_vec()).prop_map(move |value| format!("{key}: {value}"))
            })
            .collect::<Vec<_>>()
    });
    lines.prop_map(|mut lines| {
        if !lines.iter().any(|line| line.starts_with("image: ")) {
            lines.push("image: app".to_owned());
        }
        format!("{{{}}}", lines.join(", "))
    })
}

fn file() -> impl Strategy<Value = String> {
    prop::collection::vec(service(), 1..4).prop_map(|services| {
        let entries = services.iter().enumerate();
        let entries: Vec<String> = entries.map(|(i, it)| format!("  s{i}: {it}")).collect();
        format!("services:\n{}\n", entries.join("\n"))
    })
}

/// The keys that a profile refuses.
fn refused(project: &Project, profile: Profile) -> BTreeSet<String> {
    let place = Surroundings {
        sandbox: Path::new(FOLDER),
        guarded: &[],
        archives: &[],
    };
    let found = check(project, &PolicyFile::profile(profile), place);
    found
        .into_iter()
        .map(|it| format!("{} {}", it.field, it.key))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_stricter_profile_allows_nothing_more(text in file()) {
        let Ok(loaded) = load_text(&text) else {
            return Ok(());
        };
        let privileged = refused(&loaded.project, Profile::Privileged);
        let baseline = refused(&loaded.project, Profile::Baseline);
        let restricted = refused(&loaded.project, Profile::Restricted);
        prop_assert!(privileged.is_empty(), "{privileged:?}");
        prop_assert!(baseline.is_subset(&restricted), "{:?}", baseline.difference(&restricted));
    }
}

/// The pieces reach the check: most files are sound.
#[test]
fn the_loader_takes_most_pieces() {
    let mut taken = 0;
    for (key, values) in PIECES {
        for value in *values {
            let image = if *key == "image" { "" } else { "image: app, " };
            let text = format!("services:\n  s: {{{image}{key}: {value}}}\n");
            taken += usize::from(load_text(&text).is_ok());
        }
    }
    let all: usize = PIECES.iter().map(|(_, values)| values.len()).sum();
    assert!(taken * 10 > all * 8, "{taken} of {all}");
}
