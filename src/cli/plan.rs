//! `plan`: what `up` would do, shown and not done.

use std::path::Path;

use clap::Args;
use serde_json::{Value, json};

use super::containerd::likely_socket;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::{Format, HostFlags};
use super::policy::PolicyFlags;
use super::project::ProjectFlags;
use super::{Environment, policy};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::{self, LoadError, Loaded};
use crate::executor;
use crate::executor::config::{Config, NetworkMode};
use crate::executor::objections::{self, Objections};
use crate::oci;
use crate::pod::context::{
    BindsRule, ExternalVolume, PodContext, PodLimits, PortsRule, Variables, VolumeLife, VolumesRule,
};
use crate::pod::life::{RestartPlan, RestartWhen};
use crate::pod::logging::LoggingPlan;
use crate::pod::names::{CgroupPath, PodId};
use crate::pod::plan::{
    ContainerPlan, FileOrigin, MountPlan, MountSource, NetworkPlan, PodPlan, RuntimeName,
    Submounts, VolumePlace,
};
use crate::pod::planner::{self, Planned};
use crate::policy::{Policy, Whom};
use crate::supervisor::LaunchError;
use crate::supervisor::facts::{self, Asked};
use crate::supervisor::known_images::Stock;
use crate::supervisor::preview::{self, ContainerPreview, Preview};
use crate::supervisor::user_files::UserFiles;
use crate::sys;
use crate::sys::cgroup::Hierarchies;

/// Below which pods are put without Mesos.
const CGROUP_BASE: &str = "/compose-executor";

const NO_CONTAINERD: &str =
    "no containerd answers; limits and capabilities are shown as this process has them";

/// Flags of `plan`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor plan                     what `up` would do with compose.yaml here
  compose-executor plan --format json       the same for programs
  compose-executor plan --policy config.toml --principal marathon
                                            refuse what a launch would under that policy

Reads the files, the archives of images that they name, and containerd's images; nothing stays that is
made for it. The runtime documents are those of a launch: limits, capabilities and users of images are asked
of containerd if one answers. What is not known is named in `from_the_image`, and a note tells why. Whatever
would keep the pod from being launched here is told at once, with file, line and column.")]
pub(super) struct PlanArgs {
    /// As YAML for people, or as JSON
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    #[command(flatten)]
    policy: PolicyFlags,
}

pub(super) fn run(
    args: &PlanArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let config = Config::load(host.config.as_deref())?;
    let policy = match args.policy.in_force()? {
        Some(policy) => Some(policy),
        None => policy::of_up(&config),
    };
    let project = load(project, environment, policy.as_ref())?;
    let mut planned = planned(&project, host, &config, "plan")?;
    let loaded = project.loaded;
    let socket = likely_socket(host, &config, environment);
    let (preview, mut notes) = block_on(async {
        let Asked { facts, client } = facts::look(&socket).await?;
        let notes = Vec::from_iter(client.is_none().then(|| NO_CONTAINERD.to_owned()));
        let stock = client.map(|client| Stock {
            client,
            snapshotter: config.containerd.snapshotter.clone(),
        });
        let files = UserFiles::Anywhere;
        let folders = host.folders();
        let made = preview::preview(&mut planned.plan, &folders, &facts, &files, stock.as_ref());
        match made.await {
            Ok(preview) => Ok((preview, notes)),
            Err(problems) => Err(refused(&loaded, &problems)),
        }
    })?;
    let warnings = loaded.warnings.iter().chain(&planned.warnings);
    let lines = warnings.map(|warning| warning.one_line(&loaded.sources));
    let mut lines: Vec<String> = lines.collect();
    for (plan, container) in planned.plan.containers.iter().zip(&preview.containers) {
        for line in &container.lowered {
            exit::warn(&format!("warning: {line}"));
            lines.push(line.clone());
        }
        notes.extend(note(plan, container));
    }
    for note in &notes {
        exit::warn(&format!("note: {note}"));
    }
    let shown = show(&planned.plan, &preview, &lines, &notes);
    let text = match args.format {
        Format::Table => serde_yaml::to_string(&shown).map_err(CommandError::failed)?,
        Format::Json => format!("{shown:#}\n"),
    };
    exit::print(&text)?;
    Ok(exit::SUCCESS)
}

