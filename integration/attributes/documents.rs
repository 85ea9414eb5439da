//! What `plan` shows is what a launch does; and the table of verdicts tells of tests that exist.

use std::fs;
use std::path::Path;

use serde_json::Value;

use compose_executor::pod::verdict::{SECTIONS, Seen, Verdict};

use super::limits::disk;
use super::{Running, Services, image, record};
use crate::lab::Lab;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        a_plan_shows_the_documents_of_a_launch,
        a_plan_without_an_image_tells_what_is_open,
        each_test_of_the_table_is_one,
    ]
    .into()
}

/// The document's own profile once more, compiled: only a launch knows whether the runtime takes it.
const COMPILED: &str = "run.oci.seccomp_bpf_data";

/// A document without what differs from pod to pod: its id, and pause's pid.
fn plain(document: &Value, pod: &str) -> Value {
    let mut text = document.to_string().replace(pod, "POD");
    while let Some((before, rest)) = text.split_once("\"/proc/")
        && let Some((pid, after)) = rest.split_once("/ns/")
    {
        assert!(pid.len() < 12, "{pid}");
        text = format!("{before}\"PAUSE/ns/{after}");
    }
    let mut plain: Value = serde_json::from_str(&text).expect("it still is JSON");
    if let Some(annotations) = plain["annotations"].as_object_mut() {
        annotations.remove(COMPILED);
    }
    pruned(plain)
}

/// Without what is nothing: containerd's client leaves out some of it, and writes some of it.
fn pruned(value: Value) -> Value {
    let is_something = |value: &Value| {
        let empty = match value {
            Value::Null | Value::Bool(false) => true,
            Value::Number(number) => number.as_i64() == Some(0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(members) => members.is_empty(),
            Value::Bool(true) => false,
        };
        !empty
    };
    match value {
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, pruned(value)))
            .filter(|(_, value)| is_something(value))
            .collect(),
        Value::Array(items) => items.into_iter().map(pruned).collect(),
        other => other,
    }
}

/// As numbers, and what most pods ask for.
const OWN: &str = "
user: '1000:1001'
group_add: ['77']
cap_add: [NET_ADMIN]
cap_drop: [CHOWN]
devices: ['/dev/full:/dev/brimming:r']
ulimits: {nofile: {soft: 300, hard: 400}}
mem_limit: 64m
cpus: 0.5
sysctls: {net.core.somaxconn: 777}
read_only: true
tmpfs: /tmp
volumes: ['./word:/word:ro', 'data:/data']
annotations: {org.example.note: seen}
environment: {A: b}
";

/// By names that only the image knows, and what few pods ask for.
const MANY: &str = "
user: web
group_add: [audio]
working_dir: /srv/app
hostname: front
domainname: example.org
configs: [{source: settings, target: /etc/settings, uid: '1000', mode: 0440}]
secrets: [token]
volumes:
  - {type: volume, source: data, target: /part, volume: {subpath: a/part}}
  - {type: bind, source: ./word, target: /word, read_only: true, bind: {propagation: rprivate}}
  - {type: tmpfs, target: /scratch, tmpfs: {size: 1m, mode: 0700}}
  - {type: image, source: 'app:1', target: /image}
  - /anonymous
cap_drop: [ALL]
cap_add: [NET_BIND_SERVICE]
security_opt: ['seccomp=./allow.json', 'no-new-privileges:false']
device_cgroup_rules: ['c 10:229 r']
sysctls: {kernel.shm_rmid_forced: 1}
mem_limit: 64m
mem_reservation: 32m
memswap_limit: 64m
cpu_shares: 512
cpu_quota: 50000
cpu_period: 100000
cpuset: '0'
pids_limit: 50
oom_score_adj: 100
blkio_config: {device_read_bps: [{path: DISK, rate: 1mb}]}
tty: true
extra_hosts: {far: 192.0.2.7}
dns: 192.0.2.53
stop_signal: SIGINT
";

