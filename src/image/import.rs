//! Images out of archives into containerd's content store.
//!
//! Everything is written under a lease, and under references that begin with the lease's id. An
//! import that is given up, at whatever point, leaves nothing but what these two lead to.
//!
//! Every byte is hashed on its way, even of a blob that the store has: who names another's blob but
//! does not have it must not get it by its name.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;

use super::archive::{Archive, ArchiveError, ArchivedImage, Document, Layer, Piece, Variant};
use super::digest::Digest;
use super::error::ImageError;
use super::layer_writer::LayerWriter;
use super::manifest::{DOCKER_MANIFEST, Descriptor, Manifest};
use super::platform::Platform;
use super::reference::ImageRef;
use crate::containerd::{self, Client, Ingest, Labels, LeaseId};

/// Pieces that may wait to be written.
const PIECES_AHEAD: usize = 2;

/// Writes images into the content store, under a lease.
#[derive(Clone, Debug)]
pub struct Importer {
    client: Client,
    lease: LeaseId,
    platform: Platform,
}

/// An image whose blobs are all in the content store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedImage {
    /// Its names in the archive; may be empty.
    pub names: Vec<ImageRef>,
    /// The manifest for the platform.
    pub manifest: Digest,
    /// The same, as an image object points to it.
    pub target: containerd::Descriptor,
}

impl Importer {
    /// The lease must exist; what is imported lives as long as it does.
    pub fn new(client: &Client, lease: &LeaseId, platform: Platform) -> Self {
        Self {
            client: client.with_lease(lease),
            lease: lease.clone(),
            platform,
        }
    }

    /// Imports every image of an archive.
    ///
    /// # Errors
    /// If one of them is not there for the platform, or can't be read; then perhaps some blobs have
    /// been written, and the lease holds them.
    pub async fn import(&self, archive: &Archive) -> Result<Vec<ImportedImage>, ImageError> {
        let images: Vec<_> = archive.images().iter().collect();
        self.import_these(archive, &images).await
    }

    /// Imports some images of an archive, reading it once.
    pub(super) async fn import_these(
        &self,
        archive: &Archive,
        images: &[&ArchivedImage],
    ) -> Result<Vec<ImportedImage>, ImageError> {
        let mut variants = Vec::new();
        for image in images {
            variants.push(self.variant(image)?);
        }
        let layers = self.write_layers(archive, &variants).await?;
        let mut imported = Vec::new();
        for (image, variant) in images.iter().zip(variants) {
            let target = self.write_documents(variant, &layers).await?;
            imported.push(ImportedImage {
                names: image.names().to_vec(),
                manifest: target.digest,
                target: (&target).into(),
            });
        }
        Ok(imported)
    }

    /// Throws away what an import that was given up had begun to write.
    pub async fn abort_ingests(&self) -> Result<(), ImageError> {
        let prefix = self.reference("");
        Ok(self.client.content().abort_ingests(&prefix).await?)
    }

    fn reference(&self, what: impl std::fmt::Display) -> String {
        format!("{}/{what}", self.lease)
    }