/// A project, and what is known to be wrong with it.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) loaded: Loaded,
    objections: Objections,
    /// Those of the policy that it was held against.
    external_volumes: Option<Vec<ExternalVolume>>,
}

/// The project that the flags and the working folder lead to, held against what the engine would
/// check and against a policy, where there is one.
pub(super) fn load(
    flags: &ProjectFlags,
    environment: &Environment,
    policy: Option<&Policy>,
) -> Result<Checked, CommandError> {
    let options = flags.load_options(environment.texts());
    let mut options = options.map_err(CommandError::failed)?;
    options.limits = policy.map(Policy::loader_limits).unwrap_or_default();
    let files = compose::files::DiskFiles::new(options.limits.file_bytes);
    let loaded = compose::load(&options, &files).map_err(|error| CommandError::load(&error))?;
    let place = policy::surroundings(&loaded.project);
    let external_volumes = policy.map(executor::external_volumes);
    let policy = policy.map(|policy| (policy, place));
    let (objections, warnings) = Objections::of(&loaded.project, policy);
    tell(&loaded, &loaded.warnings);
    tell(&loaded, &warnings);
    Ok(Checked {
        loaded,
        objections,
        external_volumes,
    })
}

/// What stands in a launch's way, with its places in the file.
pub(super) fn refused(loaded: &Loaded, problems: &[LaunchError]) -> CommandError {
    CommandError::load(&LoadError {
        diagnostics: problems.iter().map(objections::diagnostic).collect(),
        sources: loaded.sources.clone(),
    })
}

/// What of a service's document is left open, and why.
fn note(plan: &ContainerPlan, preview: &ContainerPreview) -> Option<String> {
    let why = preview.open_because.as_ref()?;
    let (service, open) = (&plan.service.value, preview.from_image.join(", "));
    Some(format!(
        "service \"{service}\": {open} are not known: {why}"
    ))
}

/// The plan of `up`; `unique` tells its pod from those before.
pub(super) fn plan(
    project: &Checked,
    host: &HostFlags,
    config: &Config,
    unique: &str,
) -> Result<PodPlan, CommandError> {
    planned(project, host, config, unique).map(|planned| planned.plan)
}

/// The plan, whose warnings have been told; or all that is wrong with the project.
fn planned(
    checked: &Checked,
    host: &HostFlags,
    config: &Config,
    unique: &str,
) -> Result<Planned, CommandError> {
    let Checked {
        loaded, objections, ..
    } = checked;
    let project = &loaded.project;
    // A name that the operator gives a folder is no rule that `up` could be let off.
    let operators = || executor::external_volumes(&config.policy.in_force(&Whom::default()));
    let id = PodId::of_project(
        &project.name,
        &project.working_dir.to_string_lossy(),
        unique,
    );
    let base = host.cgroup_parent.as_deref().unwrap_or(CGROUP_BASE);
    let cgroup_base =
        CgroupPath::try_from(base).map_err(|error| CommandError::Usage(error.to_string()))?;
    let folders = host.folders();
    let network = match config.network.mode {
        NetworkMode::Host => NetworkPlan::Host,
        NetworkMode::Auto => NetworkPlan::Own {
            netns: folders.netns(&id),
        },
    };
    let context = PodContext {
        task: project.name.clone(),
        cgroup_base,
        limits: PodLimits::default(),
        ports: match network {
            NetworkPlan::Own { .. } => PortsRule::NotPublished,
            NetworkPlan::Host | NetworkPlan::Executor { .. } => PortsRule::Reachable,
        },
        network,
        host_ports: PortsRule::Reachable,
        kernel: facts::kernel(&Hierarchies::of_this_process().map_err(CommandError::failed)?),
        run_dir: folders.pod_state(&id),
        binds: BindsRule::Anywhere,
        volumes: VolumesRule {
            life: VolumeLife::Kept,
            named: folders.volumes(),
            anonymous: folders.pod_root(&id).join("volumes"),
            external: checked.external_volumes.clone().unwrap_or_else(operators),
        },
        logs: config.logs.rule(folders.logs(&id)),
        environment: Vec::new(),
        variables: Variables(loaded.environment.clone()),
        host_address: sys::host::address(),
        archives: Vec::new(),
        id,
    };
    let mut objections = objections.clone();
    let planned = planner::plan(project, &context).map_err(|errors| {
        objections.add_planned(errors);
    });
    exit::refuse(loaded, objections.into_diagnostics())?;
    let planned = planned.expect("a plan that could not be made is objected to");
    tell(loaded, &planned.warnings);
    Ok(planned)
}