/// A pod in which most keys are.
fn pod_of_many_keys(lab: &Lab) -> Running {
    let services = Services::default()
        .with("own", OWN, "")
        .with("many", &MANY.replace("DISK", &disk().0), "")
        .with(
            "apart",
            "x-pod: {share_pid: false}\ninit: true\nipc: private",
            "",
        )
        .with("named", "group_add: [audio, '99']\nuser: ':web'", "")
        .with("usual", "", "");
    let compose = format!(
        "name: app\nx-pod: {{images: [./app.tar]}}\nvolumes: {{data: {{}}}}\nconfigs: {{settings: {{content: x}}}}\nsecrets: {{token: {{file: ./word}}}}\nservices:\n{}",
        services.yaml
    );
    let up = services
        .up(lab)
        .archive("app.tar", &image().volume("/declared").user("web"))
        .compose(&compose)
        .file("word", "word\n")
        .file("allow.json", r#"{"defaultAction": "SCMP_ACT_ALLOW"}"#);
    services.start(up)
}

fn a_plan_shows_the_documents_of_a_launch(lab: &Lab) {
    let running = pod_of_many_keys(lab);
    let file = running
        .up
        .folder()
        .join("compose.yaml")
        .display()
        .to_string();
    let parent = running.up.cgroup();
    let words = [
        "plan",
        "--format",
        "json",
        "-f",
        &file,
        "--cgroup-parent",
        &parent,
    ];
    let output = lab.output(&words);
    assert!(output.status.success(), "{}", output.status);
    let plan: Value = serde_json::from_slice(&output.stdout).expect("a plan is JSON");
    let planned = plan["pod"].as_str().expect("a plan has a pod");

    let launched = record(lab, &running.pod, &format!("pod-{}", running.pod.id()));
    assert_eq!(
        plain(&plan["sandbox"]["document"], planned),
        plain(&launched["Spec"], running.pod.id()),
    );
    let containers = plan["containers"]
        .as_array()
        .expect("a plan has containers");
    assert_eq!(containers.len(), 5);
    for container in containers {
        let service = container["service"].as_str().expect("it is a service's");
        let launched = record(lab, &running.pod, &format!(".{service}"));
        assert_eq!(
            plain(&container["document"], planned),
            plain(&launched["Spec"], running.pod.id()),
            "{service}"
        );
        assert_eq!(
            container["from_the_image"],
            serde_json::json!([]),
            "{service}"
        );
    }
    let many = &containers[1]["document"]["process"]["user"];
    let seen = (&many["uid"], &many["gid"], &many["additionalGids"]);
    assert_eq!(
        seen,
        (&1000.into(), &1001.into(), &serde_json::json!([1001, 29]))
    );
    assert_eq!(plan["notes"], serde_json::json!([]));
    let warned = plan["warnings"].as_array().expect("a plan has warnings");
    let warned = warned.iter().filter_map(Value::as_str);
    assert!(warned.into_iter().any(|line| line.contains("NET_ADMIN")));
    drop(running);
    // What `up` has kept of the volume is its user's; the test is its user.
    fs::remove_dir_all(lab.root().join("volumes")).expect("named volumes are kept there");
}

fn a_plan_without_an_image_tells_what_is_open(lab: &Lab) {
    let folder = lab.fixture();
    let file = folder.join("compose.yaml");
    let text = "services: {a: {image: 'nowhere:1'}, b: {image: 'nowhere:1', entrypoint: [b], working_dir: /b}}\n";
    fs::write(&file, text).expect("the fixture's folder takes a file");
    let output = lab.output(&[
        "plan",
        "--format",
        "json",
        "-f",
        &file.display().to_string(),
    ]);
    assert!(output.status.success(), "{}", output.status);
    let plan: Value = serde_json::from_slice(&output.stdout).expect("a plan is JSON");
    let open = |service: usize| plan["containers"][service]["from_the_image"].to_string();
    assert!(open(0).contains("process.args") && open(0).contains("process.cwd"));
    assert!(!open(1).contains("process.args") && !open(1).contains("process.cwd"));
    let args = &plan["containers"][0]["document"]["process"]["args"];
    assert_eq!(args[0], "(from the image)");
    let notes = plan["notes"].as_array().expect("a plan has notes");
    assert_eq!(notes.len(), 2, "{notes:?}");
    let note = notes[0].as_str().unwrap_or_default();
    assert!(
        note.starts_with("service \"a\": ") && note.contains("process.user"),
        "{note}"
    );
}

fn each_test_of_the_table_is_one(_: &Lab) {
    let known: Vec<String> = crate::tests().iter().map(Test::full_name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("integration");
    let rows = SECTIONS.iter().flat_map(|section| section.rows);
    for row in rows {
        let Verdict::Supported(Seen::By(test)) = row.verdict else {
            continue;
        };
        assert!(known.iter().any(|name| name == test), "{}: {test}", row.key);
        // And it is about the key, as far as a search can tell.
        let (theme, _) = test.rsplit_once("::").expect("a theme and a test");
        let source = folder.join(theme.replace("::", "/")).with_extension("rs");
        let source = fs::read_to_string(source).expect("a theme has a file");
        let key = row.key.split(": ").next().unwrap_or_default();
        let word = key.rsplit('.').next().unwrap_or_default();
        assert!(source.contains(word), "{test} does not know {key}");
    }
}
