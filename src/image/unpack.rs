//! Layers into snapshots.
//!
//! A snapshot of layers is shared by all that have these layers, and is known by the digests that
//! they *say* they have. So it is committed only after unpacking has returned that very digest; and
//! one that exists is taken only by who has been seen to hold the layers themselves: an image that
//! merely claims another's digests would else be given the other's files.

use super::chain::ChainId;
use super::config::ImageConfig;
use super::digest::Digest;
use super::error::ImageError;
use super::manifest::{Descriptor, InvalidDocument, MAX_DOCUMENT, Manifest};
use crate::containerd::{Client, Code, Labels, LeaseId, Resource, RpcError};

/// On a layer's blob: the digest that it was seen to unpack to. containerd's own tools set it too,
/// and compare before they do.
const UNCOMPRESSED: &str = "containerd.io/uncompressed";

/// Unpacks images into snapshots, under a lease.
#[derive(Clone, Debug)]
pub struct Unpacker {
    client: Client,
    lease: LeaseId,
    snapshotter: String,
}

/// An image that containers can be made of, as long as the lease lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackedImage {
    pub manifest: Digest,
    pub config: ImageConfig,
    /// The snapshot to stand on.
    pub chain_id: ChainId,
    pub snapshotter: String,
}

/// A layer as its manifest and the image's configuration speak of it.
#[derive(Debug)]
struct Layer {
    blob: Descriptor,
    diff_id: Digest,
    parent: Option<ChainId>,
    chain_id: ChainId,
}

impl Unpacker {
    /// With the snapshotter that the server offers; see
    /// [`default_snapshotter`](crate::containerd::Server::default_snapshotter).
    ///
    /// # Errors
    /// [`ImageError::NoSnapshotter`]
    pub fn new(client: &Client, lease: &LeaseId) -> Result<Self, ImageError> {
        let snapshotter = client.server().default_snapshotter();
        let snapshotter = snapshotter.ok_or(ImageError::NoSnapshotter)?.to_owned();
        Ok(Self::with_snapshotter(client, lease, snapshotter))
    }

    pub fn with_snapshotter(client: &Client, lease: &LeaseId, snapshotter: String) -> Self {
        Self {
            client: client.with_lease(lease),
            lease: lease.clone(),
            snapshotter,
        }
    }

    /// Unpacks what is not unpacked yet, and has the lease hold it all.
    ///
    /// # Errors
    /// [`ImageError::LyingDiffId`] or [`ImageError::CorruptLayer`] for a layer that is not what the
    /// image says. Dropped halfway, it leaves a prepared snapshot, which the lease holds.
    pub async fn unpack(&self, manifest: Digest) -> Result<UnpackedImage, ImageError> {
        // Before anything is read: an image may be deleted by its owner at any time.
        self.hold(&Resource::Content(manifest.to_string())).await?;
        let document = self.document(manifest, Manifest::parse).await?;
        let config_digest = document.config.digest;
        let config = self
            .document(config_digest, |json| Ok(ImageConfig::parse(json)?))
            .await?;
        let layers = layers(manifest, document.layers, &config.diff_ids)?;
        let chain_id = layers.last().map(|layer| layer.chain_id);
        let chain_id = chain_id.ok_or(ImageError::NoLayers { manifest })?;
        if !(self.all_proven(&layers).await? && self.reuse(chain_id).await?) {
            for layer in &layers {
                if !(self.is_proven(layer).await? && self.reuse(layer.chain_id).await?) {
                    self.apply(layer).await?;
                }
            }
        }
        self.keep_with_config(config_digest, chain_id).await?;
        Ok(UnpackedImage {
            manifest,
            config,
            chain_id,
            snapshotter: self.snapshotter.clone(),
        })
    }

    async fn document<T>(
        &self,
        digest: Digest,
        parse: impl FnOnce(&[u8]) -> Result<T, InvalidDocument>,
    ) -> Result<T, ImageError> {
        let content = self.client.content();
        let json = content.read(&digest.to_string(), MAX_DOCUMENT).await?;
        parse(&json).map_err(|source| ImageError::Document { digest, source })
    }

    async fn hold(&self, resource: &Resource) -> Result<(), RpcError> {
        self.client.leases().add(&self.lease, resource).await
    }

