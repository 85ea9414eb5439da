//! Faults on real parts, and what the framework sees of them. Around each test the leak oracle
//! looks at the whole host.
//!
//! | fault | test |
//! |---|---|
//! | **the executor**: SIGKILL before it subscribes | `executor::killed_before_it_subscribes` |
//! | SIGKILL at each step of a launch, from the record to the last start | `executor::killed_at_each_step_of_a_launch` |
//! | SIGKILL while the pod runs | `executor_crash` |
//! | SIGKILL after the terminal update, in the middle of the teardown | `executor::killed_after_the_last_word` |
//! | SIGTERM while the pod starts, and while it runs; twice | `executor::sigterm_…` |
//! | out of memory | `placement::a_task_over_its_memory_limit` |
//! | SIGSTOP, then SIGCONT | `executor::frozen_and_thawed` |
//! | **containerd**: SIGKILL and restart under a pod | `containerd::killed_and_back_it_changes_nothing` |
//! | a service ends meanwhile; and it is away for longer than shims try to tell | `containerd::an_exit_while_it_is_…` |
//! | gone for too long | `containerd::gone_for_too_long_it_ends_the_pod` |
//! | SIGSTOP | `kill_during_launch`, `containerd::a_kill_while_it_is_frozen` |
//! | a call refused once, with `UNAVAILABLE` or `RESOURCE_EXHAUSTED`, from the first to the last | `calls::what_is_refused_once_is_not_seen` |
//! | a call of a launch that fails for good | `calls::a_call_of_a_launch_that_fails` |
//! | the connection breaks at a call of a launch, before and after its effect | `calls::a_connection_that_breaks_in_a_launch` |
//! | a call that has its effect and is told to have failed | `calls::what_was_done_and_is_disowned` |
//! | a call of a restart that fails once; that is never answered | `calls::a_restart_…` |
//! | a kill that fails; a delete that fails once | `calls::a_kill_that_fails`, `calls::a_delete_that_fails_once` |
//! | events lost, told twice, in another order | `calls::an_event_that_is_lost`, `calls::the_event_of_…`, `calls::events_…` |
//! | an end that containerd has forgotten | `calls::an_end_that_is_forgotten` |
//! | a refusal while crun is tried | `calls::a_refusal_tells_nothing_of_crun` |
//! | containerd replaced by 1.7 and by 2.x under a pod, which goes on, ends, starts a service again | `upgrade`, where `CONTAINERDS` names them |
//! | the shim: SIGKILL | `containerd::a_dead_shim_is_named` |
//! | SIGSTOP while the pod runs and within a kill; SIGSTOP and SIGCONT | `runtime::a_kill_while_the_shim_is_frozen`, `runtime::a_shim_frozen_…` |
//! | SIGSTOP, and a service ends | `runtime::a_service_that_ends_while_the_shim_is_frozen` |
//! | runc hangs at create, start, kill, delete | `runtime::a_runtime_that_hangs_at_…` |
//! | runc can't be executed | `runtime::a_runtime_that_is_not_executable` |
//! | the pause container killed | `containerd::a_dead_pause_container_is_named` |
//! | a task killed by an operator's hand | `containerd::a_container_killed_by_hand` |
//! | runc fails at a command that can't be run | `refusals`, `containers::a_command_that_can_not_be_run` |
//! | **Mesos**: the agent killed and back, with and without checkpointing | `agent_restart` |
//! | the agent gone for longer than the recovery timeout | `agent::gone_for_too_long_it_ends_the_pod` |
//! | the agent frozen; its connections blackholed | `agent::frozen_…`, `agent::a_blackholed_connection_is_noticed` |
//! | the master gone | `agent::a_restart_of_the_master_is_not_seen` |
//! | late acknowledgements | `agent::acknowledgements_may_be_late` |
//! | duplicate, lost and disordered acknowledgements; garbled records; 401, 404, 503 | `src/mesos/driver/tests` |
//! | KILL thrice, at any moment, of who is not here | `lifecycle`, `kill_during_launch`, `many_pods`, `src/executor/tasks/roster.rs` |
//! | SHUTDOWN with services that ignore SIGTERM | `agent::a_shutdown_is_done_within_its_time` |
//! | a second LAUNCH; a `LAUNCH_GROUP` | `several_tasks` |
//! | the sandbox deleted | `agent::a_sandbox_that_is_gone` |
//! | executor authentication; a domain socket; https | `agent::with_…` |
//! | **resources**: over the service's own limit, over the task's | `placement` |
//! | a child is out of memory, its parent lives on | `containers::a_child_out_of_memory_fails_nobody` |
//! | a fork bomb; zombies | `containers::a_fork_bomb_is_contained`, `containers::zombies_are_reaped` |
//! | a log flood, a stalled reader, a full disk, lines without end, bytes that are no text | `logs`, `src/supervisor/logs` |
//! | **containers**: an image without a shell | `complaints::a_check_of_the_form_cmd_needs_no_shell` |
//! | no such command, not executable, no program | `refusals`, `containers::a_command_that_can_not_be_run` |
//! | SIGTERM ignored | `lifecycle::a_kill_ends_a_service_that_ignores_sigterm` |
//! | a stop signal of its own | `stop`, `src/pod/signal.rs` |
//! | one service ends with 0, others go on | `lifecycle::the_main_service_decides` |
//! | a crash loop, a thousand times | `restarts`, `src/supervisor/course`, `soak` |
//! | probes that flap, hang, fork, flood | `health`, `src/supervisor/course` |
//! | dependencies in a circle, unknown, never healthy | `order`, `src/compose/references` |
//! | an end while others are started | `order::an_end_during_the_start_ends_the_start` |
//!
//! Left out, or decided otherwise:
//!
//! - A shim that is frozen under an idle pod is found when it is asked to make, start or kill
//!   something, or when a service ends: nothing of the pod is lost until then, and to find it sooner
//!   it would have to be asked all the time. A probe that it does not answer has no result.
//! - A call that containerd itself has not answered, or whose connection broke, is not made again in
//!   a launch, but for the start of a container, which can be seen: a scheduler that starts the task
//!   elsewhere is told more by the step's name.
//! - A pod whose sandbox was deleted goes on: its log is open, and a KILL ends it as ever.
//! - One executor has several tasks, so a second LAUNCH is no fault.
//! - The executor does not lower its OOM score, for which it would need a capability: whom the kernel
//!   kills at the task's limit is its choice, and either end is told.
//! - Descriptors, inotify watches and ports that a container exhausts are its own, by the kernel.
//! - Steps of the wall clock would be steps for the whole host, and no code here reads it but for
//!   timestamps.
//! - A host out of memory is containerd killed, or the executor.
//! - Networks of CNI's and pulls of images are not built yet, and neither are their crashes.

mod agent;
mod calls;
mod containerd;
mod containers;
mod executor;
mod runtime;
mod upgrade;

use crate::trial::Test;

pub(crate) fn tests() -> Vec<Test> {
    [
        executor::tests(),
        containerd::tests(),
        agent::tests(),
        containers::tests(),
        runtime::tests(),
        calls::tests(),
        upgrade::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Two services that sleep until they are asked to stop.
const SLEEPS: &str = r#"
  one: &sleeps
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; while :; do sleep 0.1; done"]
  two: *sleeps
"#;

/// One that, asked to stop, waits until the test says go.
const STOPS_SLOWLY: &str = r"
  one:
    image: app:1
    stop_grace_period: 1m
    volumes: [./share:/share]
    command:
      - sh
      - -c
      - |
        trap 'echo asked to stop; until [ -e /share/go ]; do sleep 0.1; done; exit 0' TERM
        while :; do sleep 0.1; done
";

/// One that ends with 5 when the test says go.
const WAITS: &str = r#"
  one:
    image: app:1
    volumes: [./share:/share]
    command: [sh, -c, "trap 'exit 0' TERM; until [ -e /share/go ]; do sleep 0.1; done; exit 5"]
"#;
