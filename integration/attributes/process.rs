//! What runs, as whom, and how it is stopped.

use nix::sys::signal::Signal;

use super::{Services, image, record};
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        as_its_file_says,
        a_terminal,
        labels_stay_in_our_own_records,
        how_it_is_stopped,
        an_init_of_its_own,
        what_the_loader_merges,
    ]
    .into()
}

fn as_its_file_says(lab: &Lab) {
    let keys = [
        "user: web",
        "group_add: [audio, '77']",
        "working_dir: /not/in/the/image",
        "read_only: true",
        "annotations: {org.example.note: seen}",
        "pull_policy: never",
        "oom_score_adj: 300",
    ];
    let script = r#"
        echo "user: $(id -u):$(id -g) groups: $(id -G) home: $HOME in: $PWD"
        touch /root-file 2> /dev/null || echo the root is read-only
    "#;
    let services = Services::default().with("one", &keys.join("\n"), script);
    let running = services.start(services.up(lab).archive("app.tar", &image()));
    running.assert_told(&[
        "user: 1000:1001 groups: 1001 29 77 home: /srv in: /not/in/the/image",
        "the root is read-only",
    ]);
    assert_eq!(running.proc("one", "oom_score_adj"), "300");
    let record = record(lab, &running.pod, "one");
    assert_eq!(record["Spec"]["annotations"]["org.example.note"], "seen");
}

fn a_terminal(lab: &Lab) {
    let services = Services::default().with(
        "one",
        "tty: true",
        "echo \"terminal $(tty), $TERM\"; echo to stderr >&2",
    );
    let running = services.run(lab);
    running.assert_told(&["terminal /dev/pts/0, xterm", "to stderr"]);
}

/// containerd acts on some labels, even by running programs as root.
fn labels_stay_in_our_own_records(lab: &Lab) {
    let labels =
        "labels: {containerd.io/restart.status: running, mine: x}\nlabel_file: more.labels";
    let services = Services::default().with("one", labels, "");
    let up = services.up(lab).file("more.labels", "other=y\n");
    let running = services.start(up);
    let record = record(lab, &running.pod, "one");
    let labels = record["Labels"].as_object().expect("it has labels");
    assert!(
        labels
            .keys()
            .all(|key| key.starts_with("compose-executor/")),
        "{labels:?}"
    );
    let id = running.pod.id();
    let output = lab.output(&["inspect", "--pod", id, "one"]);
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    let kept = &shown[0]["services"][0]["labels"];
    assert_eq!((&kept["mine"], &kept["other"]), (&"x".into(), &"y".into()));
}

fn how_it_is_stopped(lab: &Lab) {
    let services = Services::default()
        .with(
            "heeds",
            "stop_signal: SIGUSR1",
            "trap 'echo got usr1; exit 0' USR1",
        )
        .with(
            "ignores",
            "stop_grace_period: 200ms\nstop_signal: SIGUSR2",
            "trap '' USR2",
        )
        // Longer than the 10 s that it would have else.
        .with(
            "slow",
            "stop_grace_period: 1m\nstop_signal: SIGUSR2",
            "trap 'sleep 11; echo took its time; exit 0' USR2",
        );
    let mut running = services.run(lab);
    running.up.signal(Signal::SIGINT);
    assert_eq!(running.up.until_end().code(), Some(130));
    running.assert_told(&["got usr1", "took its time"]);
    assert!(
        !running.stdout().contains("asked"),
        "TERM was not asked for"
    );
}

fn an_init_of_its_own(lab: &Lab) {
    let apart = "init: true\nx-pod: {share_pid: false}";
    let script = "
        (sh -c 'exit 0' &)
        echo \"first: $(tr '\\0' ' ' < /proc/1/cmdline | head -n 1)\"
    ";
    let services =
        Services::default()
            .with("apart", apart, script)
            .with("shares", "init: true", "");
    let mut running = services.run(lab);
    assert!(running.told("first:").starts_with("/dev/init sh -c"));
    assert_eq!(running.process("apart").command[0], "/dev/init");
    // In the pod's namespace, pause is what an init would be.
    assert_eq!(running.process("shares").command[0], "sh");
    // What was left to it is no zombie.
    let zombies = running.pod.service("apart").into_iter().filter(|process| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", process.pid));
        stat.is_ok_and(|stat| stat.contains(") Z "))
    });
    assert_eq!(zombies.count(), 0);
    // It hands SIGTERM on, and ends as its command does.
    running.up.signal(Signal::SIGINT);
    assert_eq!(running.up.until_end().code(), Some(130));
    running.assert_told(&["asked apart", "asked shares"]);
}

fn what_the_loader_merges(lab: &Lab) {
    let services = r#"
  one:
    extends: {file: base.yaml, service: base}
    command: [sh, -c, 'echo "$$FROM_BASE"']
  none:
    image: app:1
    scale: 0
    command: [echo, nobody runs this]
  neither:
    image: app:1
    deploy: {mode: replicated, replicas: 0}
    command: [echo, nor this]
"#;
    let compose = format!(
        "name: app\ninclude: [more.yaml]\nx-pod: {{images: [./app.tar]}}\nservices:{services}"
    );
    let mut up = Up::app(lab, "")
        .compose(&compose)
        .file(
            "base.yaml",
            "services: {base: {image: 'app:1', environment: {FROM_BASE: extended}}}\n",
        )
        .file(
            "more.yaml",
            "services: {more: {image: 'app:1', command: [echo, included]}}\n",
        )
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    let text = up.stdout();
    assert!(
        text.contains("extended") && text.contains("included"),
        "{text}"
    );
    assert!(!text.contains("this"), "{text}");
}
