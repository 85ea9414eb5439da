//! From a task to a pod that can be launched: everything that is decided before the first effect.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::OnceCell;
use tracing::warn;

use super::config::{Config, NetworkMode};
use super::description::Description;
use super::objections::Objections;
use super::placement;
use super::refusal::Refusal;
use super::sandbox::{OWN_FOLDER, Sandbox, SandboxError};
use super::sandbox_files::SandboxFiles;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Project;
use crate::compose::source::SourceMap;
use crate::compose::{self, Discovery, LoadOptions, Loaded};
use crate::journal::{Folders, MesosRecord, Owner};
use crate::mesos::{ExecutorEnv, FrameworkInfo, Task};
use crate::pod::context::{
    BindsRule, ExternalVolume, PodContext, PortsRule, Variables, VolumeLife, VolumesRule,
};
use crate::pod::names::PodId;
use crate::pod::plan::NetworkPlan;
use crate::pod::planner::{self, Planned};
use crate::policy::{self, Policy, Ports, Surroundings, Whom};
use crate::supervisor::host::{Host, HostError, HostOptions};
use crate::supervisor::logs::Prefix;
use crate::supervisor::obstacles;
use crate::supervisor::pod::{PodRequest, TimeLimit};
use crate::supervisor::user_files::UserFiles;
use crate::sys;

/// What all tasks of one executor share.
#[derive(Debug)]
pub(super) struct Ground {
    pub env: ExecutorEnv,
    pub sandbox: Sandbox,
    /// As the agent tells it.
    pub framework: FrameworkInfo,
    pub config: Config,
    pub folders: Folders,
    /// containerd's socket, where a flag names another than the configuration.
    pub containerd: Option<PathBuf>,
    /// Compose files that the command line names.
    pub files: Vec<PathBuf>,
    /// The executor's own environment, less its token.
    pub environment: BTreeMap<String, String>,
    host: OnceCell<Arc<Host>>,
}

impl Ground {
    pub(super) fn new(
        env: ExecutorEnv,
        sandbox: Sandbox,
        framework: FrameworkInfo,
        config: Config,
        options: &super::ExecutorOptions,
        environment: BTreeMap<String, String>,
    ) -> Self {
        Self {
            env,
            sandbox,
            framework,
            config,
            folders: options.folders.clone(),
            containerd: options.containerd.clone(),
            files: options.files.clone(),
            environment,
            host: OnceCell::new(),
        }
    }

    /// Connects to containerd with the first task, and not before: an executor that can't must
    /// still tell so.
    pub(super) async fn host(&self) -> Result<Arc<Host>, HostError> {
        let open = async || {
            let config = &self.config.containerd;
            let options = HostOptions {
                containerd: self
                    .containerd
                    .clone()
                    .unwrap_or_else(|| config.address.clone()),
                runtime: config.runtime,
                snapshotter: config.snapshotter.clone(),
                lost_after: config.lost_after,
                deadline: config.deadline,
                folders: self.folders.clone(),
            };
            Host::open(options).await.map(Arc::new)
        };
        self.host.get_or_try_init(open).await.cloned()
    }

    /// The id of the Mesos container that the executor runs in.
    fn container(&self) -> Cow<'_, str> {
        let name = self.sandbox.path().file_name();
        name.unwrap_or_default().to_string_lossy()
    }
}

/// A pod that can be launched, and where.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) host: Arc<Host>,
    pub(super) request: PodRequest,
}

/// Whether the executor has other tasks: they share its standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Company {
    Alone,
    Others,
}

