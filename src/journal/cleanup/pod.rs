//! One dead pod, taken away step by step.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::findings::{Findings, blocking, chain};
use super::report::{CleanedPod, Kind};
use super::runtime::{Connect, Object, Runtime};
use super::{Options, shims};
use crate::journal::lock::PodLock;
use crate::journal::record::{Record, SCHEMA, Stored};
use crate::journal::step::{Entry, Step};
use crate::journal::writer;
use crate::pod::names::PodId;
use crate::sys::cgroup::Hierarchies;
use crate::sys::{mount, netns, tree};

/// How long the kernel may take to end the pod's processes, and to let its cgroups go.
const PROCESSES: Duration = Duration::from_secs(10);
const CGROUPS: Duration = Duration::from_secs(10);
/// How long Mesos may take to end an executor's container, and how often one looks.
const MESOS: Duration = Duration::from_secs(5);
const MESOS_LOOK: Duration = Duration::from_millis(50);

/// A pod without an owner, and what was found of it so far.
pub(super) struct PodCleanup<'a, C> {
    pub(super) options: &'a Options,
    pub(super) connect: &'a C,
    pub(super) cgroups: &'a Hierarchies,
    pub(super) pod: &'a PodId,
    pub(super) findings: Findings,
}

impl<C: Connect> PodCleanup<'_, C> {
    /// The lock is held throughout, and its file goes last. A dry run has none.
    pub(super) async fn run(mut self, lock: Option<PodLock>) -> CleanedPod {
        let path = self.options.folders.record(self.pod);
        let task = match Record::read(&path, self.pod) {
            Ok(Some(Stored::Known(record))) => {
                self.known(&record).await;
                Some(record.task)
            }
            Ok(Some(Stored::Newer { schema, cgroup })) => {
                self.newer(&path, schema, cgroup).await;
                None
            }
            Ok(None) => {
                // A crash before the record or after it: nothing but folders can be there.
                self.local(&[]).await;
                None
            }
            Err(error) => {
                self.findings
                    .failed(Kind::Record, path.display(), chain(&error));
                None
            }
        };
        self.account(lock).await;
        CleanedPod::of(self.pod, task, self.findings)
    }

    /// Services and pause first, so that nothing runs on half a pod; the shim serves containerd
    /// until its tasks are deleted.
    async fn known(&mut self, record: &Record) {
        self.wait_for_mesos(record).await;
        let steps = self.steps();
        let ids: Vec<String> = record.containers().map(str::to_owned).collect();
        let services = record.services.iter().map(|service| service.cgroup.clone());
        let pause = format!("{}/pause", record.cgroup.pod);
        self.kill(services.chain([pause]).collect()).await;
        self.objects(record, &ids, &steps).await;
        self.shims(record, &ids).await;
        if !self.findings.dry_run {
            // The shim, if it was not found by its words; a dry run has told of it.
            self.kill(vec![record.cgroup.pod.clone()]).await;
        }
        self.shim_leftovers(record, &ids).await;
        self.local(&steps).await;
        self.remove_cgroups(record).await;
    }

    /// Mesos destroys the container of an executor that has died: it freezes, kills and removes the
    /// same cgroups. Two at it would only make each other fail, so it goes first; but if the agent
    /// is down, nobody comes.
    async fn wait_for_mesos(&self, record: &Record) {
        let cgroup = &record.cgroup;
        let Some(base) = cgroup.base.as_ref().filter(|_| record.mesos.is_some()) else {
            return;
        };
        if self.findings.dry_run {
            return;
        }
        let deadline = Instant::now() + MESOS;
        let is_there = || self.cgroups.is_in(base, &cgroup.others).unwrap_or(false);
        while is_there() && Instant::now() < deadline {
            sleep(MESOS_LOOK).await;
        }
    }

    /// A pod of a later version: its processes must not go on without an owner, but what else
    /// there is only that version knows.
    async fn newer(&mut self, path: &Path, schema: u32, cgroup: Option<String>) {
        self.kill(cgroup.into_iter().collect()).await;
        let error = format!("schema {schema} is newer than {SCHEMA}; use a newer version");
        self.findings.failed(Kind::Record, path.display(), error);
    }

    /// What the journal adds to the record. Without it, the record has to do.
    fn steps(&self) -> Vec<Step> {
        let text = fs::read(self.options.folders.journal(self.pod)).unwrap_or_default();
        Entry::outstanding(&Entry::parse_all(&text))
    }

    async fn kill(&mut self, paths: Vec<String>) {
        for path in paths {
            let cgroups = self.cgroups.clone();
            let procs = {
                let path = path.clone();
                blocking(move || cgroups.procs(&path)).await
            };
            let cgroups = self.cgroups.clone();
            match procs {
                Ok(procs) if procs.is_empty() => {}
                Ok(procs) => {
                    let name = format!("{} in {path}", procs.len());
                    let kill = blocking(move || cgroups.kill(&path, PROCESSES));
                    self.findings.remove(Kind::Processes, name, kill).await;
                }
                Err(error) => self.findings.failed(Kind::Processes, path, chain(&error)),
            }
        }
    }

    async fn objects(&mut self, record: &Record, ids: &[String], steps: &[Step]) {
        let containerd = &record.containerd;
        let connected = self
            .connect
            .connect(&containerd.socket, &containerd.namespace)
            .await;
        let runtime = match connected {
            Ok(runtime) => runtime,
            Err(error) => {
                self.findings
                    .failed(Kind::Containerd, containerd.socket.display(), chain(&error));
                return;
            }
        };
        for object in objects(record, ids, steps) {
            match runtime.exists(&object).await {
                Ok(false) => {}
                Ok(true) => {
                    let remove = runtime.remove(&object);
                    self.findings.remove(object.kind(), &object, remove).await;
                }
                Err(error) => self.findings.failed(object.kind(), &object, chain(&error)),
            }
        }
    }

    async fn shims(&mut self, record: &Record, ids: &[String]) {
        let namespace = record.containerd.namespace.clone();
        let ids = ids.to_vec();
        let found = {
            let (namespace, ids) = (namespace.clone(), ids.clone());
            blocking(move || shims::find(&namespace, &ids)).await
        };
        for pid in found {
            let (namespace, ids) = (namespace.clone(), ids.clone());
            let kill = blocking(move || shims::kill(pid, &namespace, &ids));
            let name = format!("process {pid}");
            self.findings.remove(Kind::Shim, name, kill).await;
        }
    }

    async fn shim_leftovers(&mut self, record: &Record, ids: &[String]) {
        let state = &self.options.shim_state;
        for socket in shims::dead_sockets(state, record) {
            let remove = {
                let socket = socket.clone();
                blocking(move || gone(fs::remove_file(&socket)))
            };
            self.findings
                .remove(Kind::ShimSocket, socket.display(), remove)
                .await;
        }
        let namespace = &record.containerd.namespace;
        let found = ids
            .iter()
            .filter_map(|id| shims::runtime_state(state, namespace, id));
        for folder in found.collect::<Vec<_>>() {
            self.remove_tree(Kind::RuntimeState, folder).await;
        }
    }

    /// Mounts, the network namespace and folders.
    async fn local(&mut self, steps: &[Step]) {
        let state = self.options.folders.pod_state(self.pod);
        let elsewhere = |path: &&PathBuf| !path.starts_with(&state);
        let mounted: Vec<PathBuf> = steps
            .iter()
            .filter_map(|step| match step {
                Step::Mount { path } | Step::Netns { path } => Some(path),
                _ => None,
            })
            .filter(elsewhere)
            .cloned()
            .collect();
        for place in mounted.into_iter().rev().chain([state.clone()]) {
            self.unmount(place).await;
        }
        for step in steps {
            match step {
                Step::Netns { path } if path.exists() && elsewhere(&path) => {
                    let remove = {
                        let path = path.clone();
                        blocking(move || netns::remove(&path))
                    };
                    self.findings
                        .remove(Kind::Folder, path.display(), remove)
                        .await;
                }
                // Only below our own folders: whatever a journal says, nothing else is removed
                // with all that is in it.
                Step::Folder { path } if path.exists() && self.is_ours(path) => {
                    self.remove_tree(Kind::Folder, path.clone()).await;
                }
                _ => {}
            }
        }
        if state.exists() {
            self.remove_tree(Kind::Folder, state).await;
        }
    }

    fn is_ours(&self, path: &Path) -> bool {
        let folders = &self.options.folders;
        let below = |top: &Path| path.starts_with(top) && path != top;
        below(&folders.pod_state(self.pod)) || below(folders.root())
    }

    /// What is mounted at a place and below it, the last first.
    async fn unmount(&mut self, place: PathBuf) {
        let found = {
            let place = place.clone();
            blocking(move || mount::tops(&place)).await
        };
        match found {
            Ok(points) => {
                for point in points {
                    let unmount = {
                        let point = point.clone();
                        blocking(move || mount::unmount(&point))
                    };
                    self.findings
                        .remove(Kind::Mount, point.display(), unmount)
                        .await;
                }
            }
            Err(error) => self
                .findings
                .failed(Kind::Mount, place.display(), chain(&error)),
        }
    }

    async fn remove_tree(&mut self, kind: Kind, folder: PathBuf) {
        let remove = {
            let folder = folder.clone();
            blocking(move || tree::remove(&folder))
        };
        self.findings.remove(kind, folder.display(), remove).await;
    }

    async fn remove_cgroups(&mut self, record: &Record) {
        let cgroup = record.cgroup.clone();
        let found = {
            let (cgroups, path) = (self.cgroups.clone(), cgroup.pod.clone());
            blocking(move || cgroups.directories(&path)).await
        };
        match found {
            Ok(directories) if directories.is_empty() => {}
            Ok(_) => {
                let (cgroups, path) = (self.cgroups.clone(), cgroup.pod.clone());
                let remove = blocking(move || cgroups.remove(&path, CGROUPS));
                self.findings
                    .remove(Kind::Cgroup, &record.cgroup.pod, remove)
                    .await;
            }
            Err(error) => self
                .findings
                .failed(Kind::Cgroup, &record.cgroup.pod, chain(&error)),
        }
        if let Some(base) = cgroup.base
            && !self.findings.dry_run
        {
            let cgroups = self.cgroups.clone();
            let removed = {
                let base = base.clone();
                blocking(move || cgroups.remove_base(&base, &cgroup.others)).await
            };
            if let Err(error) = removed {
                self.findings.failed(Kind::Cgroup, base, chain(&error));
            }
        }
    }

    /// The record, unless something is left that it leads to; then the lock.
    async fn account(&mut self, lock: Option<PodLock>) {
        if self.findings.have_failed() {
            return;
        }
        let folders = self.options.folders.clone();
        let pod = self.pod.clone();
        let path = folders.pod_root(&pod);
        if path.exists() {
            let forget = blocking(move || writer::forget(&folders, &pod));
            self.findings
                .remove(Kind::Record, path.display(), forget)
                .await;
        }
        if let Some(lock) = lock
            && !self.findings.have_failed()
            && let Err(error) = lock.remove()
        {
            self.findings
                .failed(Kind::Lock, error.path.display(), chain(&error));
        }
    }
}

