//! What a launch makes ready beside the pause container: images, storage, and the runtime documents
//! of the services, but for the pid of pause.

use futures_util::future::try_join_all;
use tracing::warn;

use super::configs;
use super::container::Root;
use super::documents;
use super::extra_processes::ExtraProcesses;
use super::healthcheck::ServiceProbe;
use super::image_root;
use super::images::{self, PodImage};
use super::launch_error::LaunchError;
use super::pod::PodRun;
use super::sandbox::RunDir;
use super::storage::Storage;
use crate::containerd::{Client, Labels, LeaseId, SnapshotKey};
use crate::journal::Step;
use crate::oci::{self, ContainerInput, PauseRef, Spec};
use crate::pod::plan::{ContainerPlan, PodPlan};

/// What one service's container is made of.
pub(super) struct Documents {
    pub(super) root: Root,
    pub(super) spec: Spec,
    pub(super) extras: ExtraProcesses,
}

/// All that containers are made of.
pub(super) struct Prepared {
    /// With the volumes that the images declare.
    pub(super) plan: PodPlan,
    pub(super) images: Vec<PodImage>,
    pub(super) storage: Storage,
    /// A healthcheck for each service that has one.
    pub(super) probes: Vec<Option<ServiceProbe>>,
    pub(super) documents: Vec<Documents>,
}

impl PodRun {
    /// Finds the images, makes the storage, and writes the documents. What has been made is in the
    /// journal.
    pub(super) async fn prepare(
        &self,
        lease: &LeaseId,
        labels: &Labels,
        run: &RunDir,
    ) -> Result<Prepared, LaunchError> {
        let host = &self.host;
        let mut plan = self.plan.clone();
        host.client
            .leases()
            .create(lease, labels.clone())
            .await
            .map_err(LaunchError::Lease)?;
        let mut orders = self.orders.clone();
        let images = tokio::select! {
            images = images::of_pod(&host.client, lease, &host.snapshotter, &plan, &self.user_files) => images?,
            order = orders.ordered() => return Err(LaunchError::Stopped(order.reason)),
        };
        let leased = host.client.with_lease(lease);
        let containers = plan.containers.len();
        let declared: Vec<&[String]> = images[..containers]
            .iter()
            .map(|image| image.volumes.as_slice())
            .collect();
        plan.add_image_volumes(&declared);

        self.mount_images(&leased, &images[containers..]).await?;
        self.mount_remote(&plan).await?;
        let storage = Storage::set_up(&plan, &self.user_files, &self.journal)?;
        configs::write(&plan, run, &self.user_files, &self.journal)?;
        self.go_on()?;

        let probe = |(container, image): (&ContainerPlan, &PodImage)| {
            let file = container.life.healthcheck.as_ref();
            ServiceProbe::of(file, image.healthcheck.as_ref())
        };
        let services = plan.containers.iter();
        let probes: Vec<_> = services.zip(&images).map(probe).collect();
        let documents = self
            .documents(&plan, &leased, &images, &storage, &probes, run)
            .await?;
        Ok(Prepared {
            plan,
            images,
            storage,
            probes,
            documents,
        })
    }

    /// Mounts the images that containers mount, read-only.
    async fn mount_images(&self, leased: &Client, images: &[PodImage]) -> Result<(), LaunchError> {
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
        pod: &PodPlan,
        leased: &Client,
        images: &[PodImage],
        storage: &Storage,
        probes: &[Option<ServiceProbe>],
        run: &RunDir,
    ) -> Result<Vec<Documents>, LaunchError> {
        let one = async |service: usize| {
            let plan = &pod.containers[service];
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
                image_root::look_into(&mounts, &run.look(), plan, &image.defaults, storage)?;
            let found = documents::find(plan, &self.user_files)?;
            let files = documents::files(run, service, &self.host.pause_root);
            for line in oci::lowered(plan, &self.host.facts) {
                warn!("{line}");
            }
            let input = ContainerInput {
                plan,
                sandbox: &pod.sandbox,
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
        try_join_all((0..pod.containers.len()).map(one)).await
    }
}
