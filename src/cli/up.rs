//! `up`: the pod of a project, without Mesos.

use std::ffi::OsString;
use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::containerd::Containerd;
use super::context::block_on;
use super::detach::{self, DetachFlags, Detached};
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use super::project::ProjectFlags;
use super::{Environment, plan, policy};
use crate::compose::Loaded;
use crate::compose::model::Project;
use crate::executor::config::{Config, LogLevel};
use crate::executor::{LogTarget, message};
use crate::journal::{EndedPod, Owner};
use crate::operator::pods::{self, OwnerState};
use crate::pod::names::PodId;
use crate::pod::plan::PodPlan;
use crate::supervisor::checks::ChecksPlan;
use crate::supervisor::course::RunningMeans;
use crate::supervisor::host::Host;
use crate::supervisor::logs::Prefix;
use crate::supervisor::obstacles;
use crate::supervisor::pod::{Pod, PodRequest};
use crate::supervisor::report::{
    EndCause, PodEnd, PodReport, ServiceEnd, ServiceState, StopReason, Unmet,
};
use crate::supervisor::user_files::UserFiles;

/// Flags of `up`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor up                          compose.yaml here
  compose-executor -f a.yaml -f b.yaml up      two files, the second over the first
  compose-executor up -d                       in the background: see ps, logs, exec, down
  compose-executor up --containerd /run/containerd/containerd.sock
  compose-executor up --containerd managed     a containerd of our own, for as long as it is needed

Ctrl-C stops the services in the reverse of their start, each with its stop_signal and
stop_grace_period; a second Ctrl-C kills them. A detached pod is ended by `down`; of one that ends by
itself `logs` shows what it wrote and how it ended. Exits with the main service's code, else the
first failure's, else 0; 130 after Ctrl-C.")]
pub(super) struct UpArgs {
    #[command(flatten)]
    detach: DetachFlags,
    /// Show services' names without colours
    #[arg(long)]
    no_color: bool,
    /// Show services' lines without their names
    #[arg(long)]
    no_log_prefix: bool,
    /// Tell of each step on standard error
    #[arg(long)]
    verbose: bool,
}

pub(super) fn run(
    args: &UpArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
    arguments: &[OsString],
) -> Result<u8, CommandError> {
    if args.detach.is_asked() {
        return detach::start(arguments);
    }
    let log = LogTarget::start(if args.verbose {
        LogLevel::Debug
    } else {
        LogLevel::Warn
    })
    .map_err(CommandError::failed)?;
    let config = Config::load(host.config.as_deref())?;
    let policy = policy::of_up(&config);
    let project = plan::load(project, environment, policy.as_ref())?;
    let unique = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_nanos();
    let unique = format!("{}-{unique}", std::process::id());
    let plan = plan::plan(&project, host, &config, &unique)?;
    let loaded = project.loaded;
    tell_of_others(host, &loaded.project);
    let detached = args.detach.supervise.then(Detached::begin).transpose();
    let mut background = Background {
        is_detached: args.detach.supervise,
        detached: detached.map_err(CommandError::failed)?,
        log,
    };
    let result = block_on(async {
        let containerd = Containerd::open(host, &config, environment).await?;
        let code = Box::pin(run_pod(
            args,
            host,
            environment,
            &config,
            (&loaded, plan),
            &containerd,
            &mut background,
        ))
        .await;
        containerd.close().await;
        code
    });
    background.end();
    result
}

/// A project may have several pods side by side. Who has forgotten one, and not Docker Compose, which
/// would change that one, is told.
fn tell_of_others(host: &HostFlags, project: &Project) {
    // Those that can't be read are told of by those who look for them.
    let Ok((pods, _)) = pods::all(&host.folders()) else {
        return;
    };
    let others: Vec<&str> = pods
        .iter()
        .filter(|pod| pod.owner == OwnerState::Alive)
        .map(|pod| &pod.record)
        .filter(|it| it.project == project.name && it.sandbox == project.working_dir)
        .map(|record| record.pod.as_str())
        .collect();
    if !others.is_empty() {
        let others = others.join(", ");
        exit::warn(&format!(
            "warning: the project \"{}\" runs already here, as {others}; this is another pod beside it: `down` ends all",
            project.name
        ));
    }
}

async fn run_pod(
    args: &UpArgs,
    host: &HostFlags,
    environment: &Environment,
    config: &Config,
    (loaded, plan): (&Loaded, PodPlan),
    containerd: &Containerd,
    background: &mut Background,
) -> Result<u8, CommandError> {
    let opened = Arc::new(Host::open(host.options(config, containerd)).await?);
    let user_files = UserFiles::Anywhere;
    let problems = obstacles(&plan, opened.folders(), opened.facts(), &user_files);
    if !problems.is_empty() {
        return Err(plan::refused(loaded, &problems));
    }
    let prefix = prefix(args, environment, &plan);
    let request = PodRequest {
        main: PodRequest::main_of(&loaded.project),
        owner: Owner {
            mesos: None,
            sandbox: loaded.project.working_dir.clone(),
            base_is_ours: host.cgroup_parent.is_none(),
            base_others: Vec::new(),
        },
        user_files,
        plan,
        sources: loaded.sources.clone(),
        prefix,
        running_means: RunningMeans::Started,
        checks: ChecksPlan::default(),
        time_limit: None,
    };
    follow(opened, request, background).await
}

