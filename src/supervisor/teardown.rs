//! Everything that was made for a pod, taken away in reverse. It never stops at the first error:
//! what could not be taken away is told, and the record stays for `cleanup`.

use std::fmt::Display;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::spawn_blocking;
use tokio::time::sleep;
use tracing::{info, warn};

use super::events::Done;
use super::pod::PodRun;
use super::{images, restart};
use crate::containerd::{Code, LeaseId, Process, RpcError};
use crate::sys::{cgroup, mount, netns, tree};

/// How long the kernel may take to let the last processes go.
const CGROUPS: Duration = Duration::from_secs(10);
/// How long a shim may take to end after its last task.
const SHIM: Duration = Duration::from_secs(5);

/// How often it is tried to delete what containerd has of the pod, and how long it is waited
/// before it is tried again.
const DELETE_TRIES: u32 = 3;
const DELETE_AGAIN: Duration = Duration::from_secs(1);

/// Errors on the way down.
#[derive(Debug, Default)]
struct Failures(usize);

impl Failures {
    fn note<T, E: Display>(&mut self, what: &str, result: Result<T, E>) {
        if let Err(error) = result {
            warn!("{what}: {error}");
            self.0 += 1;
        }
    }
}

impl PodRun {
    /// Kills what is in the cgroups of pause and the services. The shim's is spared: containerd
    /// still talks to it.
    pub(super) async fn kill_cgroups(&self) -> Result<(), cgroup::Error> {
        let pause = self.plan.sandbox.cgroup.pause();
        let services = self
            .plan
            .containers
            .iter()
            .map(|container| container.cgroup.clone());
        let paths: Vec<_> = services.chain([pause]).collect();
        let cgroups = self.host.cgroups.clone();
        blocking(move || {
            paths
                .iter()
                .try_for_each(|path| cgroups.kill(path.as_str(), CGROUPS))
        })
        .await
    }

    /// True when nothing is left.
    pub(super) async fn tear_down(mut self) -> bool {
        let mut failures = Failures::default();
        // Calls that are under way could still make something; each has a deadline.
        while let Some(done) = self.work.join_next().await {
            if let Ok(Done::MadeAgain {
                service,
                result: Ok(_),
            }) = done
            {
                let id = self.plan.containers[service].id.as_str();
                let discarded = restart::discard(&self.host.client, id).await;
                failures.note("a container that was about to be started again", discarded);
            }
        }
        failures.0 += self.delete_all_objects().await;
        let Self {
            host,
            plan,
            journal,
            logs,
            storage,
            exits,
            ..
        } = self;
        exits.close().await;
        // What is open in a mount keeps it busy.
        drop(storage);
        if !logs.close().await {
            warn!("the last lines of the containers could not be written in time");
        }

        let run = host.folders.pod_state(&plan.id);
        failures.note(
            "the pod's network namespace",
            netns::remove(&host.folders.netns(&plan.id)),
        );
        failures.note("the pod's mounts", mount::unmount_all(&run));
        failures.note("the pod's folder", tree::remove(&run));

        let cgroups = host.cgroups.clone();
        let record = journal.record().cgroup.clone();
        let removed = blocking(move || {
            // A runtime that hangs outlives its shim.
            if cgroups.remove(&record.pod, SHIM).is_err() {
                cgroups.kill(&record.pod, CGROUPS)?;
                cgroups.remove(&record.pod, CGROUPS)?;
            }
            match &record.base {
                Some(base) => cgroups.remove_base(base, &record.others),
                None => Ok(()),
            }
        });
        let removed = removed.await;
        if removed.is_ok() {
            // The shim has ended, so nobody listens: those of containerd 2 leave their socket, and
            // one that was killed leaves what its runtime knew.
            let socket = host.client.shim_socket(plan.sandbox.id.as_str());
            failures.note("the shim's socket", remove_file(&socket));
            let services = plan
                .containers
                .iter()
                .map(|container| container.id.as_str());
            for id in services.chain([plan.sandbox.id.as_str()]) {
                let state = tree::remove(&host.client.runtime_state(id));
                failures.note("what the runtime knew of a container", state);
            }
        }
        failures.note("the pod's cgroups", removed);

        if failures.0 > 0 {
            return false;
        }
        failures.note("the pod's record", journal.finish());
        info!(pod = %plan.id, "nothing of the pod is left");
        failures.0 == 0
    }

