//! Mesos events to pods, pod reports to status updates.
//!
//! [`run`] is the executor's whole life: subscribe, take tasks (`tasks`), `prepare` the pod of each,
//! have the supervisor run it, tell the agent (`outcome`), and end with the last acknowledgement.

mod aurora;
mod checks;
pub mod config;
mod description;
mod log;
pub mod objections;
mod outcome;
mod placement;
mod prepare;
mod refusal;
mod sandbox;
mod sandbox_files;
mod standing;
mod status_data;
mod task_limits;
mod tasks;
pub mod trust;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{info, warn};

use crate::journal::Folders;
use crate::journal::cleanup::{self, Options};
use crate::mesos::{Driver, Event, EventStream, ExecutorEnv, StatusUpdate, Subscribed, Task};
use crate::supervisor::leftovers::Leftovers;
use crate::supervisor::report::StopReason;
use config::Config;
use prepare::Ground;
use refusal::{ConfigurationError, Refusal};
use sandbox::Sandbox;
use tasks::Tasks;

pub use log::LogTarget;
pub use outcome::{message, with_causes};
pub use prepare::external_volumes;

/// How long the agent may take to acknowledge the last update: it forgets some.
const LAST_ACKNOWLEDGEMENT: Duration = Duration::from_mins(1);
/// How long a new executor looks after what dead ones left. What is cut off is idempotent.
const SWEEP: Duration = Duration::from_secs(30);
/// What is kept of a shutdown's time for telling the agent.
const SHUTDOWN_SHARE: Duration = Duration::from_secs(1);

/// What the command line says. Under Marathon it is the user's: see [`trust`].
#[derive(Clone, Debug)]
pub struct ExecutorOptions {
    pub config: Option<PathBuf>,
    pub folders: Folders,
    pub containerd: Option<PathBuf>,
    pub files: Vec<PathBuf>,
    /// Flags that were given and have no place in an executor.
    pub refused: Option<&'static str>,
}

