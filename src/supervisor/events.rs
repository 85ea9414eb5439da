//! What a pod's life begins and hears of: every effect is begun here, and its end told here.
//!
//! Each effect runs beside the life in a task of its own, of which there are a few for each
//! service at most: a start, or a probe, or the hooks.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::checks::{After, CheckPlan, CheckResult, TryBy, Which};
use super::container::Running;
use super::course::{Action, HealthStatus, ProbeResult, Probing};
use super::exec::Exec;
use super::extra_processes::{self, Prepared};
use super::hooks::{self, Hook, HookError};
use super::launch_error::{LaunchError, create_error, start_error};
use super::pod::PodRun;
use super::report::{EndCause, PodReport};
use super::restart::NotMade;
use super::sandbox::RunDir;
use super::{checks, image_root, probes, restart};
use crate::containerd::RpcError;
use crate::oci::ExecInput;

/// How long a start that containerd was away for waits before it is tried again.
const AWAY: std::time::Duration = std::time::Duration::from_secs(1);

/// Something that was begun, and is done.
#[derive(Debug)]
pub(super) enum Done {
    Started {
        service: usize,
        /// Of the run that was started.
        pid: u32,
        result: Result<(), RpcError>,
    },
    MadeAgain {
        service: usize,
        result: Result<u32, NotMade>,
    },
    PostStart {
        service: usize,
        result: Result<(), (String, HookError)>,
    },
    PreStop {
        service: usize,
        result: Result<(), (String, HookError)>,
    },
    Probed {
        probing: Probing,
        result: Option<ProbeResult>,
    },
    Checked {
        which: Which,
        result: CheckResult,
        output: String,
    },
}

impl PodRun {
    /// Begins what is due.
    pub(super) fn act(&mut self, action: Action) -> Result<(), LaunchError> {
        match action {
            Action::Start(i) => {
                for (on, why) in self.course.unmet(i, false) {
                    let (service, on) = (self.service(i), self.service(on));
                    warn!(service, on, ?why, "starting without an optional dependency");
                }
                self.begin_start(i);
            }
            Action::StartAgain(i) => self.begin_again(i)?,
            Action::Probe(probing) => self.begin_probe(probing),
        }
        Ok(())
    }

    fn begin_start(&mut self, service: usize) {
        let client = self.host.client.clone();
        let container = self.containers[service].as_ref().expect("it was made");
        let (id, pid) = (container.id.clone(), container.pid);
        self.work.spawn(async move {
            let result = restart::start(&client, &id, pid).await;
            Done::Started {
                service,
                pid,
                result,
            }
        });
    }

    /// A new task needs new FIFOs: whoever read the old ones reads them to their end.
    fn begin_again(&mut self, service: usize) -> Result<(), LaunchError> {
        let task = self.tasks[service].clone();
        let look = RunDir(self.host.folders.pod_state(&self.plan.id)).look();
        let plan = &self.plan.containers[service];
        image_root::look_again(&task.rootfs, &look, plan, self.extras[service].own.cwd())?;
        let (stdout, stderr) = (task.stdio.stdout.as_deref(), task.stdio.stderr.as_deref());
        for path in stdout.into_iter().chain(stderr) {
            restart::renew(path)?;
        }
        if let Some(stdout) = stdout {
            let name = &self.plan.containers[service].service.value;
            self.logs
                .attach(name, stdout, stderr)
                .map_err(LaunchError::Logs)?;
        }
        let client = self.host.client.clone();
        self.work.spawn(async move {
            let result = restart::make_again(&client, task).await;
            Done::MadeAgain { service, result }
        });
        Ok(())
    }

    fn begin_probe(&mut self, probing: Probing) {
        let service = probing.service;
        let Some(probe) = &self.extras[service].probe else {
            return; // The course knows of no others.
        };
        let timeout = probe.timeout;
        let process = probe.process.clone();
        let exec = self.exec(service, "health", process);
        let quiet = self.quiet.clone();
        self.work.spawn(async move {
            let result = probes::run(exec, timeout, &quiet).await;
            Done::Probed { probing, result }
        });
    }

    fn begin_post_start(&mut self, service: usize) {
        let hooks = self.hooks(service, &self.extras[service].post_start.clone());
        let quiet = self.quiet.clone();
        self.work.spawn(async move {
            let result = hooks::run(hooks, None, &quiet).await;
            Done::PostStart { service, result }
        });
    }

