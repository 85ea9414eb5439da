//! From a plan to running services, in order: record, lease, images, sandbox, containers.
//!
//! An order to stop is obeyed between the steps; a call to containerd is never cut off in its
//! middle, since its effect could come after all is torn down. Only the import of images, which
//! may take long, is: what it leaves is held by the pod's lease.

use std::str::FromStr;

use futures_util::future::{join_all, try_join_all};
use tracing::{debug, warn};

use super::configs;
use super::container::{self, NewContainer, Root, Running};
use super::course::Course;
use super::documents;
use super::extra_processes::ExtraProcesses;
use super::healthcheck::ServiceProbe;
use super::image_root;
use super::images::{self, PodImage};
use super::launch_error::{LaunchError, create_error};
use super::logs::ServiceLogs;
use super::pod::PodRun;
use super::report::ServiceState;
use super::runtime::OciRuntime;
use super::sandbox::{self, RunDir};
use super::storage::Storage;
use super::teardown::blocking;
use crate::containerd::{Labels, LeaseId, Runtime, SnapshotKey};
use crate::journal::Step;
use crate::logfile::Rotation;
use crate::oci::{self, ContainerInput, PauseRef, Spec};
use crate::pod::logging::LoggingPlan;
use crate::pod::plan::{ContainerPlan, SeccompPlan, Signal};
use crate::sys::fifo;

/// containerd takes 4 KiB for a label; ids of tasks have no limit.
const LABEL_MAX: usize = 512;

/// What one service's container is made of.
struct Documents {
    root: Root,
    spec: Spec,
    extras: ExtraProcesses,
}

impl PodRun {
    /// Makes the pod, all but the start of its services. After an error, what has been made is in
    /// the journal.
    pub(super) async fn launch(&mut self) -> Result<(), LaunchError> {
        let labels = self.labels();
        let lease = LeaseId::from_str(self.plan.sandbox.id.as_str())
            .expect("a container's id is an identifier");
        self.journal.intent(&Step::Lease)?;
        let host = std::sync::Arc::clone(&self.host);
        self.progress(images::described(&self.plan)).await;
        let cgroups = host.cgroups.clone();
        // The kernel makes the first move of a process into a cgroup wait: this one, which waits
        // beside the calls to containerd, and not the runtime's.
        let warm = blocking(move || cgroups.warm_up());
        let images = async {
            host.client
                .leases()
                .create(&lease, labels.clone())
                .await
                .map_err(LaunchError::Lease)?;
            tokio::select! {
                images = images::of_pod(&host.client, &lease, &host.snapshotter, &self.plan, &self.user_files) => images,
                order = self.orders.ordered() => Err(LaunchError::Stopped(order.reason)),
            }
        };
        let (warm, images) = tokio::join!(warm, images);
        if let Err(error) = warm {
            debug!(%error, "cgroups can't be warmed up");
        }
        let images = images?;
        let leased = host.client.with_lease(&lease);
        self.go_on()?;
        let containers = self.plan.containers.len();
        let declared: Vec<&[String]> = images[..containers]
            .iter()
            .map(|image| image.volumes.as_slice())
            .collect();
        self.plan.add_image_volumes(&declared);

        let run = sandbox::make(&host, &self.plan, &self.journal)?;
        self.mount_images(&leased, &images[containers..]).await?;
        self.storage = Storage::set_up(&self.plan, &self.user_files, &self.journal)?;
        configs::write(&self.plan, &run, &self.user_files, &self.journal)?;
        self.keep_logs();
        self.go_on()?;

        let probe = |(container, image): (&ContainerPlan, &PodImage)| {
            let file = container.life.healthcheck.as_ref();
            ServiceProbe::of(file, image.healthcheck.as_ref())
        };
        let services = self.plan.containers.iter();
        let probes: Vec<_> = services.zip(&images).map(probe).collect();

        // The documents are ready by the time that pause is, but for its pid.
        let documents = self.documents(&leased, &images, &probes, &run);
        let pause = sandbox::make_pause(&host, &self.plan, &self.journal, &labels);
        let (documents, pause) = tokio::join!(documents, pause);
        let (pause, runtime) = pause?;
        let pause_pid = pause.pid;
        self.pause = Some(pause);
        let documents = documents?;
        self.storage
            .pin_volumes(&self.plan, &self.user_files, &self.journal)?;
        self.go_on()?;

        self.create_all(&images, documents, &run, &runtime, pause_pid, &labels)
            .await?;
        let timings = probes.iter().map(|probe| Some(probe.as_ref()?.timing));
        let lives = self.plan.containers.iter().map(|container| &container.life);
        self.course = Course::new(lives.zip(timings), self.main, self.running_means);
        self.go_on()
    }