/// Reads the task's Compose file and plans its pod, the executor's pod number `ordinal`.
pub(super) async fn prepare(
    ground: &Ground,
    task: &Task,
    ordinal: u32,
    company: Company,
) -> Result<Box<Prepared>, Refusal> {
    ground.sandbox.check_own_folder()?;
    let description = Description::of(task, &ground.files, &ground.environment)?;
    let policy = ground.config.policy.in_force(&whom(ground, task));
    let loaded = load(ground, &description, &policy)?;
    tell(&loaded.warnings, &loaded.sources);
    let archives: Vec<PathBuf> = description
        .archives
        .iter()
        .map(|path| ground.sandbox.path().join(path))
        .collect();
    let objections = objections(ground, &loaded, &policy, &archives);
    let host = match ground.host().await {
        Ok(host) => host,
        // What the user can mend comes first.
        Err(error) => {
            let refusal = objections.into_refusal(loaded.sources);
            return Err(refusal.unwrap_or(error.into()));
        }
    };
    let container = ground.container();
    let id = PodId::of_executor(
        ground.env.framework_id.as_str(),
        ground.env.executor_id.as_str(),
        &container,
        ordinal,
    );
    let placement = placement::place(host.cgroups())?;
    let network = network(ground, &host, &id);
    let opened = policy.mounts.host_paths.places();
    let checks = super::checks::plan(task, &loaded.project, &network);
    let context = PodContext {
        task: task.id.to_string(),
        limits: placement.limits(task),
        cgroup_base: placement.base,
        ports: match &network {
            NetworkPlan::Own { .. } => PortsRule::Refused,
            NetworkPlan::Executor { .. } => PortsRule::Reachable,
            NetworkPlan::Host => host_ports(task, &policy),
        },
        network,
        host_ports: host_ports(task, &policy),
        kernel: host.kernel().clone(),
        run_dir: ground.folders.pod_state(&id),
        binds: BindsRule::Beneath(
            std::iter::once(ground.sandbox.path().to_owned())
                .chain(opened.clone())
                .collect(),
        ),
        volumes: volumes(ground, ordinal, &policy),
        logs: ground.config.logs.rule(own_folder(ground, "logs", ordinal)),
        environment: description.for_containers,
        variables: Variables(loaded.environment.clone()),
        host_address: sys::host::address(),
        archives,
        id: id.clone(),
    };
    let Loaded {
        project, sources, ..
    } = loaded;
    let user_files =
        UserFiles::sandbox(ground.sandbox.folder()?, opened).map_err(SandboxError::Open)?;
    let planned = match planned(objections, &project, &context, &host, &user_files) {
        Ok(planned) => planned,
        Err(objections) => {
            let refusal = objections.into_refusal(sources);
            return Err(refusal.unwrap_or(Refusal::Fault));
        }
    };
    let checks = checks?;
    tell(&planned.warnings, &sources);
    let prefix = prefix(task, company, &planned);
    let request = PodRequest {
        plan: planned.plan,
        sources,
        main: PodRequest::main_of(&project),
        owner: Owner {
            mesos: Some(MesosRecord {
                framework: ground.env.framework_id.to_string(),
                executor: ground.env.executor_id.to_string(),
                container: container.into_owned(),
            }),
            sandbox: ground.sandbox.path().to_owned(),
            base_is_ours: true,
            base_others: placement.others,
        },
        user_files,
        prefix,
        running_means: description.running_means,
        checks,
        time_limit: task.max_completion_time.map(|all| TimeLimit {
            all,
            grace: task.kill_grace_period.unwrap_or_default(),
        }),
    };
    Ok(Box::new(Prepared { host, request }))
}

/// The plan of a project, where nothing stands in its way.
fn planned(
    mut objections: Objections,
    project: &Project,
    context: &PodContext,
    host: &Host,
    files: &UserFiles,
) -> Result<Planned, Objections> {
    let planned = match planner::plan(project, context) {
        Ok(planned) => planned,
        Err(errors) => {
            objections.add_planned(errors);
            return Err(objections);
        }
    };
    // What is forbidden is not even looked at: whether it is there is no business of the task's.
    if objections.is_empty() {
        let found = obstacles(&planned.plan, host.folders(), host.facts(), files);
        objections.add_found(&found);
    }
    if objections.is_empty() {
        Ok(planned)
    } else {
        Err(objections)
    }
}

fn prefix(task: &Task, company: Company, planned: &Planned) -> Prefix {
    match (company, planned.plan.containers.len()) {
        (Company::Others, _) => Prefix::Task(task.id.to_string()),
        (Company::Alone, 1) => Prefix::None,
        (Company::Alone, _) => Prefix::Plain,
    }
}

