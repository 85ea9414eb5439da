//! What can be wrong with an archive.

use std::io;

use crate::image::digest::Digest;
use crate::image::manifest::InvalidDocument;

/// Why an archive is not taken. Which archive it is stands in the error around this one.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("it can't be read")]
    Io(#[source] io::Error),
    #[error("it ends in its middle")]
    Truncated,
    #[error("it is neither a tar nor a gzipped tar")]
    NotATar(#[source] io::Error),
    #[error("it is not a regular file")]
    NotAFile,
    #[error("it is compressed with zstd, and only gzip is understood around a tar")]
    Zstd,
    #[error("it holds no image: there is neither an index.json nor a manifest.json with one")]
    NoImages,
    #[error("it is larger than {limit} bytes when uncompressed")]
    TooLarge { limit: u64 },
    #[error("it has more than {limit} entries")]
    TooManyEntries { limit: usize },
    #[error("it names more than {limit} images")]
    TooManyImages { limit: usize },
    #[error("its entry {path:?} has a name that leads elsewhere")]
    Path { path: String },
    #[error("it has two entries {path:?}")]
    Duplicate { path: String },
    #[error("the header of its entry {path:?} is larger than {limit} bytes")]
    HeaderTooLarge { path: String, limit: u64 },
    #[error("its entry {path:?} is larger than a tar's header can tell")]
    EntryTooLarge { path: String },
    #[error("its document {path:?} is larger than {limit} bytes")]
    DocumentTooLarge { path: String, limit: u64 },
    #[error("its documents are larger than {limit} bytes together")]
    DocumentsTooLarge { limit: u64 },
    #[error("its document {path:?} can't be used")]
    Document {
        path: String,
        #[source]
        source: InvalidDocument,
    },
    #[error("{path:?} is missing in it")]
    Missing { path: String },
    #[error("{path:?} in it has {found} bytes where {named} are named")]
    Size {
        path: String,
        named: u64,
        found: u64,
    },
    #[error("{path:?} in it is corrupt: its content has the digest {found}")]
    Digest { path: String, found: Digest },
}

/// Reading went further than allowed: carried through the tar reader in an `io::Error`.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("more than {limit} bytes")]
pub(super) struct PastLimit {
    pub(super) limit: u64,
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        let past_limit = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<PastLimit>());
        match past_limit {
            Some(past) => Self::TooLarge { limit: past.limit },
            None if error.kind() == io::ErrorKind::UnexpectedEof => Self::Truncated,
            None => Self::Io(error),
        }
    }
}
