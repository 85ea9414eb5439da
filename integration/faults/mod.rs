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
//! | a service ends meanwhile | `containerd::an_exit_while_it_is_down_is_told` |
//! | gone for too long | `containerd::gone_for_too_long_it_ends_the_pod` |
//! | SIGSTOP | `kill_during_launch`, `containerd::a_kill_while_it_is_frozen` |
//! | containerd replaced by 1.7 and by 2.x under a pod, which goes on, ends, starts a service again | `upgrade`, where `CONTAINERDS` names them |
//! | the shim: SIGKILL | `containerd::a_dead_shim_is_named` |
//! | SIGSTOP while the pod runs and within a kill; SIGSTOP and SIGCONT | `runtime::a_kill_while_the_shim_is_frozen`, `runtime::a_shim_frozen_…` |
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
//! | a log flood, a stalled reader, a full disk | `logs`, `src/supervisor/logs` |
//! | **containers**: no such command, not executable, no program | `refusals`, `containers::a_command_that_can_not_be_run` |
//! | SIGTERM ignored | `lifecycle::a_kill_ends_a_service_that_ignores_sigterm` |
//! | one service ends with 0, others go on | `lifecycle::the_main_service_decides` |
//!
//! Left out: single calls that fail (`UNAVAILABLE`, a broken connection at the k-th call) and lost or
//! doubled events of containerd's are looked at by stopping and killing it, not by a proxy between;
//! descriptors, ports and the like that a container exhausts are its own; steps of the wall clock would be steps for the whole host, and no code here
//! reads it but for timestamps; a host out of memory is containerd killed. A pod whose sandbox was
//! deleted goes on: its log is open, and a KILL ends it as ever.

mod agent;
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
