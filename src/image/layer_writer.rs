//! One layer on its way from an archive into the content store.

use std::collections::BTreeMap;

use super::archive::{ArchiveError, Layer};
use super::digest::Digest;
use super::error::ImageError;
use super::manifest::{DOCKER_LAYER, DOCKER_LAYER_GZIP, Descriptor, OCI_LAYER_ZSTD};
use crate::containerd::{Client, Ingest, Labels, Writer};

/// Writes a layer, unless the store has it; then it only sees what comes.
#[derive(Debug)]
pub(super) struct LayerWriter<'a> {
    layer: &'a Layer,
    writer: Option<Box<Writer>>,
    size: u64,
    /// The first bytes: they tell how it is compressed.
    magic: Vec<u8>,
}

/// A layer whose bytes are the right ones.
#[derive(Debug)]
pub(super) struct CheckedLayer {
    blob: Descriptor,
    writer: Option<Box<Writer>>,
}

impl<'a> LayerWriter<'a> {
    pub(super) async fn open(
        client: &Client,
        reference: &str,
        layer: &'a Layer,
    ) -> Result<Self, ImageError> {
        let expected = layer.blob.as_ref().map(|blob| blob.digest.to_string());
        let content = client.content();
        let writer = match content.ingest(reference, expected.as_deref()).await? {
            Ingest::Writing(writer) => Some(writer),
            Ingest::Present => None,
        };
        Ok(Self {
            layer,
            writer,
            size: 0,
            magic: Vec::new(),
        })
    }

    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), ImageError> {
        let missing = 4_usize.saturating_sub(self.magic.len());
        self.magic.extend(data.iter().take(missing));
        self.size += data.len() as u64;
        if let Some(writer) = &mut self.writer {
            writer.write(data).await?;
        }
        Ok(())
    }

    /// Compares what came, and the digest of it, with what was announced.
    pub(super) fn check(self, digest: Digest) -> Result<CheckedLayer, ArchiveError> {
        let blob = self.layer.blob.clone().unwrap_or_else(|| Descriptor {
            media_type: docker_media_type(&self.magic).to_owned(),
            digest,
            size: self.size,
            platform: None,
            annotations: BTreeMap::new(),
        });
        if blob.size != self.size {
            return Err(ArchiveError::Size {
                path: self.layer.path.clone(),
                named: blob.size,
                found: self.size,
            });
        }
        if blob.digest != digest {
            return Err(ArchiveError::Digest {
                path: self.layer.path.clone(),
                found: digest,
            });
        }
        Ok(CheckedLayer {
            blob,
            writer: self.writer,
        })
    }
}

impl CheckedLayer {
    pub(super) async fn commit(self) -> Result<Descriptor, ImageError> {
        if let Some(writer) = self.writer {
            writer
                .commit(&self.blob.digest.to_string(), Labels::new())
                .await?;
        }
        Ok(self.blob)
    }
}

fn docker_media_type(magic: &[u8]) -> &'static str {
    match magic {
        [0x1f, 0x8b, ..] => DOCKER_LAYER_GZIP,
        // Docker has no name for it.
        [0x28, 0xb5, 0x2f, 0xfd] => OCI_LAYER_ZSTD,
        _ => DOCKER_LAYER,
    }
}
