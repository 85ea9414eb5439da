//! Why an image can't be had.

use std::collections::BTreeSet;
use std::fmt;

use super::archive::ArchiveError;
use super::digest::Digest;
use super::manifest::InvalidDocument;
use super::platform::Platform;
use crate::containerd::RpcError;

/// How many names a message tells.
const SHOWN: usize = 8;

/// Why an image can't be had.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("image archive {archive}")]
    Archive {
        archive: String,
        #[source]
        source: ArchiveError,
    },
    #[error("image {wanted} is in no archive of the pod and was not loaded{held}")]
    NotFound { wanted: String, held: HeldNames },
    #[error("image {image} is not for {wanted}, but for {}", listed(.present))]
    WrongPlatform {
        image: String,
        wanted: Platform,
        present: Vec<Platform>,
    },
    #[error("document {digest} of an image can't be used")]
    Document {
        digest: Digest,
        #[source]
        source: InvalidDocument,
    },
    #[error("image {image} is of the type {media_type:?}, which is no image's")]
    NotAnImage { image: String, media_type: String },
    #[error("image {manifest} has {layers} layers, but its configuration speaks of {diff_ids}")]
    LayerCount {
        manifest: Digest,
        layers: usize,
        diff_ids: usize,
    },
    #[error("image {manifest} has no layers")]
    NoLayers { manifest: Digest },
    #[error("layer {layer} is not what its image says: it unpacks to {found}, not {said}")]
    LyingDiffId {
        layer: Digest,
        said: Digest,
        found: String,
    },
    #[error("layer {layer} can't be unpacked")]
    CorruptLayer {
        layer: Digest,
        #[source]
        source: RpcError,
    },
    #[error("containerd has none of the snapshotters overlayfs and native")]
    NoSnapshotter,
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl ImageError {
    /// Whether the task's own files are to be mended, and not the host.
    pub fn is_users(&self) -> bool {
        !matches!(self, Self::NoSnapshotter | Self::Rpc(_))
    }
}

/// What there is instead of an image that is missing: names, the nearest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HeldNames(pub Vec<String>);

impl fmt::Display for HeldNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(names) = self;
        if names.is_empty() {
            return Ok(());
        }
        let shown: Vec<_> = names.iter().take(SHOWN).map(String::as_str).collect();
        write!(f, "; the archives hold {}", shown.join(", "))?;
        match names.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

fn listed(platforms: &[Platform]) -> String {
    let texts: BTreeSet<_> = platforms.iter().map(Platform::to_string).collect();
    texts.into_iter().collect::<Vec<_>>().join(", ")
}
