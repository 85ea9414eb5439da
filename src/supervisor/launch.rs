//! From a plan to running services, in order: record; the sandbox with its pause container, and
//! beside it all that the services' containers are made of ([`super::prepare`]); containers.
//!
//! An order to stop is obeyed between the steps; a call to containerd is never cut off in its
//! middle, since its effect could come after all is torn down. Only the import of images, which
//! may take long, is: what it leaves is held by the pod's lease.

use std::str::FromStr;

use tracing::warn;

use super::container::{NewContainer, Running};
use super::course::Course;
use super::images::{self, PodImage};
use super::launch_error::LaunchError;
use super::logs::ServiceLogs;
use super::pod::PodRun;
use super::prepare::{Documents, Prepared};
use super::runtime::OciRuntime;
use super::runtime_program::RuntimePrograms;
use super::sandbox::{self, RunDir};
use super::warmth;
use crate::containerd::{Labels, LeaseId};
use crate::journal::Step;
use crate::logfile::Rotation;
use crate::network;
use crate::oci::{self, SeccompFilters};
use crate::pod::logging::LoggingPlan;
use crate::pod::plan::{ContainerPlan, SeccompPlan};
use crate::sys::fifo;

/// containerd takes 4 KiB for a label; ids of tasks have no limit.
const LABEL_MAX: usize = 512;

impl PodRun {
    /// Makes the pod, and begins to start it. After an error, what has been made is in
    /// the journal.
    pub(super) async fn launch(&mut self) -> Result<(), LaunchError> {
        let labels = self.labels();
        let lease = LeaseId::from_str(self.plan.sandbox.id.as_str())
            .expect("a container's id is an identifier");
        self.journal.intent(&Step::Lease)?;
        let host = std::sync::Arc::clone(&self.host);
        self.progress(images::described(&self.plan)).await;
        let run = sandbox::make(&host, &self.plan, &self.journal)?;
        if self.plan.containers.iter().any(|it| it.rights.privileged) {
            self.sys = network::writable_sys(&self.plan.sandbox.network)?;
        }
        let crun = host.crun_for(&self.plan);
        self.programs = RuntimePrograms::place(crun, &run, &self.journal)?;
        let programs = self.programs.clone();
        let pause = sandbox::make_pause(&host, &self.plan, &self.journal, &labels, &programs);
        let pause = warmth::beside(&host, pause);
        let prepared = self.prepare(&lease, &labels, &run);
        let (pause, prepared) = tokio::join!(pause, prepared);
        // Whatever else went wrong, pause is there to be taken away.
        let pause = pause.map(|(pause, runtime)| (self.pause.insert(pause).pid, runtime));
        if let Ok((pid, _)) = pause {
            let (id, cgroup) = (
                self.plan.sandbox.id.to_string(),
                self.plan.sandbox.cgroup.pause(),
            );
            self.watch(&id, pid, &cgroup);
        }
        let Prepared {
            plan,
            images,
            storage,
            probes,
            documents,
        } = prepared?;
        let (pause_pid, runtime) = pause?;
        self.exits.subscribed().await.map_err(LaunchError::Events)?;
        self.plan = plan;
        self.storage = storage;
        self.keep_logs();
        self.storage
            .pin_volumes(&self.plan, &self.user_files, &self.journal)?;
        self.go_on()?;

        let timings = probes.iter().map(|probe| Some(probe.as_ref()?.timing));
        let lives = self.plan.containers.iter().map(|container| &container.life);
        self.course = Course::new(lives.zip(timings), self.main, self.running_means);
        let wanted = self.wanted(&images, documents, &run, runtime, pause_pid, &labels)?;
        self.tasks = wanted.iter().map(NewContainer::task).collect();

        // Others join the pause container's namespaces whether its program runs yet or not.
        let id = self.plan.sandbox.id.to_string();
        let start = sandbox::start_pause(&host, &id, pause_pid);
        let created = warmth::beside(&host, self.create_all(wanted, &images));
        let (started, created) = tokio::join!(start, created);
        if started.is_ok() {
            self.pause.iter_mut().for_each(Running::started);
        }
        created?;
        started?;
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
    pub(super) fn go_on(&self) -> Result<(), LaunchError> {
        match self.orders.current() {
            Some(order) => Err(LaunchError::Stopped(order.reason)),
            None => Ok(()),
        }
    }

    /// What containerd is told to make each service of.
    fn wanted(
        &mut self,
        images: &[PodImage],
        documents: Vec<Documents>,
        run: &RunDir,
        runtime: OciRuntime,
        pause: u32,
        labels: &Labels,
    ) -> Result<Vec<NewContainer>, LaunchError> {
        let mut filters = SeccompFilters::default();
        let mut wanted = Vec::with_capacity(documents.len());
        for (service, documents) in documents.into_iter().enumerate() {
            let Documents {
                root,
                mut spec,
                extras,
            } = documents;
            self.extras.push(extras);
            let plan = &self.plan.containers[service];
            let program = plan.runtime.map_or(runtime, OciRuntime::from);
            oci::join(&mut spec, pause);
            if program == OciRuntime::Crun && plan.rights.seccomp == SeccompPlan::Default {
                filters.attach(&mut spec);
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
                runtime: self
                    .host
                    .service_runtime(sandbox::shim_options(&self.plan, self.programs.of(program))),
                spec,
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
        Ok(wanted)
    }
}
