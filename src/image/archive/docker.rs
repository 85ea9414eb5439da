//! What `docker save` wrote before it wrote OCI layouts, and what Podman still does: a
//! `manifest.json` that names a configuration, tags, and layers by their paths.
//!
//! Layers are plain tars as a rule. Where images share one, it is there once and linked.

use std::sync::Arc;

use serde::Deserialize;

use super::contents::Contents;
use super::error::ArchiveError;
use super::limits::Limits;
use super::{ArchivedImage, Document, Layer, Variant, platform};
use crate::image::digest::Digest;
use crate::image::manifest::DOCKER_CONFIG;

const MANIFEST: &str = "manifest.json";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

/// The images of a `manifest.json`; none if there is none.
pub(super) fn images(
    contents: &Contents,
    limits: &Limits,
) -> Result<Vec<ArchivedImage>, ArchiveError> {
    entries(contents, limits)?
        .into_iter()
        .map(|entry| image(contents, entry))
        .collect()
}

/// Gives the images of a layout the names that `manifest.json` has for them.
pub(super) fn add_names(
    contents: &Contents,
    limits: &Limits,
    images: &mut [ArchivedImage],
) -> Result<(), ArchiveError> {
    for entry in entries(contents, limits)? {
        let Some(config) = digest_in(&entry.config) else {
            continue;
        };
        let same = images
            .iter_mut()
            .find(|image| image.variants.iter().any(|it| it.config.digest == config));
        if let Some(image) = same {
            for name in entry.repo_tags.iter().flatten() {
                image.call(name);
            }
        }
    }
    Ok(())
}

fn entries(contents: &Contents, limits: &Limits) -> Result<Vec<Entry>, ArchiveError> {
    let Some(json) = contents.document(MANIFEST)? else {
        return Ok(Vec::new());
    };
    let entries: Vec<Entry> =
        serde_json::from_slice(&json).map_err(|source| ArchiveError::Document {
            path: MANIFEST.to_owned(),
            source: source.into(),
        })?;
    if entries.len() > limits.images {
        return Err(ArchiveError::TooManyImages {
            limit: limits.images,
        });
    }
    Ok(entries)
}

fn image(contents: &Contents, entry: Entry) -> Result<ArchivedImage, ArchiveError> {
    let path = contents.resolve(&entry.config)?;
    let bytes = contents
        .document(&path)?
        .ok_or_else(|| ArchiveError::Missing { path: path.clone() })?;
    let found = Digest::of(&bytes);
    // The name is the digest wherever Docker has written it; then it has to be right.
    if digest_in(&path).is_some_and(|named| named != found) {
        return Err(ArchiveError::Digest { path, found });
    }
    let platform = platform(&path, &bytes)?;
    let layers = entry.layers.unwrap_or_default().into_iter().map(|layer| {
        Ok(Layer {
            path: contents.resolve(&layer)?,
            blob: None,
        })
    });
    let mut image = ArchivedImage {
        variants: vec![Arc::new(Variant {
            platform,
            manifest: None,
            config: Document {
                media_type: DOCKER_CONFIG.to_owned(),
                digest: found,
                bytes,
            },
            layers: layers.collect::<Result<_, ArchiveError>>()?,
        })],
        ..ArchivedImage::default()
    };
    for name in entry.repo_tags.iter().flatten() {
        image.call(name);
    }
    Ok(image)
}

/// The digest that a configuration's path tells: `<digits>.json`, or a blob of a layout.
fn digest_in(path: &str) -> Option<Digest> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let digits = name.strip_suffix(".json").unwrap_or(name);
    format!("sha256:{digits}").parse().ok()
}