    /// Gives how many could not be deleted.
    async fn delete_all_objects(&mut self) -> usize {
        let mut tries = DELETE_TRIES;
        loop {
            let mut failures = Failures::default();
            let tasks = self.delete_objects(&mut failures).await;
            tries -= 1;
            if failures.0 == 0 || tries == 0 {
                return failures.0;
            }
            let is_stuck = match tasks {
                TasksLeft::Hung => true,
                TasksLeft::Refused => tries == 1,
                TasksLeft::None | TasksLeft::Away => false,
            };
            if is_stuck && self.is_shim_there() {
                // It, or a runtime that it waits for, hangs or can't do it. Nobody but the two is
                // left in the pod.
                self.kill_shim().await;
            } else {
                // containerd could not do it just now, or is about to see that the shim has ended.
                sleep(DELETE_AGAIN).await;
            }
        }
    }

    /// A container stays as long as its task does: without it, containerd does not find the task.
    async fn delete_container(&self, id: &str) -> Result<(), Left> {
        let tasks = self.host.client.tasks();
        tasks.delete(Process::init(id)).await.map_err(Left::Task)?;
        let containers = self.host.client.containers();
        containers.delete(id).await.map_err(Left::Object)
    }

    /// Tasks before containers before snapshots; the shim ends with the last task, pause's.
    async fn delete_objects(&self, failures: &mut Failures) -> TasksLeft {
        let client = &self.host.client;
        let snapshots = client.snapshots(&self.host.snapshotter);
        let services = self
            .plan
            .containers
            .iter()
            .map(|container| container.id.as_str());
        let delete = async |id: &str| {
            self.delete_container(id).await?;
            snapshots.remove(id).await.map_err(Left::Object)
        };
        let mut tasks = TasksLeft::None;
        for result in join_all(services.map(delete)).await {
            tasks = tasks.max(TasksLeft::of(&result));
            failures.note("a service's container", result);
        }
        for image in &self.plan.images {
            // Its mount holds it, and is in nobody's way any more.
            failures.note("an image's mount", mount::unmount_all(&image.path));
            failures.note("an image's snapshot", snapshots.remove(&image.key).await);
        }
        let pause = self.plan.sandbox.id.as_str();
        let result = self.delete_container(pause).await;
        tasks = tasks.max(TasksLeft::of(&result));
        failures.note("the pause container", result);
        if client.server().has_sandboxes() {
            failures.note("the pod's sandbox", client.sandboxes().delete(pause).await);
        }
        let lease: Result<LeaseId, _> = self.journal.record().containerd.lease.parse();
        match lease {
            Ok(lease) => {
                failures.note(
                    "the pod's half-written blobs",
                    images::abort_imports(client, &lease).await,
                );
                failures.note("the pod's lease", client.leases().delete(&lease).await);
            }
            Err(error) => failures.note::<(), _>("the pod's lease", Err(error)),
        }
        tasks
    }
}

/// What could not be deleted of a container.
#[derive(Debug, thiserror::Error)]
enum Left {
    #[error(transparent)]
    Task(RpcError),
    #[error(transparent)]
    Object(RpcError),
}

/// Whether tasks could not be deleted, and why; the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum TasksLeft {
    None,
    /// containerd is not there: nothing is known of the shim.
    Away,
    /// containerd, the shim or the runtime said no.
    Refused,
    /// No answer came.
    Hung,
}

impl TasksLeft {
    fn of(result: &Result<(), Left>) -> Self {
        match result {
            Ok(()) | Err(Left::Object(_)) => Self::None,
            Err(Left::Task(error)) => match error.code {
                Code::DeadlineExceeded => Self::Hung,
                Code::Disconnected => Self::Away,
                _ => Self::Refused,
            },
        }
    }
}

fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Work that waits for the kernel, where nothing else waits for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