    /// Begins a check of the task's own.
    pub(super) fn begin_check(&mut self, which: Which, check: CheckPlan) {
        let limit = check.timeout;
        let netns = self.plan.sandbox.network.netns().cloned();
        let quiet = self.quiet.clone();
        match check.try_by {
            TryBy::Command { args, environment } => {
                // The first service is the main one where the file names none.
                let service = self.main.unwrap_or_default();
                let exec = self.check_command(service, &args, environment);
                self.work.spawn(async move {
                    let (code, output) = match exec {
                        Ok(exec) => checks::probe::command(exec, limit, &quiet).await,
                        Err(error) => (None, error.to_string()),
                    };
                    let result = CheckResult::Command(code);
                    Done::Checked {
                        which,
                        result,
                        output,
                    }
                });
            }
            TryBy::Http(get) => {
                // Names are those that the main service finds.
                let service = self.main.unwrap_or_default();
                let names = self.plan.containers[service].hosts.clone();
                self.work.spawn(async move {
                    let answer = checks::http::http(netns, get, names, limit);
                    let answer = quiet.run_until_cancelled(Box::pin(answer)).await;
                    let answer = answer.unwrap_or_else(|| Err(String::new()));
                    let output = match &answer {
                        Ok(code) => format!("HTTP status {code}"),
                        Err(error) => error.clone(),
                    };
                    Done::Checked {
                        which,
                        result: CheckResult::Http(answer.ok()),
                        output,
                    }
                });
            }
            TryBy::Tcp { port, family } => {
                self.work.spawn(async move {
                    let connected = checks::probe::tcp(netns, port, family, limit);
                    let connected = quiet.run_until_cancelled(connected).await;
                    let (connected, output) = connected.unwrap_or_default();
                    Done::Checked {
                        which,
                        result: CheckResult::Tcp(connected),
                        output,
                    }
                });
            }
        }
    }

    fn check_command(
        &mut self,
        service: usize,
        args: &[String],
        environment: Vec<(String, String)>,
    ) -> Result<Exec, LaunchError> {
        let plan = &self.plan.containers[service];
        let environment: Vec<_> = environment
            .into_iter()
            .map(|(name, value)| (name, Some(value)))
            .collect();
        let input = ExecInput {
            args,
            environment: &environment,
            ..ExecInput::default()
        };
        let own = &self.extras[service].own;
        let process = extra_processes::exec(plan, own, &input, plan.service.span)?;
        Ok(self.exec(service, "check", process))
    }

    /// Takes in what a check brought.
    async fn checked(
        &mut self,
        which: Which,
        result: CheckResult,
        output: String,
    ) -> Result<(), EndCause> {
        let now = Instant::now();
        if which == Which::Info {
            if self.checks.info(result, now) {
                self.reporter.tell(PodReport::Checked(result)).await;
            }
            return Ok(());
        }
        let healthy = match self.checks.health(result.is_success(), now) {
            After::Nothing => return Ok(()),
            After::Healthy => true,
            After::Unhealthy => false,
            After::Over => return Err(EndCause::CheckFailed { output }),
        };
        let report = PodReport::CheckedHealth { healthy, output };
        self.reporter.tell(report).await;
        Ok(())
    }

    /// Hooks that are ready to be run.
    pub(super) fn hooks(&mut self, service: usize, prepared: &[Prepared]) -> Vec<Hook> {
        let hook = |prepared: &Prepared| Hook {
            command: prepared.command.clone(),
            exec: self.exec(service, "hook", prepared.process.clone()),
        };
        prepared.iter().map(hook).collect()
    }

    /// A further process in a service's container.
    fn exec(&mut self, service: usize, kind: &str, process: Vec<u8>) -> Exec {
        self.execs += 1;
        let id = format!("{kind}-{}", self.execs);
        let run = RunDir(self.host.folders.pod_state(&self.plan.id));
        let plan = &self.plan.containers[service];
        Exec {
            client: self.host.client.clone(),
            cgroups: self.host.cgroups.clone(),
            container: plan.id.to_string(),
            cgroup: plan.cgroup.as_str().to_owned(),
            pipe: run.io(service).join(&id),
            id,
            process,
        }
    }