    /// What our objects in containerd are found by. A label of the user's or of an image's never
    /// gets here: containerd acts on some, even by running programs as root.
    fn labels(&self) -> Labels {
        let record = self.journal.record();
        let mesos = record.mesos.as_ref();
        let known = [
            ("pod", Some(record.pod.as_str())),
            ("task", Some(record.task.as_str())),
            ("framework", mesos.map(|mesos| mesos.framework.as_str())),
            ("executor", mesos.map(|mesos| mesos.executor.as_str())),
            ("container", mesos.map(|mesos| mesos.container.as_str())),
            ("boot", Some(record.maker.boot.as_str())),
        ];
        let label = |(key, value): (&str, Option<&str>)| {
            let value: String = value?.chars().take(LABEL_MAX).collect();
            Some((format!("compose-executor/{key}"), value))
        };
        let root = ("compose-executor/root".to_owned(), self.host.folders.mark());
        known.into_iter().filter_map(label).chain([root]).collect()
    }

    /// Begins the services' own logs. Where that can't be, the pod runs without: the common output
    /// has the same lines.
    fn keep_logs(&mut self) {
        let Some(path) = &self.plan.logs else {
            return;
        };
        let kept = |container: &ContainerPlan| match container.logging {
            LoggingPlan::Kept {
                max_size,
                max_files,
            } => {
                let rotation = Rotation {
                    max_size: max_size.0,
                    max_files,
                };
                Some((container.service.value.clone(), rotation))
            }
            LoggingPlan::None | LoggingPlan::Common => None,
        };
        let services: Vec<_> = self.plan.containers.iter().filter_map(kept).collect();
        let logs = self
            .user_files
            .own_folder(path)
            .map_err(std::io::Error::from)
            .and_then(|folder| ServiceLogs::start(folder, &services));
        match logs {
            Ok(logs) => self.logs.keep(logs),
            Err(error) => {
                warn!(folder = %path.display(), %error, "services have no logs of their own");
            }
        }
    }

    /// An error when an order to stop has come.
    fn go_on(&self) -> Result<(), LaunchError> {
        match self.orders.current() {
            Some(order) => Err(LaunchError::Stopped(order.reason)),
            None => Ok(()),
        }
    }

    /// Mounts the images that containers mount, read-only.
    async fn mount_images(
        &self,
        leased: &crate::containerd::Client,
        images: &[PodImage],
    ) -> Result<(), LaunchError> {
        for (plan, image) in self.plan.images.iter().zip(images) {
            let (key, path) = (plan.key.clone(), plan.path.clone());
            self.journal.intent(&Step::Snapshot { key: key.clone() })?;
            let chain = image.chain_id.to_string();
            let mounts = leased
                .snapshots(&self.host.snapshotter)
                .view(&key, &chain, Labels::new())
                .await
                .map_err(|source| LaunchError::Root {
                    service: plan.service.clone(),
                    source,
                })?;
            self.journal.intent(&Step::Mount { path: path.clone() })?;
            image_root::mount(&mounts, &path)?;
        }
        Ok(())
    }

    /// A root and a runtime document for each container.
    async fn documents(
        &self,
        leased: &crate::containerd::Client,
        images: &[PodImage],
        probes: &[Option<ServiceProbe>],
        run: &RunDir,
    ) -> Result<Vec<Documents>, LaunchError> {
        let one = async |service: usize| {
            let plan = &self.plan.containers[service];
            let image = &images[service];
            let name = || plan.service.value.clone();
            let key = plan.id.to_string();
            let chain = image.chain_id.to_string();
            self.journal.intent(&Step::Snapshot { key: key.clone() })?;
            let mounts = leased
                .snapshots(&self.host.snapshotter)
                .prepare(&key, Some(&chain), Labels::new())
                .await
                .map_err(|source| LaunchError::Root {
                    service: name(),
                    source,
                })?;
            let accounts =
                image_root::look_into(&mounts, &run.look(), plan, &image.defaults, &self.storage)?;
            let found = documents::find(plan, &self.user_files)?;
            let files = documents::files(run, service, &self.host.pause_root);
            for line in oci::lowered(plan, &self.host.facts) {
                warn!("{line}");
            }
            let input = ContainerInput {
                plan,
                sandbox: &self.plan.sandbox,
                image: &image.defaults,
                accounts: &accounts,
                files: &files,
                devices: &found.devices,
                seccomp: found.seccomp.as_ref(),
                pause: PauseRef::Unknown,
            };
            let spec = oci::container_spec(&self.host.base, &self.host.facts, &input)
                .map_err(|error| LaunchError::Spec(Box::new(error)))?;
            let process = spec
                .process()
                .as_ref()
                .expect("each container has a process");
            let probe = probes[service].as_ref();
            let extras = ExtraProcesses::of(plan, image, process, &accounts, probe)?;
            let snapshot = SnapshotKey {
                snapshotter: self.host.snapshotter.clone(),
                key,
            };
            Ok(Documents {
                root: Root { snapshot, mounts },
                spec,
                extras,
            })
        };
        try_join_all((0..self.plan.containers.len()).map(one)).await
    }

