//! A pod that is over: what became of it, by whose doing, and what its services said last.

use super::super::description::Purpose;
use super::super::status_data::{Data, ServiceData};
use super::{cut, escape, finish, with_causes};
use crate::mesos::{Reason, Resources, StatusUpdate, TaskId, TaskState};
use crate::supervisor::report::{
    EndCause, Exit, OutOfMemory, PodEnd, ServiceEnd, ServiceState, StopReason, Unmet,
};

/// How many probes a message shows, the latest first, and how much of each.
const PROBES_SHOWN: usize = 3;
const PROBE_MAX: usize = 256;
const PROBE_DATA_MAX: usize = 512;
/// Containers' output, in the sandbox.
const LOGS: &str = "stdout and stderr";

const SHIM_DIED: &str =
    "the shim of the pod's containers was killed from outside, and every service with it";
const SANDBOX_DIED: &str =
    "the pod's pause container was killed from outside, and every service with it";
const RUNTIME_LOST: &str =
    "containerd has not answered for too long; the pod was killed by its cgroup";
const SHIM_HUNG: &str = "the pod's shim did not answer any more and was killed";
const FAULT: &str = "the executor has a fault, and its standard error tells of it; the pod was killed by its cgroup";

/// The terminal update of a pod that is over.
pub(in super::super) fn ended(task: &TaskId, purpose: Purpose, end: &PodEnd) -> StatusUpdate {
    let mut data = Data::new("");
    data.services = end.services.iter().map(ServiceData::of).collect();
    let update = |state, reason| StatusUpdate {
        reason,
        ..StatusUpdate::new(task.clone(), state)
    };
    // No service is to blame.
    let nobodys = |code, text: &str| (update(TaskState::Failed, None), code, text.to_owned());
    let (update, code, text) = match &end.cause {
        EndCause::Finished if purpose == Purpose::Service => {
            (update(TaskState::Failed, None), "CE-ENDED", too_soon(end))
        }
        EndCause::Finished => (update(TaskState::Finished, None), "CE-DONE", finished(end)),
        EndCause::ServiceFailed(i) => {
            let service = &end.services[*i];
            data.service = Some(service.service.clone());
            match service.state {
                ServiceState::Exited(Exit { oom: Some(oom), .. }) => {
                    let reason = Some(Reason::ContainerLimitationMemory);
                    let mut update = update(TaskState::Failed, reason);
                    update.limitation = oom.limit.map(|limit| Resources {
                        mem: limit.0,
                        ..Resources::default()
                    });
                    (update, "CE-OOM", out_of_memory(service, oom))
                }
                _ => (update(TaskState::Failed, None), "CE-EXIT", failed(service)),
            }
        }
        EndCause::DependencyUnmet {
            service,
            on,
            why,
            probes,
        } => {
            let on = &end.services[*on];
            data.service = Some(on.service.clone());
            data.probes = shown(probes);
            let text = unmet(&end.services[*service], on, *why, probes);
            (update(TaskState::Failed, None), "CE-DEPENDS", text)
        }
        EndCause::Unhealthy { service, probes } => {
            let service = &end.services[*service];
            data.service = Some(service.service.clone());
            data.probes = shown(probes);
            let mut update = update(
                TaskState::Failed,
                Some(Reason::TaskHealthCheckStatusUpdated),
            );
            update.healthy = Some(false);
            (update, "CE-HEALTH", unhealthy(service, probes))
        }
        EndCause::CheckFailed { output } => {
            data.probes = shown(std::slice::from_ref(output));
            let mut update = update(
                TaskState::Failed,
                Some(Reason::TaskHealthCheckStatusUpdated),
            );
            update.healthy = Some(false);
            let output = cut(output, PROBE_MAX);
            let text = format!("the task's health check failed too often: {output}");
            (update, "CE-HEALTH", text)
        }
        EndCause::Stopped(StopReason::CompletionTime) => (
            update(TaskState::Failed, Some(Reason::MaxCompletionTimeReached)),
            "CE-TIMEOUT",
            stopped(StopReason::CompletionTime, end),
        ),
        EndCause::LaunchFailed(error) => {
            data.service = error.service().map(str::to_owned);
            let reason = if error.is_users() {
                Reason::TaskInvalid
            } else {
                Reason::ContainerLaunchFailed
            };
            let place = end.place.iter().map(|place| format!("{place}: "));
            let text = place.collect::<String>() + &with_causes(error);
            (update(TaskState::Failed, Some(reason)), error.code(), text)
        }
        EndCause::Stopped(reason) => (
            update(TaskState::Killed, None),
            "CE-KILLED",
            stopped(*reason, end),
        ),
        EndCause::ShimDied => nobodys("CE-SHIM", SHIM_DIED),
        EndCause::ShimSilent(service) => nobodys("CE-SHIM", &silent(end, *service)),
        EndCause::SandboxDied => nobodys("CE-INFRA", SANDBOX_DIED),
        EndCause::RuntimeLost => nobodys("CE-RUNTIME", RUNTIME_LOST),
        EndCause::Fault => nobodys("CE-FAULT", FAULT),
    };
    let text = if end.shim_hung {
        format!("{text}; {SHIM_HUNG}")
    } else {
        text
    };
    finish(update, code, &text, data)
}