    /// Takes in what is done; an error when the pod can't go on for it.
    pub(super) async fn done(&mut self, done: Done) -> Result<(), EndCause> {
        let now = Instant::now();
        match done {
            Done::Started {
                service,
                pid,
                result,
            } => self.started(service, pid, result, now)?,
            Done::MadeAgain { service, result } => self.made_again(service, result, now)?,
            Done::PostStart { service, result } => self.post_started(service, result)?,
            Done::PreStop { service, result } => {
                if let Err((command, error)) = result {
                    let service = self.service(service);
                    warn!(service, command, %error, "a pre_stop hook failed; stopping all the same");
                }
            }
            Done::Checked {
                which,
                result,
                output,
            } => self.checked(which, result, output).await?,
            Done::Probed { probing, result } => {
                let i = probing.service;
                let failed = result.as_ref().is_none_or(|result| !result.success);
                if let Some(status) = self.course.probed(probing, result, now) {
                    let service = self.service(i);
                    let status = status.as_str();
                    info!(service, status, "the service's health has changed");
                } else if failed && self.course.health(i) != Some(HealthStatus::Unhealthy) {
                    debug!(service = self.service(i), "a probe failed");
                }
            }
        }
        Ok(())
    }

    fn started(
        &mut self,
        i: usize,
        pid: u32,
        result: Result<(), RpcError>,
        now: Instant,
    ) -> Result<(), EndCause> {
        let container = self.containers[i].as_mut().expect("it was made");
        if container.pid != pid {
            return Ok(()); // Of a run before this one, whose answer was lost.
        }
        match result {
            Ok(()) => {}
            // Its start was lost with the connection, or its answer was: it will be seen to run or
            // to have ended.
            Err(error) if !container.is_alive() => {
                debug!(%error, "a container had ended before its start was answered");
            }
            Err(source) => {
                let error = start_error(self.service(i), source);
                return Err(EndCause::LaunchFailed(error));
            }
        }
        container.started();
        self.course.started(i, now);
        info!(service = self.service(i), "the service has been started");
        if self.course.is_settled(i) {
            return Ok(());
        }
        if self.extras[i].post_start.is_empty() {
            self.course.settled(i);
        } else {
            self.begin_post_start(i);
        }
        Ok(())
    }

    fn made_again(
        &mut self,
        i: usize,
        result: Result<u32, NotMade>,
        now: Instant,
    ) -> Result<(), EndCause> {
        let pid = match result {
            Ok(pid) => pid,
            Err(NotMade::Away(error)) => {
                warn!(service = self.service(i), %error, "containerd is away; the restart waits");
                self.course.postpone(i, now + AWAY);
                return Ok(());
            }
            Err(NotMade::Failed(source)) => {
                let error = create_error(self.service(i), source);
                return Err(EndCause::LaunchFailed(error));
            }
        };
        let cgroup = self.plan.containers[i].cgroup.as_str();
        self.host
            .cgroups
            .verify(pid, cgroup)
            .map_err(|error| EndCause::LaunchFailed(LaunchError::Cgroup(error)))?;
        let oom_kills = self.oom_kills(i);
        let container = self.containers[i].as_mut().expect("it was made before");
        container.made_again(pid, oom_kills);
        self.watch_service(i);
        self.begin_start(i);
        Ok(())
    }

    fn post_started(
        &mut self,
        i: usize,
        result: Result<(), (String, HookError)>,
    ) -> Result<(), EndCause> {
        let alive = self.containers[i].as_ref().is_some_and(Running::is_alive);
        match result {
            // What ended the service tells more than that its hook went down with it.
            Err((command, error)) if alive && !matches!(error, HookError::Cut) => {
                Err(EndCause::LaunchFailed(LaunchError::PostStart {
                    service: self.service(i).to_owned(),
                    command,
                    source: Box::new(error),
                }))
            }
            _ => {
                self.course.settled(i);
                Ok(())
            }
        }
    }

    /// The name of a service, by its place in the plan.
    pub(super) fn service(&self, i: usize) -> &str {
        &self.plan.containers[i].service.value
    }

    /// How often the kernel has killed in a service's cgroup for want of memory.
    pub(super) fn oom_kills(&self, i: usize) -> u64 {
        let cgroup = self.plan.containers[i].cgroup.as_str();
        let host = Arc::clone(&self.host);
        host.cgroups.oom_kills(cgroup).ok().flatten().unwrap_or(0)
    }
}
