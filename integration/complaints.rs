//! What users of other runners of Compose files without dockerd complain about, and the test that
//! shows it solved here. The complaints are those that stand open with nerdctl and with podman's
//! compose programs.
//!
//! | complaint | test |
//! |---|---|
//! | A condition of `depends_on` is ignored, or told to be: everything starts at once | `order::a_healthy_dependency_is_waited_for` |
//! | `service_completed_successfully` is not waited for | `order::a_completed_dependency_is_waited_for` |
//! | A dependency that can't be met any more: the start hangs for ever | `order::a_failed_dependency_ends_the_start` |
//! | It becomes unhealthy: nobody says who waits for whom | `order::an_unhealthy_dependency_is_told_with_both_names` |
//! | … nor what its check said | `order::an_unhealthy_dependency_is_told_with_its_last_probe` |
//! | `service_healthy` on a service without a health check: waits for ever | `order::health_that_nothing_tells_is_refused_before_the_start` |
//! | `required: false` is not known | `order::an_optional_dependency_only_delays` |
//! | `stop_grace_period` is ignored: all get the same time | `complaints::each_has_its_own_grace_and_they_run_side_by_side` |
//! | Services are stopped one after the other: their graces add up | `complaints::each_has_its_own_grace_and_they_run_side_by_side` |
//! | What others depend on is stopped before them | `stop::the_stop_is_the_start_in_reverse_and_at_once_within_a_level` |
//! | `stop_signal` is ignored, the image's too | `stop::a_service_is_asked_by_its_own_signal_or_its_images` |
//! | A restart policy needs a daemon: without, nothing is started again | `restarts::a_container_keeps_its_root_and_its_log` |
//! | `on-failure:N` is not counted | `restarts::the_last_attempt_decides` |
//! | `deploy.restart_policy` has no effect | `restarts::a_policy_of_deploy_wins` |
//! | What was stopped comes back | `restarts::a_pod_that_stops_restarts_nothing` |
//! | What was killed comes back | `restarts::a_killed_task_restarts_nothing` |
//! | It comes back with the daemon, long after its end | `complaints::what_was_stopped_stays_so_when_containerd_comes_back` |
//! | Restarts are asked for by containerd's labels, which any image can carry | `threats::labels_do_not_reach_containerd` |
//! | containerd runs no health checks: a file's has no effect | `health::running_is_healthy` |
//! | An image's HEALTHCHECK has no effect | `health::an_images_check_counts` |
//! | `test: [CMD, …]` is run by a shell, which the image may not have | `complaints::a_check_of_the_form_cmd_needs_no_shell` |
//! | `start_period` and `start_interval` are ignored | `health::a_young_service_may_fail_its_probes` |
//! | A check that hangs goes on for ever, or its children do | `health::a_probe_that_hangs_is_killed_with_its_children` |
//! | Health is not shown | `commands::ps_tells_health_and_restarts` |
//! | Nobody hears of it when it changes | `commands::events_tell_of_health` |
//! | "exit status 1" is all that is said of a command that is not there | `refusals::a_command_that_is_not_in_the_image` |
//! | … of one that can't be run | `containers::a_command_that_can_not_be_run` |
//! | … of a service that failed: its last words are elsewhere | `lifecycle::a_service_that_exits_with_3_fails_the_task` |
//! | … of a check whose shell the image does not have | `order::a_shell_that_is_not_in_the_image_is_named` |
//! | … of an image that is not there | `refusals::an_image_in_no_archive` |
//! | A start in the background fails without a word | `commands::a_detached_pod_that_fails_says_why` |
//! | What ran in the background ends, and its last words go with it | `commands::logs::what_a_detached_pod_wrote_stays_until_it_is_taken_away` |

use std::collections::BTreeSet;

use nix::sys::signal::Signal;

use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        the_list_names_tests_that_exist,
        each_has_its_own_grace_and_they_run_side_by_side,
        a_check_of_the_form_cmd_needs_no_shell,
    ]);
    all.extend(tests![Mesos: what_was_stopped_stays_so_when_containerd_comes_back]);
    all
}

fn the_list_names_tests_that_exist(_: &Lab) {
    let names: BTreeSet<String> = crate::tests().iter().map(Test::full_name).collect();
    let list = include_str!("complaints.rs").lines();
    let cells: Vec<&str> = list
        .filter_map(|line| line.strip_prefix("//! |")?.rsplit('`').nth(1))
        .collect();
    assert!(cells.len() > 20, "{cells:?}");
    for cell in cells {
        let known = |name: &String| name == cell || name.ends_with(&format!("::{cell}"));
        assert!(names.iter().any(known), "there is no {cell}");
    }
}

/// Neither heeds its signal at first. `patient` ends by itself once it sees that `stubborn` was
/// killed. Were all given the time of `stubborn`, it could not; were the time of `patient` to be over
/// first, or given to all, nothing would ever end.
fn each_has_its_own_grace_and_they_run_side_by_side(lab: &Lab) {
    let services = r#"
  patient:
    image: app:1
    stop_grace_period: 10m
    command:
      - sh
      - -c
      - |
        stop() {
          while ps -o args | grep -q '[s]leep 4242'; do sleep 0.1; done
          echo "the other was killed, and I am still here"; exit 0
        }
        trap stop TERM
        echo patient is up
        while :; do sleep 0.1; done
  stubborn:
    image: app:1
    stop_grace_period: 1s
    command: [sh, -c, "trap '' TERM; echo stubborn is up; exec sleep 4242"]
"#;
    let mut run = Up::app(lab, services).start();
    run.until_stdout("patient is up");
    run.until_stdout("stubborn is up");
    run.signal(Signal::SIGINT);
    assert_eq!(run.until_end().code(), Some(130));
    let out = run.stdout();
    assert!(out.contains("and I am still here"), "{out}");
}

/// The `sh` of the image is gone: a shell could not be had.
fn a_check_of_the_form_cmd_needs_no_shell(lab: &Lab) {
    let services = r#"  last:
    image: app:1
    depends_on: {web: {condition: service_healthy}}
    command: [echo, fine]
  web:
    image: app:1
    entrypoint: [busybox, sh, -c, "rm /bin/sh; touch '/tmp/$$HOME is no variable'; while :; do busybox sleep 0.1; done"]
    healthcheck:
      test: [CMD, test, -e, "/tmp/$$HOME is no variable"]
      interval: 100ms
"#;
    let compose = format!("x-pod: {{images: [./app.tar], main: last}}\nservices:\n{services}");
    let mut run = Up::app(lab, "").compose(&compose).start();
    assert!(run.until_end().success(), "{}", run.stderr());
    assert!(run.stdout().contains("fine"), "{}", run.stdout());
}

fn what_was_stopped_stays_so_when_containerd_comes_back(lab: &Lab) {
    let services = r#"
  only:
    image: app:1
    restart: always
    command: [sh, -c, "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;
    let mut run = Task::app(lab, services).launch();
    run.until_state("TASK_RUNNING");
    run.until_stdout("up");
    let cgroup = run.cgroup();
    run.kill();
    assert_eq!(run.until_end().state(), "TASK_KILLED");
    run.until_gone();
    lab.containerd().kill();
    lab.containerd().start_again();
    assert!(crate::lab::pod::Pod::all_below(&cgroup).is_empty());
    let pods = lab.output(&["ps", "-A", "-q"]);
    assert!(pods.status.success() && pods.stdout.is_empty());
    assert_eq!(run.stdout(), "up\nbye\n");
}
