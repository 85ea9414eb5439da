//! Manifests and indexes: the documents that make an image of blobs.
//!
//! OCI's and Docker's (schema 2) are read alike. See the OCI image specification, manifest.md and
//! image-index.md.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::{Digest, InvalidDigest};
use super::platform::{Platform, RawPlatform};
use crate::containerd;

pub(super) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(super) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
pub(super) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar";
pub(super) const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(super) const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";

/// As large as a document of an image may be; registries take 4 MiB.
pub(super) const MAX_DOCUMENT: usize = 4 << 20;

/// A blob, as another document points to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Digest,
    /// In bytes.
    pub(super) size: u64,
    pub(super) platform: Option<Platform>,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What a descriptor points to, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Manifest,
    Index,
    /// Layers, configurations, and what later specifications think of.
    Other,
}

/// An image for one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Manifest {
    pub(super) config: Descriptor,
    /// From the bottom.
    pub(super) layers: Vec<Descriptor>,
}

/// Manifests for several platforms, or of several images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Index {
    pub(super) manifests: Vec<Descriptor>,
}

/// Why a document is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum InvalidDocument {
    #[error("it is not the JSON that it should be")]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
}

impl Manifest {
    pub(super) fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        #[derive(Deserialize)]
        struct Document {
            config: RawDescriptor,
            layers: Vec<RawDescriptor>,
        }

        let document: Document = serde_json::from_slice(json)?;
        let layers = document.layers.into_iter().map(Descriptor::try_from);
        Ok(Self {
            config: document.config.try_into()?,
            layers: layers.collect::<Result<_, _>>()?,
        })
    }

    /// A manifest in Docker's form. Equal images give equal bytes.
    pub(super) fn write_docker(&self) -> Vec<u8> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Blob<'a> {
            media_type: &'a str,
            size: u64,
            digest: String,
        }

        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Document<'a> {
            schema_version: u8,
            media_type: &'a str,
            config: Blob<'a>,
            layers: Vec<Blob<'a>>,
        }

        fn blob(descriptor: &Descriptor) -> Blob<'_> {
            Blob {
                media_type: &descriptor.media_type,
                size: descriptor.size,
                digest: descriptor.digest.to_string(),
            }
        }

        let document = Document {
            schema_version: 2,
            media_type: DOCKER_MANIFEST,
            config: blob(&self.config),
            layers: self.layers.iter().map(blob).collect(),
        };
        serde_json::to_vec(&document).expect("texts and numbers can be written as JSON")
    }
}

impl Index {
    pub(super) fn parse(json: &[u8]) -> Result<Self, InvalidDocument> {
        #[derive(Deserialize)]
        struct Document {
            manifests: Vec<RawDescriptor>,
        }

        let document: Document = serde_json::from_slice(json)?;
        let manifests = document.manifests.into_iter().map(Descriptor::try_from);
        Ok(Self {
            manifests: manifests.collect::<Result<_, _>>()?,
        })
    }
}

impl Descriptor {
    pub(super) fn kind(&self) -> Kind {
        kind(&self.media_type)
    }
}

/// What a document of this media type is.
pub(super) fn kind(media_type: &str) -> Kind {
    match media_type {
        OCI_MANIFEST | DOCKER_MANIFEST => Kind::Manifest,
        OCI_INDEX | DOCKER_LIST => Kind::Index,
        _ => Kind::Other,
    }
}

/// Whether a manifest with a configuration of this type is an image: others use manifests too.
pub(super) fn is_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawDescriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    size: u64,
    platform: Option<RawPlatform>,
    annotations: Option<BTreeMap<String, String>>,
}

impl TryFrom<RawDescriptor> for Descriptor {
    type Error = InvalidDigest;

    fn try_from(raw: RawDescriptor) -> Result<Self, InvalidDigest> {
        Ok(Self {
            media_type: raw.media_type,
            digest: raw.digest.parse()?,
            size: raw.size,
            platform: raw.platform.map(Platform::from),
            annotations: raw.annotations.unwrap_or_default(),
        })
    }
}

impl From<&Descriptor> for containerd::Descriptor {
    fn from(descriptor: &Descriptor) -> Self {
        Self {
            media_type: descriptor.media_type.clone(),
            digest: descriptor.digest.to_string(),
            size: descriptor.size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str, content: &[u8]) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(content),
            size: content.len() as u64,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    #[test]
    fn a_manifest_that_was_written_is_read_the_same() {
        let manifest = Manifest {
            config: descriptor(DOCKER_CONFIG, b"{}"),
            layers: vec![
                descriptor(DOCKER_LAYER, b"1"),
                descriptor(DOCKER_LAYER_GZIP, b"2"),
            ],
        };
        assert_eq!(Manifest::parse(&manifest.write_docker()).unwrap(), manifest);
    }

    #[test]
    fn an_index_tells_platforms_and_annotations() {
        let digest = Digest::of(b"manifest");
        let json = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":3,
            "platform":{{"os":"linux","architecture":"amd64"}},"annotations":{{"a":"b"}}}}]}}"#
        );
        let index = Index::parse(json.as_bytes()).unwrap();
        let entry = &index.manifests[0];
        assert_eq!(entry.kind(), Kind::Manifest);
        assert_eq!(entry.platform, Some(Platform::new("linux", "amd64", "")));
        assert_eq!(entry.annotations["a"], "b");
    }

    #[test]
    fn a_negative_size_and_a_false_digest_are_errors() {
        let of = |digest: &str, size: &str| {
            let json = format!(r#"{{"manifests":[{{"digest":"{digest}","size":{size}}}]}}"#);
            Index::parse(json.as_bytes())
        };
        assert!(of(&Digest::of(b"").to_string(), "1").is_ok());
        assert!(of(&Digest::of(b"").to_string(), "-1").is_err());
        assert!(of("sha256:../../etc/passwd", "1").is_err());
    }
}