fn finished(end: &PodEnd) -> String {
    let exited = |service: &&ServiceEnd| matches!(service.state, ServiceState::Exited(exit) if exit.is_success());
    match end.services.iter().filter(exited).count() {
        1 if end.services.len() == 1 => {
            format!("service \"{}\" exited with 0", end.services[0].service)
        }
        all if all == end.services.len() => format!("all {all} services exited with 0"),
        _ => "the main service exited with 0".to_owned(),
    }
}

fn too_soon(end: &PodEnd) -> String {
    let last = match end.services.as_slice() {
        [only] => last_lines(only),
        _ => String::new(),
    };
    let finished = finished(end);
    format!("{finished}, but its job is a service, which goes on{last}")
}

fn failed(service: &ServiceEnd) -> String {
    let how = match service.state {
        ServiceState::Exited(exit) => exit.status.to_string(),
        _ => "it never ran".to_owned(),
    };
    let restarts = match service.restarts {
        0 => String::new(),
        1 => " after 1 restart".to_owned(),
        restarts => format!(" after {restarts} restarts"),
    };
    format!(
        "service \"{}\" failed{restarts}: {how}; logs={LOGS}{}",
        service.service,
        last_lines(service)
    )
}

fn out_of_memory(service: &ServiceEnd, oom: OutOfMemory) -> String {
    let limit = match oom.limit {
        Some(limit) => format!("its limit is {limit}"),
        None => "it has no limit of its own, so it was the task's".to_owned(),
    };
    let peak = oom
        .peak
        .map(|peak| format!(", its peak was {peak}"))
        .unwrap_or_default();
    format!(
        "service \"{}\" ran out of memory: oom=yes; {limit}{peak}{}",
        service.service,
        last_lines(service)
    )
}

fn stopped(reason: StopReason, end: &PodEnd) -> String {
    let who = match reason {
        StopReason::Kill => "killed by the framework",
        StopReason::Group => {
            "a task of the same group failed or was killed, and a group ends as one"
        }
        StopReason::Shutdown => "the agent shut the executor down",
        StopReason::AgentLost => "the agent is gone, and the framework does not wait for it",
        StopReason::Signal => "the executor was told to end by a signal",
        StopReason::CompletionTime => "the task was not done within its max_completion_time",
    };
    let forced: Vec<&str> = end
        .services
        .iter()
        .filter(|it| it.forced)
        .map(|it| it.service.as_str())
        .collect();
    match forced.as_slice() {
        [] => who.to_owned(),
        forced => format!(
            "{who}; outlived the grace period and needed SIGKILL: {}",
            forced.join(", ")
        ),
    }
}

/// What a shim keeps to itself.
fn silent(end: &PodEnd, service: Option<usize>) -> String {
    let what = match service {
        Some(service) => format!("service \"{}\"", end.services[service].service),
        None => "the pause container".to_owned(),
    };
    format!("{what} has ended, and the pod's shim does not tell how")
}

