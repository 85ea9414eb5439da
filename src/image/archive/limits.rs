//! How large an archive may be.

/// Limits on what is read of an archive. They bound time and memory, whoever made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the archive, uncompressed.
    pub total: u64,
    /// Members of a tar, with those that only describe others.
    pub entries: usize,
    /// Images that are named.
    pub images: usize,
    /// Bytes of one JSON document.
    pub document: u64,
    /// Bytes of all of them, which are kept in memory.
    pub documents: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total: 64 << 30,
            entries: 100_000,
            images: 1_000,
            document: 4 << 20,
            documents: 64 << 20,
        }
    }
}
