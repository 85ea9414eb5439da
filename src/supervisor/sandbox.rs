//! What the containers of a pod share: cgroups, a network namespace, /dev/shm, the files of names,
//! and the pause container that owns the rest of the namespaces.

use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use tracing::{debug, warn};

use super::container::{self, NewContainer, Running};
use super::host::Host;
use super::launch_error::LaunchError;
use super::report::ServiceState;
use super::restart;
use super::runtime::{Candidates, OciRuntime};
use super::runtime_program::RuntimePrograms;
use crate::compose::model::Cpus;
use crate::containerd::{Labels, Process, Runtime, RuntimeOptions};
use crate::journal::{Journal, Step};
use crate::network::{self, PodNetwork, files};
use crate::oci;
use crate::pod::plan::{NetworkPlan, PodLimits, PodPlan, SECRETS_FOLDER, SandboxPlan, Signal};
use crate::sys::cgroup::Limits;
use crate::sys::mount;

const NANOS_PER_MILLI: u64 = 1_000_000;
const WEIGHT_PER_CPU: u64 = 100;
const WEIGHT_MAX: u64 = 10_000;
/// The permissions of a directory that everybody may write to, as /dev/shm is.
const SHM_MODE: u32 = 0o1777;
/// How long a pause container that failed to start may take to go.
const GONE: Duration = Duration::from_secs(10);

/// Folders of one pod in `--state`.
#[derive(Clone, Debug)]
pub(super) struct RunDir(pub(super) PathBuf);

impl RunDir {
    pub(super) fn shm(&self) -> PathBuf {
        self.0.join("shm")
    }

    /// FIFOs of one service, by its place in the plan.
    pub(super) fn io(&self, service: usize) -> PathBuf {
        self.0.join("io").join(service.to_string())
    }

    /// Its hosts file and the like.
    pub(super) fn files(&self, service: usize) -> PathBuf {
        self.0.join("files").join(service.to_string())
    }

    /// Configs and secrets, in memory.
    pub(super) fn secrets(&self) -> PathBuf {
        self.0.join(SECRETS_FOLDER)
    }

    /// Where user's files are pinned.
    pub(super) fn binds(&self) -> PathBuf {
        self.0.join("binds")
    }

    /// crun's program.
    pub(super) fn crun(&self) -> PathBuf {
        self.0.join("crun")
    }

    /// Where an image is looked into: seen by nobody.
    pub(super) fn look(&self) -> PathBuf {
        self.0.join("look")
    }
}

/// Cgroups, network, shm and folders; everything that needs no containerd.
pub(super) fn make(host: &Host, plan: &PodPlan, journal: &Journal) -> Result<RunDir, LaunchError> {
    let sandbox = &plan.sandbox;
    let run = RunDir(host.folders.pod_state(&plan.id));
    journal.intent(&Step::Folder {
        path: run.0.clone(),
    })?;
    for folder in [run.shm(), run.binds(), run.look()] {
        make_folder(&folder)?;
    }
    for service in 0..plan.containers.len() {
        make_folder(&run.io(service))?;
        make_folder(&run.files(service))?;
    }

    journal.intent(&Step::Cgroup)?;
    if let NetworkPlan::Own { netns } = &sandbox.network {
        journal.intent(&Step::Netns {
            path: netns.clone(),
        })?;
    }
    // Each takes some milliseconds, in which the kernel mostly waits.
    let (network, cgroups) = thread::scope(|scope| {
        let network = scope.spawn(|| PodNetwork::set_up(&sandbox.network));
        let shim = sandbox.cgroup.shim();
        let cgroups =
            host.cgroups
                .create_pod(sandbox.cgroup.as_str(), &[shim.as_str()], &limits(sandbox));
        let network = network.join().unwrap_or_else(|panic| resume_unwind(panic));
        (network, cgroups)
    });
    network?;
    cgroups?;
    journal.intent(&Step::Mount { path: run.shm() })?;
    mount::tmpfs(&run.shm(), sandbox.shm_size.0, SHM_MODE)?;

    let resolver = network::host_resolv_conf();
    for (service, container) in plan.containers.iter().enumerate() {
        let folder = run.files(service);
        write(&folder.join("hosts"), &files::hosts(&container.hosts))?;
        write(
            &folder.join("hostname"),
            &files::hostname(&container.hostname),
        )?;
        let resolv_conf = files::resolv_conf(&resolver, &container.dns, &sandbox.network);
        write(&folder.join("resolv.conf"), &resolv_conf)?;
    }
    Ok(run)
}

/// The pod's limits, as its cgroup has them.
fn limits(sandbox: &SandboxPlan) -> Limits {
    let PodLimits {
        cpu_shares,
        cpus,
        memory,
        memory_reservation,
    } = sandbox.limits;
    Limits {
        pids: Some(sandbox.pids_limit),
        cpu_weight: cpu_shares.map(cpu_weight),
        milli_cpus: cpus.map(|cpus| cpus.nanos / NANOS_PER_MILLI),
        memory: memory.map(|size| size.0),
        memory_low: memory_reservation.map(|size| size.0),
    }
}

