//! How large a project may be. The same for every way to load one.

/// Bounds on what a load reads and makes: hostile files end in an error, not in a full memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files read, Compose files and env files alike.
    pub files: usize,
    /// Nodes of all documents together, each alias counted as what it stands for.
    pub nodes: usize,
    /// Nesting of mappings and lists.
    pub depth: usize,
    /// Nesting of `${A:-${B:-…}}`.
    pub interpolation_depth: usize,
    /// Bytes that interpolation makes of one value.
    pub interpolation_bytes: usize,
    /// Steps from a service to the one it extends, and from a file to the one it includes.
    pub references: usize,
    /// Services of a project.
    pub services: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 1 << 20,
            files: 64,
            nodes: 100_000,
            depth: 64,
            interpolation_depth: 16,
            interpolation_bytes: 1 << 20,
            references: 32,
            services: 2_048,
        }
    }
}
