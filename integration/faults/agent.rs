//! The agent and the way to it: away, frozen, cut off, late, and with its other options.

use std::fs;
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};

use super::{SLEEPS, WAITS};
use crate::lab::Lab;
use crate::lab::task::{Task, TaskRun};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(super) fn tests() -> Vec<Test> {
    tests![Mesos:
        gone_for_too_long_it_ends_the_pod,
        frozen_it_gets_its_updates_later,
        a_blackholed_connection_is_noticed,
        a_restart_of_the_master_is_not_seen,
        acknowledgements_may_be_late,
        a_shutdown_is_done_within_its_time,
        a_sandbox_that_is_gone,
        with_executor_authentication,
        with_a_domain_socket,
        with_https,
    ]
    .into()
}

/// Waits until the executor's log has these words.
fn until_logged(run: &TaskRun<'_>, words: &str) {
    wait::until(words, PATIENCE, || {
        run.read("executor.log").contains(words).then_some(())
    });
}

fn assert_one_end(run: &mut TaskRun<'_>) {
    let updates = run.updates();
    let ends: Vec<_> = updates.iter().filter(|it| it.is_terminal()).collect();
    assert_eq!(ends.len(), 1, "{ends:#?}");
}

fn gone_for_too_long_it_ends_the_pod(lab: &Lab) {
    let task = Task::app(lab, SLEEPS).checkpoint();
    let mut run = task.env("MESOS_RECOVERY_TIMEOUT", "2secs").launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    lab.mesos().kill_agent();
    pod.until_dead();
    lab.mesos().restart_agent();
    let end = run.until_end();
    assert_ne!(end.source(), "SOURCE_EXECUTOR", "{end:?}");
}

fn frozen_it_gets_its_updates_later(lab: &Lab) {
    let mut run = Task::app(lab, WAITS).folder("share").checkpoint().launch();
    run.until_state("TASK_RUNNING");
    let pod = run.pod();
    let agent = lab.mesos().agent_pid();
    kill(agent, Signal::SIGSTOP).expect("it lives");
    fs::write(run.sandbox().join("share/go"), "").expect("the sandbox is there");
    let ended = wait::within(PATIENCE, || pod.service("one").is_empty().then_some(()));
    kill(agent, Signal::SIGCONT).expect("it lives");
    assert!(ended.is_some(), "the service ends");
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_FAILED", "SOURCE_EXECUTOR")
    );
    assert!(end.message().contains("exit=5"), "{}", end.message());
    run.until_gone();
    assert_one_end(&mut run);
}

/// No packet of the executor's connections comes through any more; new ones are free.
struct Blackhole(Vec<Vec<String>>);

impl Blackhole {
    fn around(executor: i32) -> Self {
        let sockets = Command::new("ss").args(["-Htnp"]).output();
        let sockets = sockets.expect("ss is there: apt-get install iproute2");
        let text = String::from_utf8_lossy(&sockets.stdout).into_owned();
        let of_it = format!("pid={executor},");
        let mut rules = Vec::new();
        for line in text.lines().filter(|line| line.contains(&of_it)) {
            let own = line.split_whitespace().nth(3);
            let port = own.and_then(|address| address.rsplit_once(':'));
            let port = port.expect("a line has the own address").1;
            for side in ["--sport", "--dport"] {
                let rule = ["-p", "tcp", side, port, "-j", "DROP"];
                rules.push(rule.map(str::to_owned).to_vec());
            }
        }
        assert!(!rules.is_empty(), "the executor has a connection: {text}");
        let hole = Self(rules);
        hole.change("-I");
        hole
    }

    fn change(&self, how: &str) {
        for rule in &self.0 {
            let changed = Command::new("iptables")
                .args(["-w", how, "INPUT"])
                .args(rule)
                .status();
            let changed = changed.expect("iptables is there: apt-get install iptables");
            assert!(changed.success(), "iptables {how}: {changed}");
        }
    }
}

impl Drop for Blackhole {
    fn drop(&mut self) {
        self.change("-D");
    }
}

/// By the kernel's word alone: the agent's heartbeats are half an hour apart.
fn a_blackholed_connection_is_noticed(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).checkpoint().launch();
    run.until_state("TASK_RUNNING");
    let hole = Blackhole::around(run.executor().pid);
    until_logged(&run, "the agent went away");
    until_logged(&run, "the agent is back");
    drop(hole);
    assert!(run.updates().iter().all(|update| !update.is_terminal()));
    assert_eq!(run.kill_until_end().state(), "TASK_KILLED");
    run.until_gone();
}