/// A CPU is worth the kernel's default, as it is in version 1's shares.
fn cpu_weight(cpus: Cpus) -> u64 {
    (cpus.nanos / (NANOS_PER_MILLI * 1000 / WEIGHT_PER_CPU)).clamp(1, WEIGHT_MAX)
}

/// Makes the pause container, and tells which program the pod's containers run with. Its namespaces
/// can be joined from here on; its program waits for [`start_pause`].
pub(super) async fn make_pause(
    host: &Host,
    plan: &PodPlan,
    journal: &Journal,
    labels: &Labels,
    programs: &RuntimePrograms,
) -> Result<(Running, OciRuntime), LaunchError> {
    let id = plan.sandbox.id.to_string();
    journal.intent(&Step::Container { id: id.clone() })?;
    if host.client.server().has_sandboxes() {
        journal.intent(&Step::Sandbox { id: id.clone() })?;
        host.client
            .sandboxes()
            .create(
                &id,
                &shim(plan, programs.of(OciRuntime::Runc)),
                labels.clone(),
            )
            .await
            .map_err(LaunchError::Sandbox)?;
    }
    let (first, second) = match host.candidates() {
        Candidates::One(one) => (one, None),
        Candidates::CrunElseRunc => (OciRuntime::Crun, Some(OciRuntime::Runc)),
    };
    let made = create_pause(host, plan, labels, programs.of(first)).await;
    let (pause, runtime) = match (made, second) {
        (Ok(pause), None) => (pause, first),
        (Ok(pause), Some(_)) => {
            remember(host, first);
            (pause, first)
        }
        // What containerd could not do tells nothing of crun.
        (Err(error), Some(_)) if error.is_transient() => return Err(LaunchError::Sandbox(error)),
        (Err(error), None) => return Err(LaunchError::Sandbox(error)),
        (Err(error), Some(second)) => {
            debug!(%error, "crun does not work on this host; trying runc");
            remove_failed(host, &id).await;
            let pause = create_pause(host, plan, labels, programs.of(second))
                .await
                .map_err(LaunchError::Sandbox)?;
            remember(host, second);
            (pause, second)
        }
    };
    host.cgroups
        .verify(pause.pid, plan.sandbox.cgroup.pause().as_str())?;
    Ok((pause, runtime))
}

/// Starts the pause container's program.
pub(super) async fn start_pause(host: &Host, id: &str, pid: u32) -> Result<(), LaunchError> {
    restart::start(&host.client, id, pid)
        .await
        .map_err(LaunchError::Sandbox)
}

/// The pod's shim runs in a cgroup of the pod, and runs containers with this program.
pub(super) fn shim_options(plan: &PodPlan, program: String) -> RuntimeOptions {
    RuntimeOptions {
        binary_name: program,
        shim_cgroup: plan.sandbox.cgroup.shim().to_string(),
        ..RuntimeOptions::default()
    }
}

/// containerd's own, which starts with the pod's first container.
fn shim(plan: &PodPlan, program: String) -> Runtime {
    Runtime {
        options: shim_options(plan, program),
        ..Runtime::default()
    }
}

async fn create_pause(
    host: &Host,
    plan: &PodPlan,
    labels: &Labels,
    program: String,
) -> Result<Running, crate::containerd::RpcError> {
    let id = plan.sandbox.id.to_string();
    let spec = oci::pause_spec(&host.base, &host.facts, &plan.sandbox, &host.pause_root);
    let new = NewContainer {
        id: id.clone(),
        image: String::new(),
        labels: labels.clone(),
        runtime: shim(plan, program),
        spec,
        root: None,
        sandbox: None,
        stdout: None,
        stderr: None,
        terminal: false,
    };
    let pid = container::create(&host.client, new).await?;
    Ok(Running {
        id,
        pid,
        state: ServiceState::NotStarted,
        stop_signal: Signal::KILL,
        forced: false,
        oom_kills_before: 0,
    })
}

/// What a failed try leaves: the container object, perhaps a task.
async fn remove_failed(host: &Host, id: &str) {
    let tasks = host.client.tasks();
    let _ = tasks
        .kill(Process::init(id), Signal::KILL.0.unsigned_abs())
        .await;
    let _ = tasks.wait(Process::init(id), GONE).await;
    for result in [
        tasks.delete(Process::init(id)).await.map(drop),
        host.client.containers().delete(id).await,
    ] {
        if let Err(error) = result {
            warn!(%error, "the probe's container can't be removed");
        }
    }
}

/// An answer that can't be kept costs the next pod a probe.
fn remember(host: &Host, runtime: OciRuntime) {
    if let Err(error) = host.memo.remember(runtime) {
        warn!(%error, "the runtime's probe can't be remembered");
    }
}

fn make_folder(path: &Path) -> Result<(), LaunchError> {
    std::fs::create_dir_all(path).map_err(|source| LaunchError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write(path: &Path, text: &str) -> Result<(), LaunchError> {
    std::fs::write(path, text).map_err(|source| LaunchError::Write {
        path: path.to_owned(),
        source,
    })
}
