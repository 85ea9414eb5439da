//! From a plan to running services, in order: record, lease, images, sandbox, containers.
//!
//! An order to stop is obeyed between the steps; a call to containerd is never cut off in its
//! middle, since its effect could come after all is torn down. Only the import of images, which
//! may take long, is: what it leaves is held by the pod's lease.

use std::path::PathBuf;
use std::str::FromStr;

use futures_util::future::{join_all, try_join_all};

use super::container::{self, NewContainer, Root, Running};
use super::images::{self, PodImage};
use super::pod::PodRun;
use super::report::{ServiceState, StopReason};
use super::sandbox::{self, RunDir};
use crate::compose::source::Span;
use crate::containerd::{Labels, LeaseId, RpcError, Runtime, SnapshotKey};
use crate::image::{ImageError, InvalidReference};
use crate::journal::{JournalError, Step};
use crate::network::NetworkError;
use crate::oci::{self, Accounts, ContainerFiles, ContainerInput, PauseRef, Spec, SpecError};
use crate::pod::plan::Signal;
use crate::sys::{self, beneath, cgroup, fifo};

/// containerd takes 4 KiB for a label; ids of tasks have no limit.
const LABEL_MAX: usize = 512;

/// Why a pod did not come to run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("an order to stop came during the launch")]
    Stopped(StopReason),
    #[error("the pod's record can't be written, and nothing is made without one")]
    Journal(#[from] JournalError),
    #[error("the logs can't be written")]
    Logs(#[source] std::io::Error),
    #[error("the pod's lease can't be made")]
    Lease(#[source] RpcError),
    #[error("{path} can't be written")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Kernel(#[from] sys::PathError),
    #[error("the pod's cgroups can't be made or are not kept to")]
    Cgroup(#[from] cgroup::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the pause container can't be run")]
    Sandbox(#[source] RpcError),
    #[error("service \"{service}\": its image has no name that could be")]
    ImageName {
        service: String,
        span: Span,
        source: InvalidReference,
    },
    #[error("service \"{service}\": its image can't be used")]
    Image {
        service: String,
        span: Span,
        source: Box<ImageError>,
    },
    #[error("the pod's images can't be used")]
    Images { source: Box<ImageError> },
    #[error("the archive {} can't be opened", path.display())]
    OpenArchive {
        path: PathBuf,
        source: beneath::Error,
    },
    #[error("service \"{service}\": a file it binds can't be used")]
    Bind {
        service: String,
        span: Span,
        source: beneath::Error,
    },
    #[error("the folder of volume \"{name}\" can't be made")]
    Volume {
        name: String,
        source: beneath::Error,
    },
    #[error(transparent)]
    Spec(Box<SpecError>),
    #[error("service \"{service}\": the users of its image can't be read")]
    Accounts {
        service: String,
        source: oci::UserError,
    },
    #[error("service \"{service}\": its root file system can't be made")]
    Root { service: String, source: RpcError },
    #[error("service \"{service}\": its command \"{command}\" can't be run: {why}")]
    Command {
        service: String,
        command: String,
        why: &'static str,
        source: Box<RpcError>,
    },
    #[error("service \"{service}\" can't be created")]
    Create { service: String, source: RpcError },
    #[error("service \"{service}\" can't be started")]
    Start { service: String, source: RpcError },
}

impl LaunchError {
    /// The code that stands before the message of a status.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "CE-KILLED",
            Self::Journal(_) => "CE-LAUNCH-JOURNAL",
            Self::ImageName { .. }
            | Self::Image { .. }
            | Self::Images { .. }
            | Self::OpenArchive { .. } => "CE-IMAGE",
            Self::Bind { .. } | Self::Spec(_) | Self::Accounts { .. } => "CE-SPEC",
            Self::Command { .. } => "CE-LAUNCH-EXEC",
            _ => "CE-LAUNCH",
        }
    }

    /// The service that is to blame, where it is one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::ImageName { service, .. }
            | Self::Image { service, .. }
            | Self::Bind { service, .. }
            | Self::Accounts { service, .. }
            | Self::Root { service, .. }
            | Self::Command { service, .. }
            | Self::Create { service, .. }
            | Self::Start { service, .. } => Some(service),
            _ => None,
        }
    }

    /// Whether the task's own files are to be mended, and not the host.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Images { source } | Self::Image { source, .. } => source.is_users(),
            Self::ImageName { .. }
            | Self::OpenArchive { .. }
            | Self::Bind { .. }
            | Self::Spec(_)
            | Self::Accounts { .. }
            | Self::Command { .. } => true,
            _ => false,
        }
    }
}