fn a_restart_of_the_master_is_not_seen(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).checkpoint().launch();
    run.until_state("TASK_RUNNING");
    lab.mesos().restart_master();
    let log = run.read("executor.log");
    assert!(!log.contains("went away"), "{log}");
    assert_eq!(run.kill_until_end().state(), "TASK_KILLED");
    run.until_gone();
}

/// The agent acknowledges at once, whoever is slow behind it.
fn acknowledgements_may_be_late(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).option("--ack-delay", 1).launch();
    run.until_state("TASK_RUNNING");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    assert_one_end(&mut run);
}

fn a_shutdown_is_done_within_its_time(lab: &Lab) {
    let mut services = String::new();
    for i in 0..10 {
        use std::fmt::Write as _;
        let command = "[sh, -c, \"trap '' TERM; echo deaf; while :; do sleep 0.5; done\"]";
        write!(
            services,
            "  s{i}:\n    image: app:1\n    stop_grace_period: 1m\n    command: {command}\n"
        )
        .expect("a string takes all that is written");
    }
    let task = Task::app(lab, &services).mem(256);
    let mut run = task.shutdown_grace(Duration::from_secs(5)).launch();
    run.until_state("TASK_RUNNING");
    for i in 0..10 {
        run.until_stdout(&format!("s{i} | deaf"));
    }
    run.shutdown();
    // By our word, which comes before the agent's SIGKILL.
    let end = run.until_end();
    assert_eq!(
        (end.state(), end.source()),
        ("TASK_KILLED", "SOURCE_EXECUTOR"),
        "{}",
        end.message()
    );
    assert!(end.message().contains("s9"), "{}", end.message());
    run.until_gone();
    lab.cleanup();
}

fn a_sandbox_that_is_gone(lab: &Lab) {
    let mut run = Task::app(lab, SLEEPS).launch();
    run.until_state("TASK_RUNNING");
    let sandbox = fs::canonicalize(run.sandbox()).expect("the sandbox is there");
    fs::remove_dir_all(&sandbox).expect("it can be removed");
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    // The agent misses it too, and ends the executor in the middle of its teardown.
    lab.cleanup();
}

/// A whole life of a checkpointed task, with a restart of the agent in its middle.
fn lives_and_dies(lab: &Lab) -> String {
    let mut run = Task::app(lab, SLEEPS).checkpoint().launch();
    run.until_state("TASK_RUNNING");
    lab.mesos().restart_agent();
    until_logged(&run, "the agent is back");
    assert_eq!(run.kill_until_end().state(), "TASK_KILLED");
    run.until_gone();
    run.stderr()
}

fn with_executor_authentication(lab: &Lab) {
    let _mesos = lab.mesos().started_with(&["--executor-auth"]);
    lives_and_dies(lab);
}

fn with_a_domain_socket(lab: &Lab) {
    let _mesos = lab.mesos().started_with(&["--domain-socket"]);
    let told = lives_and_dies(lab);
    assert!(told.contains("endpoint=unix://"), "{told}");
}

fn with_https(lab: &Lab) {
    let folder = lab.fixture();
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        fs::write(&path, text).expect("the fixture's folder takes a file");
        path.display().to_string()
    };
    let certified = rcgen::generate_simple_self_signed(vec!["agent.example".to_owned()]);
    let certified = certified.expect("the names are good ones");
    let certificate = file("agent.pem", &certified.cert.pem());
    let key = file("agent.key", &certified.signing_key.serialize_pem());
    let executors = serde_json::json!({
        "LIBPROCESS_SSL_ENABLED": "true",
        "LIBPROCESS_SSL_CA_FILE": certificate,
    });
    let settings = [
        "LIBPROCESS_SSL_ENABLED=true".to_owned(),
        // The master of the lab speaks none.
        "LIBPROCESS_SSL_SUPPORT_DOWNGRADE=true".to_owned(),
        format!("LIBPROCESS_SSL_CERT_FILE={certificate}"),
        format!("LIBPROCESS_SSL_KEY_FILE={key}"),
        "LIBPROCESS_SSL_CIPHERS=ECDHE-ECDSA-AES128-GCM-SHA256".to_owned(),
        format!("MESOS_EXECUTOR_ENVIRONMENT_VARIABLES={executors}"),
    ];
    let options: Vec<&str> = settings
        .iter()
        .flat_map(|setting| ["--agent-env", setting])
        .collect();
    let _mesos = lab.mesos().started_with(&options);
    let told = lives_and_dies(lab);
    assert!(told.contains("endpoint=https://"), "{told}");
}
