//! Images in a file or a folder: OCI image layouts, and what `docker save` writes.
//!
//! An archive comes from a task's sandbox and is hostile until it is proven otherwise. It is never
//! unpacked: it is looked through once for its names and its JSON documents, within
//! [limits](Limits), and its layers are streamed from it later, each against its digest. Names in it
//! are keys and never become paths of the host.
//!
//! See the OCI image layout specification, and Docker's image specification v1.2 for the older
//! `manifest.json`.

mod contents;
mod docker;
mod error;
#[cfg(test)]
mod fixture;
mod layout;
mod limits;
mod path;
mod tar;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

pub(super) use self::contents::{Contents, Piece};
pub use self::contents::{LayoutFolder, Source};
pub use self::error::ArchiveError;
pub use self::limits::Limits;

use super::config::ImageConfig;
use super::digest::Digest;
use super::error::ImageError;
use super::manifest::Descriptor;
use super::platform::Platform;
use super::reference::ImageRef;

/// An archive whose images are known.
#[derive(Debug)]
pub struct Archive {
    name: String,
    images: Vec<ArchivedImage>,
    pub(super) contents: Arc<Contents>,
}

/// An image in an archive.
#[derive(Clone, Debug, Default)]
pub struct ArchivedImage {
    pub(super) names: Vec<ImageRef>,
    /// What the archive calls it where that is no name: a tag alone.
    pub(super) remarks: Vec<String>,
    /// The index over its variants, if it has one.
    pub(super) index: Option<Digest>,
    pub(super) variants: Vec<Arc<Variant>>,
}

/// An image for one platform.
#[derive(Debug)]
pub(super) struct Variant {
    pub(super) platform: Platform,
    /// None where one has to be made: in what `docker save` wrote for years, there is none.
    pub(super) manifest: Option<Document>,
    pub(super) config: Document,
    /// From the bottom.
    pub(super) layers: Vec<Layer>,
}

/// A document whose content has been compared with its digest.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    pub(super) bytes: Vec<u8>,
}

/// A layer in the archive.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) path: String,
    /// What it must be; none where nobody says so. Then its `diff_id` is what counts.
    pub(super) blob: Option<Descriptor>,
}

impl Archive {
    /// Looks through an archive. `name` is what messages call it.
    ///
    /// Dropped while it runs, it stops reading, and lets go of the archive, in its own thread.
    ///
    /// # Errors
    /// [`ImageError::Archive`], if it is no archive of images, or damaged, or too large.
    ///
    /// # Panics
    /// If the reading does.
    pub async fn read(name: &str, source: Source, limits: Limits) -> Result<Self, ImageError> {
        let given_up = CancellationToken::new();
        let _guard = given_up.clone().drop_guard();
        let read = spawn_blocking(move || -> Result<_, ArchiveError> {
            let contents = Contents::open(source, limits, &given_up)?;
            let images = images(&contents, &limits)?;
            Ok((contents, images))
        });
        let read = read.await.expect("reading an archive does not panic");
        let (contents, images) = read.map_err(|source| ImageError::Archive {
            archive: name.to_owned(),
            source,
        })?;
        Ok(Self {
            name: name.to_owned(),
            images,
            contents: Arc::new(contents),
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn images(&self) -> &[ArchivedImage] {
        &self.images
    }

    /// What an image of this name says of its containers; none if it is not here for the platform.
    pub fn config(&self, name: &ImageRef, platform: &Platform) -> Option<ImageConfig> {
        let mut images = self.images.iter();
        let image = images.find(|image| image.names.contains(name))?;
        ImageConfig::parse(&image.variant(platform)?.config.bytes).ok()
    }
}

/// What the archive says it holds. Newer versions of `docker save` write both documents; the
/// layout tells more, and `manifest.json` adds names.
fn images(contents: &Contents, limits: &Limits) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let mut images = layout::images(contents, limits)?;
    if images.is_empty() {
        images = docker::images(contents, limits)?;
    } else {
        docker::add_names(contents, limits, &mut images)?;
    }
    if images.is_empty() {
        return Err(ArchiveError::NoImages);
    }
    Ok(images)
}

impl ArchivedImage {
    /// Its names in full. Empty if the archive gives it none; then a digest is the only way to it.
    pub fn names(&self) -> &[ImageRef] {
        &self.names
    }

    /// The platforms that it is there for.
    pub fn platforms(&self) -> impl Iterator<Item = &Platform> {
        self.variants.iter().map(|variant| &variant.platform)
    }

    pub(super) fn variant(&self, platform: &Platform) -> Option<&Variant> {
        let variants = self.variants.iter().map(Arc::as_ref);
        variants.into_iter().find(|it| it.platform == *platform)
    }

    /// How to speak of it.
    pub fn title(&self) -> String {
        if let Some(name) = self.names.first() {
            return name.familiar();
        }
        let manifest = self.variants.iter().find_map(|it| it.manifest.as_ref());
        let digest = self.index.or(manifest.map(|document| document.digest));
        let digest = digest.map(|digest| digest.to_string()).unwrap_or_default();
        match self.remarks.first() {
            Some(remark) => format!("(no name, {remark:?}) {digest}"),
            None => format!("(no name) {digest}"),
        }
    }

    /// Notes what the archive calls it. A text without registry, path or tag is a bare tag: the
    /// specification allows that, and a name can't be made of it.
    fn call(&mut self, text: &str) {
        match text.parse::<ImageRef>() {
            Ok(name) if text.contains(['/', ':', '@']) => {
                if !self.names.contains(&name) {
                    self.names.push(name);
                }
            }
            _ => self.remarks.push(text.to_owned()),
        }
    }
}

impl Document {
    /// Takes a document in if it is what its descriptor says.
    fn checked(path: &str, descriptor: &Descriptor, bytes: Vec<u8>) -> Result<Self, ArchiveError> {
        let found = Digest::of(&bytes);
        if found != descriptor.digest {
            return Err(ArchiveError::Digest {
                path: path.to_owned(),
                found,
            });
        }
        Ok(Self {
            media_type: descriptor.media_type.clone(),
            digest: found,
            bytes,
        })
    }
}

/// The platform that a configuration is for.
fn platform(path: &str, config: &[u8]) -> Result<Platform, ArchiveError> {
    ImageConfig::parse(config)
        .map(|config| config.platform)
        .map_err(|source| ArchiveError::Document {
            path: path.to_owned(),
            source: source.into(),
        })
}