    async fn all_proven(&self, layers: &[Layer]) -> Result<bool, ImageError> {
        for layer in layers {
            if !self.is_proven(layer).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether the layer has been seen to unpack to its `diff_id`: its blob was hashed when it was
    /// written, so an uncompressed layer proves itself.
    async fn is_proven(&self, layer: &Layer) -> Result<bool, ImageError> {
        if layer.blob.digest == layer.diff_id {
            return Ok(true);
        }
        let blob = self.client.content();
        let blob = blob.info(&layer.blob.digest.to_string()).await?;
        let said = blob.and_then(|mut blob| blob.labels.remove(UNCOMPRESSED));
        Ok(said.is_some_and(|said| said == layer.diff_id.to_string()))
    }

    /// Has the lease hold a committed snapshot, if there is one. Held first and looked for after:
    /// else the garbage collection could come between.
    async fn reuse(&self, chain_id: ChainId) -> Result<bool, ImageError> {
        let key = chain_id.to_string();
        self.hold(&Resource::Snapshot {
            snapshotter: self.snapshotter.clone(),
            key: key.clone(),
        })
        .await?;
        let snapshots = self.client.snapshots(&self.snapshotter);
        Ok(snapshots.stat(&key).await?.is_some())
    }

    /// Unpacks one layer on those below it.
    async fn apply(&self, layer: &Layer) -> Result<(), ImageError> {
        let key = format!("{}/unpack/{}", self.lease, layer.chain_id);
        let snapshots = self.client.snapshots(&self.snapshotter);
        // What an earlier try under this lease may have left.
        snapshots.remove(&key).await?;
        let parent = layer.parent.map(|parent| parent.to_string());
        let mounts = snapshots
            .prepare(&key, parent.as_deref(), Labels::new())
            .await?;
        let applied = self
            .client
            .diffs()
            .apply(&(&layer.blob).into(), &mounts)
            .await;
        let committed = match applied {
            Ok(found) if found == layer.diff_id.to_string() => {
                let name = layer.chain_id.to_string();
                match snapshots.commit(&name, &key, Labels::new()).await {
                    Ok(()) => return self.prove(layer).await,
                    // Somebody else was faster, or it was there and the layer had to prove itself.
                    Err(error) if error.is_already_exists() => Ok(()),
                    Err(error) => Err(error.into()),
                }
            }
            Ok(found) => Err(ImageError::LyingDiffId {
                layer: layer.blob.digest,
                said: layer.diff_id,
                found,
            }),
            Err(source) if is_of_the_call(&source) => Err(source.into()),
            Err(source) => Err(ImageError::CorruptLayer {
                layer: layer.blob.digest,
                source,
            }),
        };
        // It holds the disk until the lease ends; if even this fails, the lease's end is soon.
        let removed = snapshots.remove(&key).await;
        committed?;
        removed?;
        self.prove(layer).await?;
        if self.reuse(layer.chain_id).await? {
            return Ok(());
        }
        Err(RpcError {
            call: "Snapshots.Commit",
            subject: key,
            code: Code::Aborted,
            message: "another's snapshot was removed before it could be held".to_owned(),
        }
        .into())
    }

    /// Notes that the layer has been seen to unpack to its `diff_id`.
    async fn prove(&self, layer: &Layer) -> Result<(), ImageError> {
        if layer.blob.digest == layer.diff_id {
            return Ok(());
        }
        let labels = Labels::from([(UNCOMPRESSED.to_owned(), layer.diff_id.to_string())]);
        let content = self.client.content();
        Ok(content
            .set_labels(&layer.blob.digest.to_string(), labels)
            .await?)
    }

    /// Whoever holds the configuration holds the snapshot: so an image object keeps what was
    /// unpacked of it.
    async fn keep_with_config(&self, config: Digest, chain: ChainId) -> Result<(), ImageError> {
        let key = format!("containerd.io/gc.ref.snapshot.{}", self.snapshotter);
        let labels = Labels::from([(key, chain.to_string())]);
        let content = self.client.content();
        Ok(content.set_labels(&config.to_string(), labels).await?)
    }
}

/// Whether it is the call that failed, and not the layer.
fn is_of_the_call(error: &RpcError) -> bool {
    error.is_transient() || matches!(error.code, Code::Cancelled | Code::NotFound)
}

fn layers(
    manifest: Digest,
    blobs: Vec<Descriptor>,
    diff_ids: &[Digest],
) -> Result<Vec<Layer>, ImageError> {
    if blobs.len() != diff_ids.len() {
        return Err(ImageError::LayerCount {
            manifest,
            layers: blobs.len(),
            diff_ids: diff_ids.len(),
        });
    }
    let mut parent = None;
    let layers = blobs.into_iter().zip(diff_ids).map(|(blob, diff_id)| {
        let chain_id = ChainId::of(parent, *diff_id);
        Layer {
            blob,
            diff_id: *diff_id,
            parent: parent.replace(chain_id),
            chain_id,
        }
    });
    Ok(layers.collect())
}
