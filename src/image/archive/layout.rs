//! OCI image layouts: `index.json`, and blobs by their digests.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::contents::Contents;
use super::error::ArchiveError;
use super::limits::Limits;
use super::{ArchivedImage, Document, Layer, Variant, platform};
use crate::image::digest::Digest;
use crate::image::manifest::{Descriptor, Index, Kind, Manifest, is_config};

/// Where builders and containerd put the name in full.
const CONTAINERD_NAME: &str = "io.containerd.image.name";

/// Where the specification has it; some tools write a tag alone.
const OCI_NAME: &str = "org.opencontainers.image.ref.name";

/// The images of a layout; none if there is no `index.json`.
pub(super) fn images(
    contents: &Contents,
    limits: &Limits,
) -> Result<Vec<ArchivedImage>, ArchiveError> {
    let Some(json) = contents.document("index.json")? else {
        return Ok(Vec::new());
    };
    let index = parse("index.json", &json, Index::parse)?;
    let mut layout = Layout {
        contents,
        limits,
        visited: 0,
        variants: BTreeMap::new(),
    };
    let mut images = Vec::new();
    for entry in &index.manifests {
        if let Some(mut image) = layout.image(entry)? {
            for key in [CONTAINERD_NAME, OCI_NAME] {
                if let Some(name) = entry.annotations.get(key) {
                    image.call(name);
                }
            }
            images.push(image);
        }
    }
    Ok(images)
}

/// A layout that is being read.
struct Layout<'a> {
    contents: &'a Contents,
    limits: &'a Limits,
    /// Descriptors of manifests that have been looked at.
    visited: usize,
    /// By the manifest's digest: a small index can name one manifest a thousand times.
    variants: BTreeMap<Digest, Option<Arc<Variant>>>,
}

impl Layout<'_> {
    /// What an entry of `index.json` stands for; none if that is no image.
    fn image(&mut self, entry: &Descriptor) -> Result<Option<ArchivedImage>, ArchiveError> {
        let mut image = ArchivedImage::default();
        match entry.kind() {
            Kind::Manifest => image.variants.extend(self.variant(entry)?),
            Kind::Index => {
                let path = blob_path(entry.digest);
                let document = self
                    .document(entry)?
                    .ok_or(ArchiveError::Missing { path: path.clone() })?;
                let index = parse(&path, &document.bytes, Index::parse)?;
                image.index = Some(document.digest);
                // An index within an index is allowed, and made by nobody.
                for entry in index
                    .manifests
                    .iter()
                    .filter(|it| it.kind() == Kind::Manifest)
                {
                    image.variants.extend(self.variant(entry)?);
                }
            }
            Kind::Other => {}
        }
        Ok((!image.variants.is_empty()).then_some(image))
    }

    /// The image of a manifest. None if it is none, or if it is not there: an index may name more
    /// platforms than were saved.
    fn variant(&mut self, entry: &Descriptor) -> Result<Option<Arc<Variant>>, ArchiveError> {
        self.visited += 1;
        if self.visited > self.limits.images {
            return Err(ArchiveError::TooManyImages {
                limit: self.limits.images,
            });
        }
        if let Some(known) = self.variants.get(&entry.digest) {
            return Ok(known.clone());
        }
        let read = self.read(entry)?.map(Arc::new);
        self.variants.insert(entry.digest, read.clone());
        Ok(read)
    }

    fn read(&self, entry: &Descriptor) -> Result<Option<Variant>, ArchiveError> {
        if entry.platform.as_ref().is_some_and(|it| !it.is_known()) {
            return Ok(None);
        }
        let path = blob_path(entry.digest);
        let Some(document) = self.document(entry)? else {
            // Without a platform, it was the one that was to be saved.
            return match &entry.platform {
                Some(_) => Ok(None),
                None => Err(ArchiveError::Missing { path }),
            };
        };
        let manifest = parse(&path, &document.bytes, Manifest::parse)?;
        if !is_config(&manifest.config.media_type) {
            return Ok(None);
        }
        let config_path = blob_path(manifest.config.digest);
        let config = self
            .document(&manifest.config)?
            .ok_or_else(|| ArchiveError::Missing {
                path: config_path.clone(),
            })?;
        let platform = platform(&config_path, &config.bytes)?;
        if !platform.is_known() {
            return Ok(None);
        }
        let layers = manifest.layers.into_iter().map(|blob| {
            let path = blob_path(blob.digest);
            Layer {
                // One that is missing is an error when it is wanted.
                path: self.contents.resolve(&path).unwrap_or(path),
                blob: Some(blob),
            }
        });
        Ok(Some(Variant {
            platform,
            layers: layers.collect(),
            manifest: Some(document),
            config,
        }))
    }

    fn document(&self, entry: &Descriptor) -> Result<Option<Document>, ArchiveError> {
        let path = blob_path(entry.digest);
        let bytes = self.contents.document(&path)?;
        bytes
            .map(|bytes| Document::checked(&path, entry, bytes))
            .transpose()
    }
}

fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn parse<T>(
    path: &str,
    json: &[u8],
    read: impl FnOnce(&[u8]) -> Result<T, crate::image::manifest::InvalidDocument>,
) -> Result<T, ArchiveError> {
    read(json).map_err(|source| ArchiveError::Document {
        path: path.to_owned(),
        source,
    })
}