    fn variant<'a>(&self, image: &'a ArchivedImage) -> Result<&'a Variant, ImageError> {
        image
            .variant(&self.platform)
            .ok_or_else(|| ImageError::WrongPlatform {
                image: image.title(),
                wanted: self.platform.clone(),
                present: image.platforms().cloned().collect(),
            })
    }

    /// Streams the layers of some images from the archive into the store, each once, and gives
    /// what they turned out to be, by their paths in the archive.
    async fn write_layers(
        &self,
        archive: &Archive,
        variants: &[&Variant],
    ) -> Result<BTreeMap<String, Descriptor>, ImageError> {
        let layers: BTreeMap<_, _> = variants
            .iter()
            .flat_map(|variant| &variant.layers)
            .map(|layer| (layer.path.clone(), layer))
            .collect();
        let wanted: Vec<_> = layers.keys().cloned().collect();
        let layers: Vec<&Layer> = layers.into_values().collect();

        let (sender, mut pieces) = mpsc::channel(PIECES_AHEAD);
        let contents = Arc::clone(&archive.contents);
        let given_up = CancellationToken::new();
        let guard = given_up.clone().drop_guard();
        let reading = spawn_blocking(move || {
            let mut take = |piece| match sender.blocking_send(piece) {
                Ok(()) => ControlFlow::Continue(()),
                Err(_) => ControlFlow::Break(()),
            };
            contents.stream(&wanted, &given_up, &mut take)
        });
        let written = self.write_pieces(archive, &layers, &mut pieces).await;
        // What could not be written needs no reading. A reader that fails is seen here alone: to
        // the writer it is one that has come to its end.
        if written.is_err() {
            drop(guard);
        }
        drop(pieces);
        let read = reading.await.expect("reading an archive does not panic");
        let written = written?;
        read.map_err(|source| in_archive(archive, source))?;
        Ok(written)
    }

    async fn write_pieces(
        &self,
        archive: &Archive,
        layers: &[&Layer],
        pieces: &mut mpsc::Receiver<Piece>,
    ) -> Result<BTreeMap<String, Descriptor>, ImageError> {
        let mut written = BTreeMap::new();
        let mut current = None;
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Begin(number) => {
                    let layer = layers[number];
                    let reference = self.layer_reference(archive, layer);
                    let writer = LayerWriter::open(&self.client, &reference, layer).await?;
                    current = Some((layer, writer));
                }
                Piece::Data(data) => {
                    if let Some((_, writer)) = &mut current {
                        writer.write(&data).await?;
                    }
                }
                Piece::End(digest) => {
                    if let Some((layer, writer)) = current.take() {
                        let checked = writer.check(digest);
                        let checked = checked.map_err(|source| in_archive(archive, source))?;
                        written.insert(layer.path.clone(), checked.commit().await?);
                    }
                }
            }
        }
        Ok(written)
    }

    /// A layer without a digest is known by where it lies.
    fn layer_reference(&self, archive: &Archive, layer: &Layer) -> String {
        let digest = layer.blob.as_ref().map(|blob| blob.digest);
        self.reference(digest.unwrap_or_else(|| {
            Digest::of(format!("{}\0{}", archive.name(), layer.path).as_bytes())
        }))
    }

    /// Writes configuration and manifest, and gives the latter's descriptor.
    async fn write_documents(
        &self,
        variant: &Variant,
        layers: &BTreeMap<String, Descriptor>,
    ) -> Result<Descriptor, ImageError> {
        let blobs = variant.layers.iter().map(|layer| {
            let blob = layer.blob.as_ref().or_else(|| layers.get(&layer.path));
            blob.expect("every layer has been written").clone()
        });
        let config = descriptor(&variant.config);
        let manifest = Manifest {
            layers: blobs.collect(),
            config,
        };
        let made;
        let document = if let Some(document) = &variant.manifest {
            document
        } else {
            let bytes = manifest.write_docker();
            made = Document {
                media_type: DOCKER_MANIFEST.to_owned(),
                digest: Digest::of(&bytes),
                bytes,
            };
            &made
        };
        self.write_document(&variant.config).await?;
        self.write_document(document).await?;
        // Whoever holds the manifest, a lease or an image, holds the rest through these. Set even
        // if the manifest was there: it may have come as somebody's layer.
        self.client
            .content()
            .set_labels(&document.digest.to_string(), references(&manifest))
            .await?;
        Ok(descriptor(document))
    }

    async fn write_document(&self, document: &Document) -> Result<(), ImageError> {
        let digest = document.digest.to_string();
        let reference = self.reference(&digest);
        let content = self.client.content();
        match content.ingest(&reference, Some(&digest)).await? {
            Ingest::Present => Ok(()),
            Ingest::Writing(mut writer) => {
                writer.write(&document.bytes).await?;
                Ok(writer.commit(&digest, Labels::new()).await?)
            }
        }
    }
}

fn in_archive(archive: &Archive, source: ArchiveError) -> ImageError {
    ImageError::Archive {
        archive: archive.name().to_owned(),
        source,
    }
}

fn descriptor(document: &Document) -> Descriptor {
    Descriptor {
        media_type: document.media_type.clone(),
        digest: document.digest,
        size: document.bytes.len() as u64,
        platform: None,
        annotations: BTreeMap::new(),
    }
}

/// The labels by which containerd's garbage collection finds a manifest's blobs. They follow from
/// the manifest alone, so it does not matter who has set them.
fn references(manifest: &Manifest) -> Labels {
    let layers = manifest.layers.iter().enumerate().map(|(number, layer)| {
        let key = format!("containerd.io/gc.ref.content.l.{number}");
        (key, layer.digest.to_string())
    });
    let key = "containerd.io/gc.ref.content.config".to_owned();
    let config = (key, manifest.config.digest.to_string());
    layers.chain([config]).collect()
}
