//! What is known of a plan's images without importing any: what `plan` shows of them.
//!
//! What they say of their containers is read from the plan's archives and from containerd's images.
//! Their users are in their files: those of an image that is unpacked here, by an earlier pod or by
//! `image load`, are looked up as a launch does it, in a snapshot that is gone when this returns.

use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use tracing::{debug, warn};

use super::image_root;
use super::images;
use super::launch_error::LaunchError;
use super::user_files::UserFiles;
use crate::containerd::{Client, Labels, LeaseId, RpcError, rfc3339};
use crate::image::{Archive, ChainId, ImageConfig, ImageRef, ImageStore, Platform};
use crate::oci::Accounts;
use crate::pod::plan::{ContainerPlan, PodPlan};

/// Where an image is mounted, for one thread alone: it hides what everybody else sees there.
const PLACE: &str = "/run";
/// containerd takes away what a killed look has left.
const LEASE_LIFE: Duration = Duration::from_mins(10);
const EXPIRES: &str = "containerd.io/gc.expire";

/// A containerd to ask for images.
#[derive(Clone, Debug)]
pub struct Stock {
    pub client: Client,
    pub snapshotter: String,
}

/// One service's image.
#[derive(Debug, Default)]
pub(super) struct KnownImage {
    pub(super) config: Option<ImageConfig>,
    pub(super) accounts: Option<Accounts>,
    /// Why one of them is not known, for people.
    pub(super) unknown: Option<String>,
}

/// The image of each service, in the plan's order. An image that is not here is no error, since it
/// may come yet; one that can't be used is.
pub(super) async fn of_plan(
    plan: &PodPlan,
    files: &UserFiles,
    stock: Option<&Stock>,
) -> Vec<Result<KnownImage, LaunchError>> {
    let archives = images::archives(plan, files).await;
    let mut known = Vec::with_capacity(plan.containers.len());
    let Some(stock) = stock else {
        for container in &plan.containers {
            known.push(Ok(archived(container, &archives)));
        }
        return known;
    };
    let look = Look::new(plan, stock);
    let leased = look.begin().await;
    for (service, container) in plan.containers.iter().enumerate() {
        let image = match &leased {
            Ok(()) => look.image(service, container, &archives).await,
            Err(error) => Ok(KnownImage {
                unknown: Some(error.to_string()),
                ..archived(container, &archives)
            }),
        };
        known.push(image);
    }
    look.end().await;
    known
}

fn archived(container: &ContainerPlan, archives: &[Archive]) -> KnownImage {
    let name = container.image.parse::<ImageRef>().ok();
    let found = |name: ImageRef| {
        let mut archives = archives.iter();
        archives.find_map(|archive| archive.config(&name, &Platform::host()))
    };
    KnownImage {
        config: name.and_then(found),
        accounts: None,
        unknown: Some("no containerd answers".to_owned()),
    }
}

/// A look into images, under a lease that holds what it needs.
#[derive(Debug)]
struct Look<'a> {
    /// Under the lease.
    client: Client,
    lease: LeaseId,
    stock: &'a Stock,
}

impl<'a> Look<'a> {
    fn new(plan: &PodPlan, stock: &'a Stock) -> Self {
        let name = format!("plan-{}-{}", plan.id, std::process::id());
        let lease = LeaseId::from_str(&name).expect("an id and a number are an identifier");
        Self {
            client: stock.client.with_lease(&lease),
            lease,
            stock,
        }
    }

    async fn begin(&self) -> Result<(), RpcError> {
        self.stock.client.namespaces().ensure().await?;
        let expires = rfc3339(SystemTime::now() + LEASE_LIFE);
        let labels = Labels::from([(EXPIRES.to_owned(), expires)]);
        self.stock.client.leases().create(&self.lease, labels).await
    }

    async fn end(&self) {
        if let Err(error) = self.stock.client.leases().delete(&self.lease).await {
            debug!(%error, "the lease of a look into images expires by itself");
        }
    }

    async fn image(
        &self,
        service: usize,
        plan: &ContainerPlan,
        archives: &[Archive],
    ) -> Result<KnownImage, LaunchError> {
        let of_service = |source| LaunchError::Image {
            service: plan.service.value.clone(),
            span: plan.image.span,
            source: Box::new(source),
        };
        let Ok(name) = plan.image.parse::<ImageRef>() else {
            // The obstacles have it.
            return Ok(KnownImage::default());
        };
        let store = ImageStore::new(&self.client, &self.lease, Platform::host());
        let config = store.config(&name, archives).await.map_err(of_service)?;
        let Some(config) = config else {
            return Ok(KnownImage {
                unknown: Some("the image is neither in an archive nor in containerd".to_owned()),
                ..KnownImage::default()
            });
        };
        let (accounts, unknown) = match self.accounts(service, plan, &config).await {
            Ok(Some(accounts)) => (Some(accounts), None),
            Ok(None) => (None, Some("the image is not unpacked here yet".to_owned())),
            Err(error) if error.is_users() => return Err(error),
            Err(error) => {
                debug!(%error, "an image can't be looked into");
                (
                    None,
                    Some(format!("the image can't be looked into: {error}")),
                )
            }
        };
        Ok(KnownImage {
            config: Some(config),
            accounts,
            unknown,
        })
    }

    /// The image's users, and whether its links leave mounts and processes where they may be; none
    /// where it is not unpacked.
    async fn accounts(
        &self,
        service: usize,
        plan: &ContainerPlan,
        config: &ImageConfig,
    ) -> Result<Option<Accounts>, LaunchError> {
        let failed = |source| LaunchError::Root {
            service: plan.service.value.clone(),
            source,
        };
        let Some(chain) = ChainId::of_all(&config.diff_ids) else {
            return Ok(None);
        };
        let chain = chain.to_string();
        let snapshots = self.client.snapshots(&self.stock.snapshotter);
        if snapshots.stat(&chain).await.map_err(failed)?.is_none() {
            return Ok(None);
        }
        let key = format!("{}/{service}", self.lease);
        let view = snapshots.view(&key, &chain, Labels::new()).await;
        let mounts = view.map_err(failed)?;
        let defaults = images::defaults(config.clone());
        let looked = image_root::look_only(&mounts, Path::new(PLACE), plan, &defaults);
        if let Err(error) = snapshots.remove(&key).await {
            warn!(%error, "a snapshot stays until its lease expires");
        }
        looked.map(Some)
    }
}