fn tell(loaded: &Loaded, warnings: &[Diagnostic]) {
    for warning in warnings {
        exit::warn(&format!("warning: {}", warning.one_line(&loaded.sources)));
    }
}

fn show(plan: &PodPlan, preview: &Preview, warnings: &[String], notes: &[String]) -> Value {
    let sandbox = &plan.sandbox;
    let services = |level: &Vec<usize>| -> Vec<&str> {
        level
            .iter()
            .map(|&i| plan.containers[i].service.value.as_str())
            .collect()
    };
    json!({
        "schema": 1,
        "pod": plan.id.as_str(),
        "task": plan.task,
        "project": plan.project,
        "start_order": plan.order.levels.iter().map(services).collect::<Vec<_>>(),
        "stop_grace_seconds": plan.stop_grace.as_secs_f64(),
        "logs": plan.logs.as_ref().map(|folder| folder.display().to_string()),
        "image_archives": plan.archives.iter().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "sandbox": {
            "container": sandbox.id.as_str(),
            "cgroup": sandbox.cgroup.as_str(),
            "network": match &sandbox.network {
                NetworkPlan::Own { netns } => json!({"own": netns.display().to_string()}),
                NetworkPlan::Executor { netns } => json!({"executor": netns.display().to_string()}),
                NetworkPlan::Host => json!("host"),
            },
            "hostname": sandbox.hostname,
            "shm_bytes": sandbox.shm_size.0,
            "pids_limit": sandbox.pids_limit,
            "document": oci::to_json(&preview.pause),
        },
        "volumes": plan.volumes.iter().map(|volume| {
            json!({
                "name": volume.name,
                "kind": match volume.place {
                    VolumePlace::Pod { .. } => "pod",
                    VolumePlace::Kept { .. } => "kept",
                    VolumePlace::External { .. } => "external",
                    VolumePlace::Tmpfs { .. } => "tmpfs",
                    VolumePlace::Bind { .. } => "bind",
                    VolumePlace::Operators { .. } => "operators",
                    VolumePlace::Nfs { .. } => "nfs",
                },
                "path": volume.path().display().to_string(),
                "mount": match &volume.place {
                    VolumePlace::Nfs { volume, .. } => json!({"device": volume.device(), "options": volume.mount_options()}),
                    VolumePlace::Tmpfs { options, .. } => json!({"options": options.join(",")}),
                    _ => Value::Null,
                },
            })
        }).collect::<Vec<_>>(),
        "images": plan.images.iter().map(|it| it.image.value.as_str()).collect::<Vec<_>>(),
        "containers": plan.containers.iter().zip(&preview.containers)
            .map(|(plan, preview)| container(plan, preview)).collect::<Vec<_>>(),
        "warnings": warnings,
        "notes": notes,
    })
}

