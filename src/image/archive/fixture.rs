//! Archives for the tests of this folder, good and bad.

use std::fs::File;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use super::{Archive, ArchiveError, Limits, Source};
use crate::image::digest::Digest;
use crate::image::error::ImageError;

/// The members of an archive, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(pub(super) Vec<(String, Vec<u8>)>);

impl Members {
    pub(super) fn add(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.0.push((path.to_owned(), content.into()));
    }

    /// Adds a blob, and gives its descriptor.
    pub(super) fn blob(&mut self, media_type: &str, content: &[u8]) -> Value {
        let digest = Digest::of(content);
        self.add(&format!("blobs/sha256/{}", digest.hex()), content);
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": content.len()})
    }

    /// Adds an image of one layer, and gives its manifest's descriptor.
    pub(super) fn image(&mut self, architecture: &str, layer: &[u8]) -> Value {
        let config = config(architecture, layer);
        let config = self.blob("application/vnd.oci.image.config.v1+json", &config);
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", layer);
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
        self.blob(
            "application/vnd.oci.image.manifest.v1+json",
            manifest.to_string().as_bytes(),
        )
    }

    /// Adds the index that makes a layout of it.
    pub(super) fn index(&mut self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "manifests": manifests});
        self.add("index.json", index.to_string());
    }

    pub(super) fn tar(&self) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        for (path, content) in &self.0 {
            append(&mut tar, EntryType::Regular, path.as_bytes(), content);
        }
        tar.into_inner().unwrap()
    }

    /// Opens a member as a folder's file.
    pub(super) fn open(&self, path: &str) -> io::Result<File> {
        let member = self.0.iter().find(|(name, _)| name == path);
        let (_, content) = member.ok_or(io::ErrorKind::NotFound)?;
        Ok(file(content))
    }
}

pub(super) fn config(architecture: &str, layer: &[u8]) -> Vec<u8> {
    let diff_id = Digest::of(layer).to_string();
    let rootfs = json!({"type": "layers", "diff_ids": [diff_id]});
    let config = json!({"os": "linux", "architecture": architecture, "rootfs": rootfs});
    config.to_string().into_bytes()
}

pub(super) fn named(mut descriptor: Value, key: &str, name: &str) -> Value {
    descriptor["annotations"] = json!({ key: name });
    descriptor
}

/// Appends a member whose name is taken as it is, however bad.
pub(super) fn append(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &[u8], content: &[u8]) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.set_entry_type(kind);
    header.set_mode(0o644);
    header.set_size(content.len() as u64);
    header.set_cksum();
    tar.append(&header, content).unwrap();
}

/// Appends a link.
pub(super) fn link(tar: &mut Builder<Vec<u8>>, kind: EntryType, name: &str, target: &str) {
    let mut header = Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
    header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
    header.set_entry_type(kind);
    header.set_size(0);
    header.set_cksum();
    tar.append(&header, io::empty()).unwrap();
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A file without a name.
pub(super) fn file(content: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    io::Seek::rewind(&mut file).unwrap();
    file
}

pub(super) fn read_within(tar: &[u8], limits: Limits) -> Result<Archive, ArchiveError> {
    read_source(Source::Tar(file(tar)), limits)
}

pub(super) fn read(tar: &[u8]) -> Result<Archive, ArchiveError> {
    read_within(tar, Limits::default())
}

pub(super) fn read_source(source: Source, limits: Limits) -> Result<Archive, ArchiveError> {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let archive = runtime.block_on(Archive::read("a.tar", source, limits));
    archive.map_err(|error| match error {
        ImageError::Archive { source, .. } => source,
        other => panic!("{other}"),
    })
}

/// What an archive is found to hold, for people.
pub(super) fn summary(archive: &Archive) -> Vec<String> {
    let lines = archive.images().iter().map(|image| {
        let platforms: Vec<_> = image.platforms().map(ToString::to_string).collect();
        let names: Vec<_> = image.names().iter().map(ToString::to_string).collect();
        format!("{names:?} {:?} {platforms:?}", image.remarks)
    });
    lines.collect()
}
