//! What an image's configuration says of its containers' process.

/// The part of an image's configuration that a runtime document takes up, as the OCI image
/// specification's `config` object has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageDefaults {
    pub entrypoint: Vec<String>,
    pub cmd: Vec<String>,
    /// `NAME=value`.
    pub env: Vec<String>,
    /// `user`, `uid`, `user:group` and their mixtures.
    pub user: Option<String>,
    pub working_dir: Option<String>,
}