/// The same for people who know the pod and no task of it.
pub fn message(end: &PodEnd) -> String {
    let update = ended(&TaskId::from(""), Purpose::Batch, end);
    update.message.unwrap_or_default()
}

fn unhealthy(service: &ServiceEnd, probes: &[String]) -> String {
    let last = last_words(probes, service);
    format!("service \"{}\" is unhealthy{last}", service.service)
}

/// Both names, why, and what the one said last on which the other depends.
fn unmet(service: &ServiceEnd, on: &ServiceEnd, why: Unmet, probes: &[String]) -> String {
    let service = &service.service;
    let on_name = &on.service;
    let why = match (why, on.state) {
        (Unmet::NoHealthcheck, _) => {
            "which has no health check, neither in the file nor in its image".to_owned()
        }
        (Unmet::Unhealthy, _) => "which is unhealthy".to_owned(),
        (Unmet::EndedUnhealthy, ServiceState::Exited(exit)) => {
            format!("which ended before it was healthy: {}", exit.status)
        }
        (Unmet::Failed, ServiceState::Exited(exit)) => {
            format!("which failed: {}", exit.status)
        }
        (Unmet::EndedUnhealthy | Unmet::Failed, _) => "which has ended".to_owned(),
    };
    let last = last_words(probes, on);
    format!("service \"{service}\" can't start: it depends on \"{on_name}\", {why}{last}")
}

/// Probes' output as programs are given it.
fn shown(probes: &[String]) -> Vec<String> {
    let shown = |output: &String| cut(&escape(output), PROBE_DATA_MAX);
    probes.iter().map(shown).collect()
}

/// What a service's probes wrote last, or it itself where nothing probed it.
fn last_words(probes: &[String], service: &ServiceEnd) -> String {
    let told = probes.iter().rev().filter(|output| !output.is_empty());
    let mut shown: Vec<String> = told.map(|output| cut(output, PROBE_MAX)).collect();
    // Most say the same each time.
    shown.dedup();
    shown.truncate(PROBES_SHOWN);
    match shown.as_slice() {
        [] => last_lines(service),
        shown => format!("; last probes: {}", shown.join(" | ")),
    }
}