/// Everything of the pod in containerd, in the order in which it can go: no container with a task,
/// no snapshot that a container holds, and the lease, which holds the rest, at the end.
fn objects(record: &Record, ids: &[String], steps: &[Step]) -> Vec<Object> {
    let containerd = &record.containerd;
    let snapshot = |key: &str| Object::Snapshot {
        snapshotter: containerd.snapshotter.clone(),
        key: key.to_owned(),
    };
    let mut objects: Vec<Object> = ids.iter().cloned().map(Object::Task).collect();
    objects.extend(ids.iter().cloned().map(Object::Container));
    let services = record.services.iter();
    objects.extend(services.map(|service| snapshot(&service.container)));
    objects.push(Object::Sandbox(containerd.pause.clone()));
    for step in steps {
        let more = match step {
            Step::Container { id } => Object::Container(id.clone()),
            Step::Snapshot { key } => snapshot(key),
            Step::Image { name } => Object::Image(name.clone()),
            Step::Sandbox { id } => Object::Sandbox(id.clone()),
            Step::Lease
            | Step::Cgroup
            | Step::Netns { .. }
            | Step::Mount { .. }
            | Step::Folder { .. } => continue,
        };
        if !objects.contains(&more) {
            objects.push(more);
        }
    }
    objects.push(Object::Lease(containerd.lease.clone()));
    objects
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}