    /// Creates every container's task: its processes wait in their namespaces to be started.
    async fn create_all(
        &mut self,
        images: &[PodImage],
        documents: Vec<Documents>,
        run: &RunDir,
        runtime: &Runtime,
        pause: u32,
        labels: &Labels,
    ) -> Result<(), LaunchError> {
        let mut wanted = Vec::with_capacity(documents.len());
        for (service, documents) in documents.into_iter().enumerate() {
            let Documents {
                root,
                mut spec,
                extras,
            } = documents;
            self.extras.push(extras);
            let plan = &self.plan.containers[service];
            let runtime = plan.runtime.map_or_else(
                || runtime.clone(),
                |name| sandbox::runtime(&self.plan, name.into()),
            );
            oci::join(&mut spec, pause);
            if runtime.options.binary_name == OciRuntime::Crun.binary()
                && plan.rights.seccomp == SeccompPlan::Default
            {
                oci::attach_filter(&mut spec);
            }
            let (stdout, stderr) = (
                run.io(service).join("stdout"),
                run.io(service).join("stderr"),
            );
            // With none, the shim throws away what comes, and nobody has to read it.
            let heard = plan.logging != LoggingPlan::None;
            let stdout = heard.then_some(stdout);
            let stderr = (heard && !plan.process.tty).then_some(stderr);
            for path in stdout.iter().chain(&stderr) {
                fifo::create(path)?;
            }
            if let Some(stdout) = &stdout {
                self.logs
                    .attach(&plan.service.value, stdout, stderr.as_deref())
                    .map_err(LaunchError::Logs)?;
            }
            let id = plan.id.to_string();
            self.journal.intent(&Step::Container { id: id.clone() })?;
            let mut labels = labels.clone();
            labels.insert(
                "compose-executor/service".to_owned(),
                plan.service.value.clone(),
            );
            wanted.push(NewContainer {
                id,
                image: images[service].name.clone(),
                labels,
                runtime,
                spec: oci::to_json(&spec).to_string().into_bytes(),
                root: Some(root),
                sandbox: self
                    .host
                    .client
                    .server()
                    .has_sandboxes()
                    .then(|| self.plan.sandbox.id.to_string()),
                stdout,
                stderr,
                terminal: plan.process.tty,
            });
        }
        self.tasks = wanted.iter().map(NewContainer::task).collect();
        let create = async |new: NewContainer| container::create(&self.host.client, new).await;
        // Others join the pause container's namespaces whether its program runs yet or not.
        let pause = self.pause.as_mut().expect("it has been made");
        let start = sandbox::start_pause(&self.host, pause);
        let (created, started) = tokio::join!(join_all(wanted.into_iter().map(create)), start);
        let mut failure = started.err();
        for (service, result) in created.into_iter().enumerate() {
            let plan = &self.plan.containers[service];
            match result {
                Ok(pid) => {
                    let checked = self.host.cgroups.verify(pid, plan.cgroup.as_str());
                    failure = failure.or(checked.err().map(LaunchError::Cgroup));
                    self.containers[service] = Some(Running {
                        id: plan.id.to_string(),
                        pid,
                        state: ServiceState::NotStarted,
                        stop_signal: plan
                            .stop
                            .signal
                            .or(images[service].stop_signal)
                            .unwrap_or(Signal::TERM),
                        forced: false,
                        oom_kills_before: 0,
                    });
                }
                Err(source) => {
                    failure = failure.or(Some(create_error(&plan.service.value, source)));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }
}