fn container(plan: &ContainerPlan, preview: &ContainerPreview) -> Value {
    let process = &plan.process;
    json!({
        "service": plan.service.value,
        "container": plan.id.as_str(),
        "image": plan.image.value,
        "cgroup": plan.cgroup.as_str(),
        "hostname": plan.hostname,
        "domainname": plan.domainname,
        "dns": {
            "servers": plan.dns.servers,
            "search": plan.dns.search,
            "options": plan.dns.options,
        },
        "entrypoint": process.entrypoint,
        "command": process.command,
        "working_dir": process.working_dir,
        "user": process.user.as_ref().map(|user| &user.value),
        "tty": process.tty,
        "environment": process.environment.iter().map(|(name, value)| {
            (name.clone(), json!(value))
        }).collect::<serde_json::Map<_, _>>(),
        "hosts": plan.hosts.iter().map(|(address, names)| {
            json!({"address": address.to_string(), "names": names})
        }).collect::<Vec<_>>(),
        "mounts": plan.mounts.iter().map(mount).collect::<Vec<_>>(),
        "read_only": plan.read_only,
        "limits": {
            "memory_bytes": plan.limits.memory.map(|size| size.0),
            "nano_cpus": plan.limits.cpus.map(|cpus| cpus.nanos),
            "pids": plan.limits.pids,
        },
        "stop": {
            "signal": plan.stop.signal.map(|signal| signal.to_string()),
            "grace_seconds": plan.stop.grace.as_secs_f64(),
        },
        "restart": restart(&plan.life.restart),
        "post_start": plan.life.post_start.iter().map(|hook| &hook.command).collect::<Vec<_>>(),
        "pre_stop": plan.life.pre_stop.iter().map(|hook| &hook.command).collect::<Vec<_>>(),
        "logging": match plan.logging {
            LoggingPlan::None => json!("none"),
            LoggingPlan::Common => json!("common"),
            LoggingPlan::Kept { max_size, max_files } => {
                json!({"max_bytes": max_size.0, "max_files": max_files})
            }
        },
        "runtime": plan.runtime.map(RuntimeName::as_str),
        "from_the_image": preview.from_image,
        "document": oci::to_json(&preview.document),
    })
}

fn restart(plan: &RestartPlan) -> Value {
    let when = match plan.when {
        RestartWhen::Never => "no",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Always => "always",
    };
    json!({
        "when": when,
        "max_attempts": plan.max_attempts,
        "delay_seconds": plan.delay.map(|delay| delay.as_secs_f64()),
        "window_seconds": plan.window.map(|window| window.as_secs_f64()),
    })
}

fn shown(path: Option<&Path>) -> Option<String> {
    path.map(|path| path.display().to_string())
}

fn mount(plan: &MountPlan) -> Value {
    let source = match &plan.source {
        MountSource::Bind {
            path,
            create,
            submounts,
            propagation,
            ..
        } => json!({
            "bind": path.display().to_string(),
            "create": create,
            "submounts": match submounts {
                Submounts::AsTop => "enabled",
                Submounts::Writable => "writable",
                Submounts::Left => "disabled",
            },
            "propagation": format!("{propagation:?}").to_lowercase(),
        }),
        MountSource::Volume {
            name,
            subpath,
            copy,
            ..
        } => json!({"volume": name, "subpath": shown(subpath.as_deref()), "copy": copy}),
        MountSource::Image { image, subpath, .. } => {
            json!({"image": image, "subpath": shown(subpath.as_deref())})
        }
        MountSource::Tmpfs { options } => json!({"tmpfs": options}),
        MountSource::File(file) => json!({
            "file": file.name,
            // Where the content is from, and never the content.
            "from": match &file.origin {
                FileOrigin::File(path) => json!({"file": path.display().to_string()}),
                FileOrigin::Environment(name, _) => json!({"environment": name}),
                FileOrigin::Content(_) => json!("content"),
            },
            "uid": file.uid,
            "gid": file.gid,
            "mode": format!("{:04o}", file.mode),
        }),
    };
    json!({"target": plan.target.display().to_string(), "source": source, "read_only": plan.read_only})
}