/// Ports of the host's that the pod may listen on.
fn host_ports(task: &Task, policy: &Policy) -> PortsRule {
    match *policy.resources.ports {
        Ports::Any => PortsRule::Reachable,
        Ports::None | Ports::Offered => PortsRule::Offered(task.resources.ports.clone()),
    }
}

/// Whose policy holds: by the agent's word, and never by the task's own.
fn whom(ground: &Ground, task: &Task) -> Whom {
    let only_role = match ground.framework.roles.as_slice() {
        [role] => Some(role.clone()),
        _ => None,
    };
    Whom {
        principal: ground.framework.principal.clone(),
        role: task.role.clone().or(only_role),
    }
}

/// What the files alone tell, and what the operator does not allow.
fn objections(
    ground: &Ground,
    loaded: &Loaded,
    policy: &Policy,
    archives: &[PathBuf],
) -> Objections {
    let ours = [ground.folders.root(), ground.folders.state()];
    let guarded: Vec<PathBuf> = ours
        .into_iter()
        .chain(ground.sandbox.work_dir())
        .map(Path::to_owned)
        .collect();
    let place = Surroundings {
        sandbox: ground.sandbox.path(),
        guarded: &guarded,
        archives,
    };
    let (objections, warnings) = Objections::of(&loaded.project, Some((policy, place)));
    tell(&warnings, &loaded.sources);
    objections
}

fn load(ground: &Ground, description: &Description, policy: &Policy) -> Result<Loaded, Refusal> {
    let sandbox = ground.sandbox.path().to_owned();
    let options = LoadOptions {
        files: description
            .files
            .iter()
            .map(|file| sandbox.join(file))
            .collect(),
        discovery: Discovery::Folder,
        working_dir: sandbox,
        project_name: description.project.clone(),
        profiles: description.profiles.clone(),
        environment: description.environment.clone(),
        limits: policy.loader_limits(),
        ..LoadOptions::default()
    };
    let files = SandboxFiles::new(ground.sandbox.users_folder()?, options.limits.file_bytes);
    compose::load(&options, &files).map_err(|error| Refusal::Files {
        diagnostics: error.diagnostics,
        sources: error.sources,
    })
}

/// Where the pod's volumes are.
fn volumes(ground: &Ground, ordinal: u32, policy: &Policy) -> VolumesRule {
    VolumesRule {
        life: VolumeLife::Sandbox,
        named: own_folder(ground, "volumes", ordinal),
        anonymous: own_folder(ground, "anonymous", ordinal),
        external: external_volumes(policy),
    }
}

/// The volumes that the operator has for those that a policy is about.
pub fn external_volumes(policy: &Policy) -> Vec<ExternalVolume> {
    let volumes = policy.mounts.external_volumes.iter();
    let volume = |it: &policy::ExternalVolume| ExternalVolume {
        name: it.name.clone(),
        path: it.path.clone(),
        read_only: it.read_only,
    };
    volumes.map(volume).collect()
}

/// Where the pod's volumes are, or its logs. Pods of one executor share its sandbox, but nothing
/// in it.
fn own_folder(ground: &Ground, what: &str, ordinal: u32) -> PathBuf {
    let name = match ordinal {
        0 => what.to_owned(),
        ordinal => format!("{what}-{ordinal}"),
    };
    ground.sandbox.path().join(OWN_FOLDER).join(name)
}

/// The namespace that Mesos gave the executor where it did, else one for the pod.
fn network(ground: &Ground, host: &Host, id: &PodId) -> NetworkPlan {
    if ground.config.network.mode == NetworkMode::Host {
        return NetworkPlan::Host;
    }
    if host.has_own_network() {
        let netns = Path::new("/proc")
            .join(std::process::id().to_string())
            .join("ns/net");
        return NetworkPlan::Executor { netns };
    }
    NetworkPlan::Own {
        netns: ground.folders.netns(id),
    }
}

fn tell(warnings: &[Diagnostic], sources: &SourceMap) {
    for warning in warnings {
        warn!("{}", warning.one_line(sources));
    }
}
