//! Images: their names, where they come from, and how they become what containers stand on.
//!
//! An image is found by its [name](ImageRef) in the pod's own [archives](Archive) or among
//! containerd's images ([`ImageStore`]), its blobs go into the content store ([`Importer`]), its
//! layers into snapshots ([`Unpacker`]), all under the pod's lease. What it says of its containers
//! is its [configuration](ImageConfig).
//!
//! Nothing that an archive says is believed before it has been hashed.

mod archive;
mod chain;
mod config;
mod digest;
mod error;
mod import;
mod layer_writer;
mod manifest;
mod nearness;
mod platform;
mod reference;
mod store;
mod unpack;

pub use archive::{Archive, ArchiveError, ArchivedImage, LayoutFolder, Limits, Source};
pub use chain::ChainId;
pub use config::{ImageConfig, ImageHealthcheck};
pub use digest::{Digest, Hasher, InvalidDigest};
pub use error::{HeldNames, ImageError};
pub use import::{ImportedImage, Importer};
pub use manifest::InvalidDocument;
pub use platform::Platform;
pub use reference::{Fault, ImageRef, InvalidReference};
pub use store::{FoundImage, ImageStore, LoadedImage, Origin, StoredImage};
pub use unpack::{UnpackedImage, Unpacker};