impl PodRun {
    /// Brings the pod up. After an error, what has been made is in the journal.
    pub(super) async fn launch(&mut self) -> Result<(), LaunchError> {
        let labels = self.labels();
        let lease = LeaseId::from_str(self.plan.sandbox.id.as_str())
            .expect("a container's id is an identifier");
        self.journal.intent(&Step::Lease)?;
        let host = std::sync::Arc::clone(&self.host);
        host.client
            .leases()
            .create(&lease, labels.clone())
            .await
            .map_err(LaunchError::Lease)?;
        let leased = host.client.with_lease(&lease);

        let images = tokio::select! {
            images = images::of_pod(&host.client, &lease, &host.snapshotter, &self.plan, &self.user_files) => images?,
            order = self.orders.ordered() => return Err(LaunchError::Stopped(order.reason)),
        };
        self.go_on()?;

        let run = sandbox::make(&host, &self.plan, &self.journal)?;
        sandbox::pin(&self.plan, &self.user_files, &self.journal)?;
        self.go_on()?;

        // The documents are ready by the time that pause is, but for its pid.
        let documents = self.documents(&leased, &images, &run);
        let pause = sandbox::start_pause(&host, &self.plan, &self.journal, &labels);
        let (documents, pause) = tokio::join!(documents, pause);
        let (pause, runtime) = pause?;
        let pause_pid = pause.pid;
        self.pause = Some(pause);
        let documents = documents?;
        self.go_on()?;

        self.create_all(&images, documents, &run, &runtime, pause_pid, &labels)
            .await?;
        self.start_all().await
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

    /// An error when an order to stop has come.
    fn go_on(&self) -> Result<(), LaunchError> {
        match self.orders.current() {
            Some(order) => Err(LaunchError::Stopped(order.reason)),
            None => Ok(()),
        }
    }

    /// A root and a runtime document for each container.
    async fn documents(
        &self,
        leased: &crate::containerd::Client,
        images: &[PodImage],
        run: &RunDir,
    ) -> Result<Vec<(Root, Spec)>, LaunchError> {
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
            let accounts = accounts(&mounts, run).map_err(|error| match error {
                AccountsError::Kernel(source) => LaunchError::Kernel(source),
                AccountsError::Users(source) => LaunchError::Accounts {
                    service: name(),
                    source,
                },
            })?;
            let folder = run.files(service);
            let files = ContainerFiles {
                shm: run.shm(),
                hosts: folder.join("hosts"),
                hostname: folder.join("hostname"),
                resolv_conf: folder.join("resolv.conf"),
            };
            let input = ContainerInput {
                plan,
                sandbox: &self.plan.sandbox,
                image: &image.defaults,
                accounts: &accounts,
                files: &files,
                pause: PauseRef::Unknown,
            };
            let spec = oci::container_spec(&self.host.base, &self.host.facts, &input)
                .map_err(|error| LaunchError::Spec(Box::new(error)))?;
            let snapshot = SnapshotKey {
                snapshotter: self.host.snapshotter.clone(),
                key,
            };
            Ok((Root { snapshot, mounts }, spec))
        };
        try_join_all((0..self.plan.containers.len()).map(one)).await
    }

    /// Creates every container's task: its processes wait in their namespaces to be started.
    async fn create_all(
        &mut self,
        images: &[PodImage],
        documents: Vec<(Root, Spec)>,
        run: &RunDir,
        runtime: &Runtime,
        pause: u32,
        labels: &Labels,
    ) -> Result<(), LaunchError> {
        let mut wanted = Vec::with_capacity(documents.len());
        for (service, (root, mut spec)) in documents.into_iter().enumerate() {
            let plan = &self.plan.containers[service];
            oci::join(&mut spec, pause);
            let (stdout, stderr) = (
                run.io(service).join("stdout"),
                run.io(service).join("stderr"),
            );
            let stderr = (!plan.process.tty).then_some(stderr);
            fifo::create(&stdout)?;
            stderr.as_deref().map(fifo::create).transpose()?;
            self.logs
                .attach(&plan.service.value, &stdout, stderr.as_deref())
                .map_err(LaunchError::Logs)?;
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
                runtime: runtime.clone(),
                spec: oci::to_json(&spec).to_string().into_bytes(),
                root: Some(root),
                sandbox: self
                    .host
                    .client
                    .server()
                    .has_sandboxes()
                    .then(|| self.plan.sandbox.id.to_string()),
                stdout: Some(stdout),
                stderr,
                terminal: plan.process.tty,
            });
        }
        let create = async |new: NewContainer| container::create(&self.host.client, new).await;
        let created = join_all(wanted.into_iter().map(create)).await;
        let mut failure = None;
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
                    });
                }
                Err(source) => {
                    failure = failure.or(Some(create_error(&plan.service.value, source)));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// Starts the levels one after the other, and the services of a level at once.
    async fn start_all(&mut self) -> Result<(), LaunchError> {
        for level in self.plan.order.levels.clone() {
            self.go_on()?;
            let client = self.host.client.clone();
            let starting = self
                .containers
                .iter_mut()
                .enumerate()
                .filter(|(i, _)| level.contains(i));
            let start = starting
                .filter_map(|(i, container)| Some((i, container.as_mut()?)))
                .map(|(i, container)| {
                    let client = &client;
                    async move { container.start(client).await.map_err(|source| (i, source)) }
                });
            if let Err((i, source)) = try_join_all(start).await {
                return Err(start_error(&self.plan.containers[i].service.value, source));
            }
        }
        Ok(())
    }
}

