//! How large a project may be. The same for every way to load one.

/// Bounds on what a load reads and makes: hostile files end in an error, not in a full memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Compose files of a project.
    pub files: usize,
    /// Env files and label files of a project.
    pub env_files: usize,
    /// How often files are read, those that are included from several places each time.
    pub reads: usize,
    /// Nodes of all documents together, aliases and extended services counted in full.
    pub nodes: usize,
    /// Nesting of mappings and lists.
    pub depth: usize,
    /// Nesting of `${A:-${B:-…}}`.
    pub interpolation_depth: usize,
    /// Bytes that interpolation makes of one value.
    pub interpolation_bytes: usize,
    /// Steps from a service to the one it extends, and from a file to the one it includes.
    pub references: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            files: 16,
            env_files: 64,
            reads: 256,
            nodes: 100_000,
            depth: 64,
            interpolation_depth: 16,
            interpolation_bytes: 1 << 20,
            references: 32,
        }
    }
}