/// What is different where nobody sits at a terminal.
struct Background {
    is_detached: bool,
    /// None at a terminal, and once the pod runs or has failed.
    detached: Option<Detached>,
    log: LogTarget,
}

impl Background {
    /// The pod runs: whoever asked for it is told, and from now on our log is a file beside its
    /// record.
    fn running(&mut self, host: &Host, pod: &PodId) {
        let Some(detached) = self.detached.take() else {
            return;
        };
        match File::create(host.folders().pod_root(pod).join("up.log")) {
            Ok(file) => self.log.switch(file),
            Err(error) => warn!(%error, "what happens to the pod is not written down"),
        }
        detached.ready(pod);
    }

    /// The pod is over, and nobody has seen what it wrote.
    fn keep(&self, host: &Host, pod: &PodId, end: &PodEnd) {
        if !self.is_detached {
            return;
        }
        if let Err(error) = EndedPod::keep(host.folders(), pod, &message(end)) {
            warn!(%error, "what the pod wrote is not kept");
        }
    }

    /// Whatever is to be told now is told to whoever waits for the pod.
    fn end(&mut self) {
        if let Some(detached) = self.detached.take() {
            detached.failed();
        }
    }
}

/// Runs the pod until it is over, and nothing of it is left.
async fn follow(
    host: Arc<Host>,
    request: PodRequest,
    background: &mut Background,
) -> Result<u8, CommandError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(CommandError::failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(CommandError::failed)?;
    let main = request.main.clone();
    let (reports, mut told) = mpsc::channel(16);
    let pod = Pod::start(Arc::clone(&host), request, reports);
    let mut asked = false;
    let end = loop {
        tokio::select! {
            report = told.recv() => match report {
                Some((id, PodReport::Running { .. })) => background.running(&host, &id),
                Some((id, PodReport::Ended(end))) => {
                    background.keep(&host, &id, &end);
                    break end;
                }
                Some((_, report)) => debug!(?report, "the pod goes on"),
                None => return Ok(exit::OWN_FAULT),
            },
            _ = interrupt.recv() => stop(&pod, &mut asked),
            _ = terminate.recv() => stop(&pod, &mut asked),
        }
    };
    drop(host);
    background.end();
    tell(&end);
    if !pod.gone().await {
        exit::warn(
            "compose-executor: something of the pod is left: `compose-executor cleanup` takes it away",
        );
    }
    Ok(code(&end, main.as_deref()))
}

/// Gracefully at first; at once when it is asked again.
fn stop(pod: &Pod, asked: &mut bool) {
    let within = asked.then_some(Duration::ZERO);
    if !*asked {
        exit::warn("compose-executor: stopping; once more kills at once");
    }
    *asked = true;
    pod.stop(StopReason::Signal, within);
}

/// Says why a pod has ended by itself, in the words that a framework would get.
fn tell(end: &PodEnd) {
    if !matches!(end.cause, EndCause::Finished | EndCause::Stopped(_)) {
        exit::warn(&format!("compose-executor: {}", message(end)));
    }
}

fn code(end: &PodEnd, main: Option<&str>) -> u8 {
    let of = |service: &ServiceEnd| match service.state {
        ServiceState::Exited(exit) => Some(exit.status.shell_code()),
        _ => None,
    };
    match &end.cause {
        EndCause::Stopped(_) => exit::INTERRUPTED,
        EndCause::Finished => {
            let main = end
                .services
                .iter()
                .find(|service| Some(service.service.as_str()) == main);
            main.and_then(of).unwrap_or(exit::SUCCESS)
        }
        EndCause::ServiceFailed(service)
        | EndCause::DependencyUnmet {
            on: service,
            why: Unmet::Failed | Unmet::EndedUnhealthy,
            ..
        } => of(&end.services[*service])
            .filter(|&code| code != exit::SUCCESS)
            .unwrap_or(exit::FAILURE),
        EndCause::LaunchFailed(error) if error.is_users() => exit::REFUSED,
        EndCause::Fault => exit::OWN_FAULT,
        // What was unhealthy has ended by our own signal, if it has: its code says nothing.
        EndCause::DependencyUnmet { .. }
        | EndCause::LaunchFailed(_)
        | EndCause::Unhealthy { .. }
        | EndCause::CheckFailed { .. }
        | EndCause::SandboxDied
        | EndCause::ShimDied
        | EndCause::ShimSilent(_)
        | EndCause::RuntimeLost => exit::FAILURE,
    }
}

fn prefix(args: &UpArgs, environment: &Environment, plan: &PodPlan) -> Prefix {
    use std::io::IsTerminal;
    if args.no_log_prefix || plan.containers.len() == 1 {
        Prefix::None
    } else if std::io::stdout().is_terminal()
        && !args.no_color
        && environment.get("NO_COLOR").is_none()
    {
        Prefix::Coloured
    } else {
        Prefix::Plain
    }
}