enum AccountsError {
    Kernel(sys::PathError),
    Users(oci::UserError),
}

/// The users and groups of an image, from its own files. None there is no error: numbers do.
fn accounts(mounts: &[crate::containerd::Mount], run: &RunDir) -> Result<Accounts, AccountsError> {
    let mounts: Vec<sys::mountns::Mount> = mounts
        .iter()
        .map(|mount| sys::mountns::Mount {
            kind: mount.kind.clone(),
            source: mount.source.clone().into(),
            options: mount.options.clone(),
        })
        .collect();
    let limit = Accounts::MAX_BYTES as u64;
    let (passwd, group) = sys::mountns::look_into(&mounts, &run.look(), |root| {
        let read = |name: &str| {
            let root = beneath::Folder::open_root(root).ok()?;
            root.read(std::path::Path::new(name), limit).ok()
        };
        (
            read("etc/passwd").unwrap_or_default(),
            read("etc/group").unwrap_or_default(),
        )
    })
    .map_err(AccountsError::Kernel)?;
    Accounts::parse(&passwd, &group).map_err(AccountsError::Users)
}

/// Runtimes tell a command that can't be run in their own words, with the command in quotes.
fn create_error(service: &str, source: RpcError) -> LaunchError {
    command_error(service, source).unwrap_or_else(|source| LaunchError::Create {
        service: service.to_owned(),
        source,
    })
}

/// crun looks for the command when it starts the container.
fn start_error(service: &str, source: RpcError) -> LaunchError {
    command_error(service, source).unwrap_or_else(|source| LaunchError::Start {
        service: service.to_owned(),
        source,
    })
}

fn command_error(service: &str, source: RpcError) -> Result<LaunchError, RpcError> {
    let said = &source.message;
    let why = if said.contains("executable file not found in $PATH")
        || said.contains("executable file `")
    {
        "it is not in the image"
    } else if said.contains("exec") && said.contains("no such file or directory") {
        "it is not in the image, or what it needs to run is not"
    } else if said.contains("exec") && said.contains("permission denied") {
        "it is not executable"
    } else if said.contains("exec format error") {
        "it was built for another kind of machine"
    } else {
        return Err(source);
    };
    let quoted = |quote: char| {
        let after = said.split("exec").nth(1).or(Some(said))?;
        let mut parts = after.split(quote);
        parts.nth(1).map(str::to_owned)
    };
    let command = quoted('"').or_else(|| quoted('`')).unwrap_or_default();
    Ok(LaunchError::Command {
        service: service.to_owned(),
        command,
        why,
        source: Box::new(source),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::Code;

    fn told(message: &str) -> LaunchError {
        let error = RpcError {
            call: "Tasks.Create",
            subject: "web".to_owned(),
            code: Code::Unknown,
            message: message.to_owned(),
        };
        create_error("web", error)
    }

    #[test]
    fn a_missing_command_is_told_by_its_name() {
        let runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown";
        let crun = "failed to create shim task: OCI runtime create failed: executable file `nope` not found in $PATH: No such file or directory: unknown";
        for text in [runc, crun] {
            let error = told(text);
            assert!(
                matches!(&error, LaunchError::Command { command, .. } if command == "nope"),
                "{error}"
            );
            assert_eq!(error.code(), "CE-LAUNCH-EXEC");
        }
    }

    #[test]
    fn other_words_are_passed_on() {
        assert!(matches!(
            told("failed to create shim task: no space left on device"),
            LaunchError::Create { .. }
        ));
    }
}
