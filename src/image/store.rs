//! Which image a name means, for one pod.
//!
//! The names in a pod's archives are the pod's alone: no image object is made of them, and their
//! blobs and snapshots are held by the pod's lease. Names for all are containerd's image objects,
//! which the operator makes with [`load`](ImageStore::load), and pulls. The pod's own come first:
//! its owner chose them, and nobody else sees them.

use std::time::SystemTime;

use super::archive::{Archive, ArchivedImage};
use super::config::ImageConfig;
use super::digest::Digest;
use super::error::{HeldNames, ImageError};
use super::import::{ImportedImage, Importer};
use super::manifest::{self, Index, Kind, MAX_DOCUMENT, Manifest};
use super::nearness::nearest_first;
use super::platform::Platform;
use super::reference::ImageRef;
use super::unpack::{UnpackedImage, Unpacker};
use crate::containerd::{Client, ImageRecord, LeaseId};

/// Finds images, under a lease.
#[derive(Clone, Debug)]
pub struct ImageStore {
    client: Client,
    lease: LeaseId,
    platform: Platform,
}

/// An image whose blobs are in the content store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundImage {
    /// The manifest for the platform: what is [unpacked](Unpacker::unpack).
    pub manifest: Digest,
    pub origin: Origin,
}

/// Where an image was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In an archive of the pod's, by the name that messages call it.
    Archive(String),
    /// Among the names for all.
    Loaded,
}

/// An image that was loaded for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadedImage {
    /// Empty if the archive gives it no name: then it is gone when the lease is.
    pub names: Vec<ImageRef>,
    pub unpacked: UnpackedImage,
}

/// A name for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredImage {
    pub name: String,
    /// Of the manifest, or of the index over several.
    pub digest: String,
    pub created_at: Option<SystemTime>,
}

impl ImageStore {
    /// The lease must exist. It holds what is found in archives; what is found among the names for
    /// all is held from its unpacking on.
    pub fn new(client: &Client, lease: &LeaseId, platform: Platform) -> Self {
        Self {
            client: client.with_lease(lease),
            lease: lease.clone(),
            platform,
        }
    }

