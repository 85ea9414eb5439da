//! The images of a pod: found by their names, in its own archives first, and unpacked.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::Path;

use tracing::warn;

use super::launch_error::LaunchError;
use super::user_files::UserFiles;
use crate::compose::source::Spanned;
use crate::containerd::{Client, LeaseId};
use crate::image::{
    Archive, ChainId, Digest, FoundImage, ImageConfig, ImageError, ImageHealthcheck, ImageRef,
    ImageStore, Importer, Limits, Platform, Source, Unpacker,
};
use crate::oci::ImageDefaults;
use crate::pod::plan::{PodPlan, Signal};
use crate::sys::beneath::Kind;

/// One container's image, ready to be the parent of its root.
#[derive(Clone, Debug)]
pub(super) struct PodImage {
    /// As containerd's lists show it.
    pub(super) name: String,
    pub(super) chain_id: ChainId,
    pub(super) defaults: ImageDefaults,
    pub(super) stop_signal: Option<Signal>,
    pub(super) healthcheck: Option<ImageHealthcheck>,
    /// Paths that it declares to be volumes.
    pub(super) volumes: Vec<String>,
}

/// The image of each container, in the plan's order, then those that containers mount. All that is
/// made is held by the lease.
pub(super) async fn of_pod(
    client: &Client,
    lease: &LeaseId,
    snapshotter: &str,
    plan: &PodPlan,
    files: &UserFiles,
) -> Result<Vec<PodImage>, LaunchError> {
    let named = named(plan);
    let mut wanted = Vec::with_capacity(named.len());
    for (service, image) in &named {
        let parsed = image.parse::<ImageRef>();
        wanted.push(parsed.map_err(|source| LaunchError::ImageName {
            service: (*service).to_owned(),
            span: image.span,
            source,
        })?);
    }
    let mut archives = Vec::with_capacity(plan.archives.len());
    for path in &plan.archives {
        archives.push(open(path, files).await?);
    }
    let store = ImageStore::new(client, lease, Platform::host());
    let found = store
        .resolve(&wanted, &archives)
        .await
        .map_err(|source| blame(&named, &wanted, source))?;

    let layers = Unpacker::with_snapshotter(client, lease, snapshotter.to_owned());
    let mut unpacked: HashMap<Digest, PodImage> = HashMap::new();
    let mut images = Vec::with_capacity(found.len());
    for ((named, name), FoundImage { manifest, .. }) in named.iter().zip(&wanted).zip(found) {
        let image = match unpacked.entry(manifest) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let image = layers.unpack(manifest).await;
                let image = image.map_err(|source| of_service(*named, source))?;
                new.insert(PodImage {
                    name: name.stored_name(),
                    chain_id: image.chain_id,
                    stop_signal: image.config.stop_signal.as_deref().and_then(Signal::parse),
                    healthcheck: image.config.healthcheck.clone(),
                    volumes: image.config.volumes.clone(),
                    defaults: defaults(image.config),
                })
            }
        };
        images.push(PodImage {
            name: name.stored_name(),
            ..image.clone()
        });
    }
    Ok(images)
}

/// The images that a pod wants, each once, for people.
pub(super) fn described(plan: &PodPlan) -> String {
    let mut names: Vec<&str> = Vec::new();
    for container in &plan.containers {
        if !names.contains(&container.image.value.as_str()) {
            names.push(&container.image.value);
        }
    }
    format!("preparing the images: {}", names.join(", "))
}

/// A service, and an image that it runs or mounts.
type Named<'a> = (&'a str, &'a Spanned<String>);

fn named(plan: &PodPlan) -> Vec<Named<'_>> {
    let run = plan.containers.iter();
    let run = run.map(|it| (it.service.value.as_str(), &it.image));
    let mounted = plan
        .images
        .iter()
        .map(|it| (it.service.as_str(), &it.image));
    run.chain(mounted).collect()
}

/// The plan's archives, as far as they can be read: what is wrong with one is for the launch to
/// tell.
pub(super) async fn archives(plan: &PodPlan, files: &UserFiles) -> Vec<Archive> {
    let mut archives = Vec::with_capacity(plan.archives.len());
    for path in &plan.archives {
        match open(path, files).await {
            Ok(archive) => archives.push(archive),
            Err(error) => warn!(%error, "an archive can't be read"),
        }
    }
    archives
}

/// Throws away what an import that was given up had begun to write.
pub(super) async fn abort_imports(client: &Client, lease: &LeaseId) -> Result<(), ImageError> {
    Importer::new(client, lease, Platform::host())
        .abort_ingests()
        .await
}

async fn open(path: &Path, files: &UserFiles) -> Result<Archive, LaunchError> {
    let failed = |source| LaunchError::OpenArchive {
        path: path.to_owned(),
        source,
    };
    let source = match files.entry(path).map_err(failed)?.kind() {
        Kind::Folder => {
            let folder = files.folder(path).map_err(failed)?;
            Source::Folder(Box::new(
                move |name: &str| Ok(folder.file(Path::new(name))?),
            ))
        }
        _ => Source::Tar(files.file(path).map_err(failed)?),
    };
    Archive::read(&path.display().to_string(), source, Limits::default())
        .await
        .map_err(|source| LaunchError::Images {
            source: Box::new(source),
        })
}

/// An error about a name is about the service that names it.
fn blame(services: &[Named<'_>], wanted: &[ImageRef], error: ImageError) -> LaunchError {
    let named = match &error {
        ImageError::NotFound { wanted, .. } => Some(wanted),
        ImageError::WrongPlatform { image, .. } => Some(image),
        _ => None,
    };
    let service = named.and_then(|named| wanted.iter().position(|name| name.familiar() == *named));
    match service {
        Some(service) => of_service(services[service], error),
        None => LaunchError::Images {
            source: Box::new(error),
        },
    }
}

fn of_service((service, image): Named<'_>, source: ImageError) -> LaunchError {
    LaunchError::Image {
        service: service.to_owned(),
        span: image.span,
        source: Box::new(source),
    }
}

pub(super) fn defaults(config: ImageConfig) -> ImageDefaults {
    ImageDefaults {
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        env: config.env,
        user: config.user,
        working_dir: config.working_dir,
    }
}