fn last_lines(service: &ServiceEnd) -> String {
    match service.tail.as_slice() {
        [] => String::new(),
        tail => format!("; last lines: {}", tail.join(" | ")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::MESSAGE_MAX;
    use super::*;
    use crate::compose::model::ByteSize;
    use crate::supervisor::report::ExitStatus;

    const DATA_MAX: usize = 8 << 10;

    fn service(state: ServiceState, tail: &[&str]) -> ServiceEnd {
        ServiceEnd {
            service: "web".to_owned(),
            image: "app:1".to_owned(),
            state,
            forced: false,
            restarts: 0,
            health: None,
            tail: tail.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    fn exited(status: ExitStatus, oom: Option<OutOfMemory>) -> ServiceState {
        ServiceState::Exited(Exit { status, oom })
    }

    fn update(cause: EndCause, services: Vec<ServiceEnd>) -> StatusUpdate {
        let end = PodEnd {
            cause,
            place: Some("compose.yaml:3:5".to_owned()),
            services,
            shim_hung: false,
        };
        ended(&TaskId::from("t"), Purpose::Batch, &end)
    }

    #[test]
    fn a_service_that_ends_has_failed() {
        let end = PodEnd {
            cause: EndCause::Finished,
            place: None,
            services: vec![service(exited(ExitStatus::Code(0), None), &["bye"])],
            shim_hung: false,
        };
        let task = TaskId::from("t");
        let done = ended(&task, Purpose::Batch, &end);
        assert_eq!(done.state, TaskState::Finished);
        let over = ended(&task, Purpose::Service, &end);
        assert_eq!(over.state, TaskState::Failed);
        insta::assert_snapshot!(over.message.unwrap(), @r#"CE-ENDED: service "web" exited with 0, but its job is a service, which goes on; last lines: bye"#);
    }

    #[test]
    fn a_failure_names_service_exit_code_and_last_lines() {
        let web = service(
            exited(ExitStatus::Code(3), None),
            &["starting", "no such table: users"],
        );
        let update = update(EndCause::ServiceFailed(0), vec![web]);
        assert_eq!(update.state, TaskState::Failed);
        insta::assert_snapshot!(update.message.unwrap(), @r#"CE-EXIT: service "web" failed: exit=3; logs=stdout and stderr; last lines: starting | no such table: users"#);
        let data: serde_json::Value = serde_json::from_slice(&update.data.unwrap()).unwrap();
        assert_eq!(data["schema"], 1);
        assert_eq!(data["service"], "web");
        assert_eq!(data["services"][0]["exit_code"], 3);
    }

    #[test]
    fn want_of_memory_is_told_with_its_limit() {
        let oom = OutOfMemory {
            limit: Some(ByteSize(64 << 20)),
            peak: Some(ByteSize(64 << 20)),
        };
        let web = service(exited(ExitStatus::of_containerd(137), Some(oom)), &[]);
        let update = update(EndCause::ServiceFailed(0), vec![web]);
        assert_eq!(update.reason, Some(Reason::ContainerLimitationMemory));
        assert_eq!(update.limitation.unwrap().mem, 64 << 20);
        insta::assert_snapshot!(update.message.unwrap(), @r#"CE-OOM: service "web" ran out of memory: oom=yes; its limit is 64MiB, its peak was 64MiB"#);
    }

    #[test]
    fn an_unmet_dependency_has_both_names_and_what_the_probes_said() {
        let mut db = service(ServiceState::Running, &["ready to serve"]);
        db.service = "db".to_owned();
        let cause = EndCause::DependencyUnmet {
            service: 0,
            on: 1,
            why: Unmet::Unhealthy,
            probes: vec![
                "exit=1: starting".to_owned(),
                "exit=1: no socket".to_owned(),
            ],
        };
        let update = update(cause, vec![service(ServiceState::NotStarted, &[]), db]);
        insta::assert_snapshot!(update.message.unwrap(), @r#"CE-DEPENDS: service "web" can't start: it depends on "db", which is unhealthy; last probes: exit=1: no socket | exit=1: starting"#);
        let data: serde_json::Value = serde_json::from_slice(&update.data.unwrap()).unwrap();
        assert_eq!(data["service"], "db");
        assert_eq!(data["probes"][1], "exit=1: no socket");
    }

    #[test]
    fn restarts_are_told() {
        let mut web = service(exited(ExitStatus::Code(1), None), &[]);
        web.restarts = 3;
        let update = update(EndCause::ServiceFailed(0), vec![web]);
        insta::assert_snapshot!(update.message.unwrap(), @r#"CE-EXIT: service "web" failed after 3 restarts: exit=1; logs=stdout and stderr"#);
        let data: serde_json::Value = serde_json::from_slice(&update.data.unwrap()).unwrap();
        assert_eq!(data["services"][0]["restarts"], 3);
    }

    #[test]
    fn a_kill_tells_who_needed_force() {
        let mut web = service(exited(ExitStatus::of_containerd(137), None), &[]);
        web.forced = true;
        let update = update(EndCause::Stopped(StopReason::Kill), vec![web]);
        assert_eq!(update.state, TaskState::Killed);
        insta::assert_snapshot!(update.message.unwrap(), @"CE-KILLED: killed by the framework; outlived the grace period and needed SIGKILL: web");
    }

    #[test]
    fn what_a_container_wrote_can_neither_steer_a_terminal_nor_flood_a_status() {
        let line = format!("\x1b]52;c;evil\x07\r\u{202e}{}", "x".repeat(5000));
        let web = service(exited(ExitStatus::Code(1), None), &[&line]);
        let update = update(EndCause::ServiceFailed(0), vec![web]);
        let message = update.message.unwrap();
        assert!(message.len() <= MESSAGE_MAX);
        assert!(
            message.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{message}"
        );
        assert!(update.data.unwrap().len() <= DATA_MAX);
    }

    #[test]
    fn many_services_fit_into_the_data() {
        let web = service(exited(ExitStatus::Code(0), None), &["0123456789abcdef"; 10]);
        let update = update(EndCause::Finished, vec![web; 500]);
        assert!(update.data.unwrap().len() <= DATA_MAX);
    }
}