    /// Finds every image that a pod wants, and imports those that are in its archives. Each archive
    /// is read once. The answer is in the order of the names.
    ///
    /// # Errors
    /// [`ImageError::NotFound`] or [`ImageError::WrongPlatform`] for the first name that can't be
    /// had, in its [familiar](ImageRef::familiar) form, before anything has been imported.
    pub async fn resolve(
        &self,
        wanted: &[ImageRef],
        archives: &[Archive],
    ) -> Result<Vec<FoundImage>, ImageError> {
        let mut places = Vec::new();
        for name in wanted {
            places.push(self.find(name, archives).await?);
        }
        let mut found = vec![None; places.len()];
        for archive in archives {
            let here = places.iter().zip(&mut found);
            let (images, answers): (Vec<_>, Vec<_>) = here
                .filter_map(|(place, answer)| Some((place.image_in(archive)?, answer)))
                .unzip();
            if images.is_empty() {
                continue;
            }
            let imported = self.importer().import_these(archive, &images).await?;
            for (image, answer) in imported.into_iter().zip(answers) {
                *answer = Some(FoundImage {
                    manifest: image.manifest,
                    origin: Origin::Archive(archive.name().to_owned()),
                });
            }
        }
        for (place, answer) in places.iter().zip(&mut found) {
            if let Place::Loaded(manifest) = place {
                *answer = Some(FoundImage {
                    manifest: *manifest,
                    origin: Origin::Loaded,
                });
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// Those names that mean nothing here yet: what would have to be pulled.
    pub async fn missing(
        &self,
        wanted: &[ImageRef],
        archives: &[Archive],
    ) -> Result<Vec<ImageRef>, ImageError> {
        let mut missing = Vec::new();
        for name in wanted {
            match self.find(name, archives).await {
                Ok(_) => {}
                Err(ImageError::NotFound { .. }) => missing.push(name.clone()),
                Err(error) => return Err(error),
            }
        }
        Ok(missing)
    }

    /// What an image says of its containers, with nothing imported; none where nobody has it.
    ///
    /// # Errors
    /// [`ImageError::WrongPlatform`], and what is wrong with its documents.
    pub async fn config(
        &self,
        wanted: &ImageRef,
        archives: &[Archive],
    ) -> Result<Option<ImageConfig>, ImageError> {
        let (digest, json) = match self.find(wanted, archives).await {
            Ok(Place::Archived { image, .. }) => {
                let Some(variant) = image.variant(&self.platform) else {
                    return Ok(None);
                };
                (variant.config.digest, variant.config.bytes.clone())
            }
            Ok(Place::Loaded(manifest)) => {
                let content = self.client.content();
                let json = content.read(&manifest.to_string(), MAX_DOCUMENT).await?;
                let parsed = Manifest::parse(&json).map_err(|source| ImageError::Document {
                    digest: manifest,
                    source,
                })?;
                let config = parsed.config.digest;
                let json = content.read(&config.to_string(), MAX_DOCUMENT).await?;
                (config, json)
            }
            Err(ImageError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let config = ImageConfig::parse(&json).map_err(|error| ImageError::Document {
            digest,
            source: error.into(),
        })?;
        Ok(Some(config))
    }

    /// Makes the images of an archive names for all, unpacked. A name that is there moves.
    pub async fn load(
        &self,
        archive: &Archive,
        unpacker: &Unpacker,
    ) -> Result<Vec<LoadedImage>, ImageError> {
        let mut loaded = Vec::new();
        for image in self.importer().import(archive).await? {
            let ready = unpacker.unpack(image.manifest).await?;
            self.publish(&image).await?;
            loaded.push(LoadedImage {
                names: image.names,
                unpacked: ready,
            });
        }
        Ok(loaded)
    }

    /// The names for all, sorted.
    pub async fn list(&self) -> Result<Vec<StoredImage>, ImageError> {
        let images = self.client.images().list(&[]).await?;
        let mut images: Vec<_> = images
            .into_iter()
            .map(|image| StoredImage {
                name: image.name,
                digest: image.target.digest,
                created_at: image.created_at,
            })
            .collect();
        images.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(images)
    }

    fn importer(&self) -> Importer {
        Importer::new(&self.client, &self.lease, self.platform.clone())
    }

    async fn publish(&self, image: &ImportedImage) -> Result<(), ImageError> {
        for name in &image.names {
            let record = ImageRecord {
                name: name.stored_name(),
                target: image.target.clone(),
                ..ImageRecord::default()
            };
            let images = self.client.images();
            match images.create(record.clone()).await {
                Err(error) if error.is_already_exists() => images.update(record).await?,
                created => created?,
            }
        }
        Ok(())
    }

    async fn find<'a>(
        &self,
        wanted: &ImageRef,
        archives: &'a [Archive],
    ) -> Result<Place<'a>, ImageError> {
        for archive in archives {
            let Some(image) = self.pick(wanted, archive.images()) else {
                continue;
            };
            if image.variant(&self.platform).is_none() {
                let present = image.platforms().cloned().collect();
                return Err(self.wrong_platform(wanted, present));
            }
            return Ok(Place::Archived { archive, image });
        }
        if let Some(record) = self.stored(wanted).await? {
            return Ok(Place::Loaded(self.manifest(wanted, record).await?));
        }
        let names =
            archives
                .iter()
                .flat_map(Archive::images)
                .flat_map(|image| match image.names() {
                    [] => vec![image.title()],
                    names => names.iter().map(ImageRef::familiar).collect(),
                });
        Err(ImageError::NotFound {
            wanted: wanted.familiar(),
            held: HeldNames(nearest_first(&wanted.familiar(), names.collect())),
        })
    }

    /// The image of a name in an archive: one for our platform, if there is one.
    fn pick<'a>(
        &self,
        wanted: &ImageRef,
        images: &'a [ArchivedImage],
    ) -> Option<&'a ArchivedImage> {
        let mut named = images.iter().filter(|image| is(image, wanted)).peekable();
        let first = named.peek().copied();
        named
            .find(|image| image.variant(&self.platform).is_some())
            .or(first)
    }

    fn wrong_platform(&self, wanted: &ImageRef, present: Vec<Platform>) -> ImageError {
        ImageError::WrongPlatform {
            image: wanted.familiar(),
            wanted: self.platform.clone(),
            present,
        }
    }

    async fn stored(&self, wanted: &ImageRef) -> Result<Option<ImageRecord>, ImageError> {
        let images = self.client.images();
        let exact = images.get(&wanted.stored_name()).await?;
        let (None, Some(digest)) = (&exact, wanted.digest()) else {
            return Ok(exact);
        };
        // Pinned, but stored under a tag.
        let digest = digest.to_string();
        Ok(images.list(&[]).await?.into_iter().find(|image| {
            let name: Result<ImageRef, _> = image.name.parse();
            image.target.digest == digest && name.is_ok_and(|name| name.same_repository(wanted))
        }))
    }

    /// The manifest for our platform that an image object leads to.
    async fn manifest(&self, wanted: &ImageRef, record: ImageRecord) -> Result<Digest, ImageError> {
        let digest = record.target.digest.parse();
        let kind = manifest::kind(&record.target.media_type);
        let (Ok(digest), Kind::Manifest | Kind::Index) = (digest, kind) else {
            return Err(ImageError::NotAnImage {
                image: record.name,
                media_type: record.target.media_type,
            });
        };
        if kind == Kind::Manifest {
            return Ok(digest);
        }
        let content = self.client.content();
        let json = content.read(&record.target.digest, MAX_DOCUMENT).await?;
        let index =
            Index::parse(&json).map_err(|source| ImageError::Document { digest, source })?;
        let mut present = Vec::new();
        for entry in index.manifests {
            match entry.platform {
                Some(platform) if platform == self.platform => return Ok(entry.digest),
                Some(platform) if platform.is_known() => present.push(platform),
                _ => {}
            }
        }
        Err(self.wrong_platform(wanted, present))
    }
}

/// Where an image is.
enum Place<'a> {
    Archived {
        archive: &'a Archive,
        image: &'a ArchivedImage,
    },
    Loaded(Digest),
}

impl<'a> Place<'a> {
    /// The image, if it is in this archive.
    fn image_in(&self, here: &Archive) -> Option<&'a ArchivedImage> {
        match self {
            Self::Archived { archive, image } if std::ptr::eq(*archive, here) => Some(image),
            _ => None,
        }
    }
}

/// Whether an archived image is the one that a name means. A digest decides alone, but it does not
/// make one repository's image another's.
fn is(image: &ArchivedImage, wanted: &ImageRef) -> bool {
    let Some(digest) = wanted.digest() else {
        return image.names.contains(wanted);
    };
    let manifests = image.variants.iter().filter_map(|it| it.manifest.as_ref());
    let digests = manifests.map(|document| document.digest).chain(image.index);
    let named = image.names.is_empty() || image.names.iter().any(|it| it.same_repository(wanted));
    named && digests.into_iter().any(|it| it == digest)
}