/// Runs the executor until no task is left, or the agent is gone for good.
///
/// `environment` is the process' own without the token; `log` is where tracing writes: to standard
/// error first, and to the sandbox's executor.log once that has been checked.
pub async fn run(
    env: ExecutorEnv,
    options: ExecutorOptions,
    environment: BTreeMap<String, String>,
    log: LogTarget,
) -> std::io::Result<()> {
    let signals = Signals {
        terminate: signal(SignalKind::terminate())?,
        interrupt: signal(SignalKind::interrupt())?,
    };
    let (driver, events) = Driver::start(&env);
    let mut executor = Executor {
        env,
        options,
        environment,
        log,
        driver,
        events,
        signals,
        tasks: Tasks::default(),
        stopping: false,
        signalled: false,
        agent_is_lost: false,
        sweep: JoinSet::new(),
    };
    Box::pin(executor.serve()).await;
    Box::pin(executor.end()).await;
    Ok(())
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

struct Executor {
    env: ExecutorEnv,
    options: ExecutorOptions,
    environment: BTreeMap<String, String>,
    log: LogTarget,
    driver: Driver,
    events: EventStream,
    signals: Signals,
    tasks: Tasks,
    /// No task is to live any more.
    stopping: bool,
    /// By a signal, once at least.
    signalled: bool,
    /// Nothing will come from the agent any more.
    agent_is_lost: bool,
    /// The cleanup after dead executors, beside the tasks.
    sweep: JoinSet<()>,
}

impl Executor {
    /// Until every task has ended, nothing of its pod is left, and the agent has acknowledged all.
    /// A task that comes while that is waited for is as welcome as the first.
    async fn serve(&mut self) {
        let mut over_since: Option<Instant> = None;
        loop {
            let is_over = self.tasks.is_over() || self.stopping && self.tasks.is_idle();
            over_since = is_over.then(|| over_since.unwrap_or_else(Instant::now));
            let acknowledged = async {
                match over_since {
                    Some(since) => {
                        timeout_at(since + LAST_ACKNOWLEDGEMENT, self.driver.drained()).await
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.events.next(), if !self.agent_is_lost => self.hear(event),
                news = self.tasks.next() => {
                    let updates = self.tasks.take(news);
                    self.tell(updates);
                }
                _ = self.signals.terminate.recv() => self.stop_by_signal(),
                _ = self.signals.interrupt.recv() => self.stop_by_signal(),
                in_time = acknowledged => {
                    if in_time.is_err() {
                        warn!("the agent did not acknowledge the last update in time");
                    }
                    return;
                }
            }
        }
    }

    fn hear(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Subscribed(subscribed)) => self.subscribed(&subscribed),
            Some(Event::Reconnected(_)) => info!("the agent is back"),
            Some(Event::Disconnected) => info!("the agent went away; its tasks go on"),
            Some(Event::Launch(task)) => self.launch(vec![*task]),
            Some(Event::LaunchGroup(group)) => self.launch(group),
            Some(Event::Kill { task, grace_period }) => {
                info!(%task, ?grace_period, "KILL: the framework kills the task");
                let updates = self.tasks.kill(&task, grace_period);
                self.tell(updates);
            }
            Some(Event::Acknowledged { .. }) => {}
            Some(Event::Message(data)) => info!(
                bytes = data.len(),
                "a message of the framework's is ignored"
            ),
            Some(Event::Shutdown) => {
                info!("the agent shuts this executor down");
                self.stop_all(StopReason::Shutdown, Some(self.shutdown_time()));
            }
            Some(Event::Lost(lost)) => {
                warn!("{}", with_causes(&lost));
                self.agent_is_lost = true;
                self.stop_all(StopReason::AgentLost, Some(self.shutdown_time()));
            }
            None => {
                self.agent_is_lost = true;
                self.stop_all(StopReason::AgentLost, None);
            }
        }
    }

    /// What tasks may use of the time that the agent gives.
    fn shutdown_time(&self) -> Duration {
        self.env
            .shutdown_grace_period
            .saturating_sub(SHUTDOWN_SHARE)
    }

    /// Checks once, with the agent's word, what all tasks rest on.
    fn subscribed(&mut self, subscribed: &Subscribed) {
        let ground = self.ground(subscribed);
        match &ground {
            Ok(ground) => {
                self.sweep.spawn(sweep(ground.folders.clone()));
            }
            Err(refusal) => warn!("no task can be launched: {}", with_causes(refusal)),
        }
        self.tasks.settle(subscribed, ground);
    }

    fn ground(&self, subscribed: &Subscribed) -> Result<Ground, Refusal> {
        if !crate::sys::host::is_root() {
            return Err(Refusal::NotRoot);
        }
        let sandbox = Sandbox::open(&self.env, subscribed)?;
        self.log.switch(sandbox.log()?);
        let config = self
            .trusted_config(&sandbox)
            .map_err(Refusal::Configuration)?;
        self.log.configure(&config.logs);
        info!(version = env!("CARGO_PKG_VERSION"), sandbox = %sandbox.path().display(), "subscribed");
        Ok(Ground::new(
            self.env.clone(),
            sandbox,
            subscribed.framework.clone(),
            config,
            &self.options,
            self.environment.clone(),
        ))
    }

    /// The operator's file, and folders that only the operator can have named.
    fn trusted_config(&self, sandbox: &Sandbox) -> Result<Config, ConfigurationError> {
        if let Some(flag) = self.options.refused {
            return Err(ConfigurationError::Refused { flag });
        }
        let folders = &self.options.folders;
        for (flag, path) in [("root", folders.root()), ("state", folders.state())] {
            let outside = sandbox
                .work_dir()
                .map_or(Ok(()), |work_dir| trust::outside(path, work_dir));
            outside
                .and_then(|()| trust::folder(path))
                .map_err(|source| ConfigurationError::Flag { flag, source })?;
        }
        if let (Some(config), Some(work_dir)) = (&self.options.config, sandbox.work_dir()) {
            trust::outside(config, work_dir).map_err(|source| ConfigurationError::Flag {
                flag: "config",
                source,
            })?;
        }
        Ok(Config::load(self.options.config.as_deref())?)
    }

    fn launch(&mut self, group: Vec<Task>) {
        let tasks: Vec<String> = group.iter().map(|task| task.id.to_string()).collect();
        info!(tasks = tasks.join(", "), "to be launched");
        let updates = self.tasks.launch(group);
        self.tell(updates);
    }

    fn tell(&self, updates: Vec<StatusUpdate>) {
        for update in updates {
            info!(task = %update.task, state = ?update.state, message = update.message.as_deref().unwrap_or_default(), "telling the agent");
            self.driver.update(update);
        }
    }

    /// Who asks twice will not wait for any grace.
    fn stop_by_signal(&mut self) {
        info!("told to end by a signal");
        let within = self.signalled.then_some(Duration::ZERO);
        self.signalled = true;
        self.stop_all(StopReason::Signal, within);
    }

    fn stop_all(&mut self, reason: StopReason, within: Option<Duration>) {
        self.stopping = true;
        let updates = self.tasks.stop_all(reason, within);
        self.tell(updates);
    }

    /// Lets go of agent and host.
    async fn end(mut self) {
        self.driver.close().await;
        // Bounded by itself; cut off, it would have been for nothing.
        while self.sweep.join_next().await.is_some() {}
        info!("the executor ends");
    }
}

/// Cleans up after executors that died: whoever comes next does, so that no unit or timer must.
async fn sweep(folders: Folders) {
    let options = Options::new(folders);
    let Ok(report) = timeout(SWEEP, cleanup::run(&options, &Leftovers)).await else {
        warn!("cleaning up after dead executors took too long; `compose-executor cleanup` goes on");
        return;
    };
    if !report.is_complete() {
        warn!("dead executors left what could not be removed: {report}");
    }
}
