//! `volumes` and `tmpfs` of a service: what is mounted into it.

use std::path::PathBuf;

use super::resource::ByteSize;
use crate::compose::source::{Span, Spanned};

/// One mount, short and long form alike.
#[derive(Clone, Debug)]
pub struct Mount {
    pub span: Span,
    pub kind: MountKind,
    /// Absolute path in the container.
    pub target: Spanned<PathBuf>,
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug)]
pub enum MountKind {
    Bind {
        source: Spanned<PathBuf>,
        options: BindOptions,
    },
    /// No source: an anonymous volume.
    Volume {
        source: Option<Spanned<String>>,
        nocopy: bool,
        subpath: Option<Spanned<PathBuf>>,
    },
    Tmpfs {
        size: Option<Spanned<ByteSize>>,
        mode: Option<u32>,
        options: Vec<String>,
    },
    Image {
        source: Spanned<String>,
        subpath: Option<Spanned<PathBuf>>,
    },
    /// `cluster` and `npipe`: nothing that runs here.
    Other(Spanned<String>),
}

/// The `bind` part of a mount.
#[derive(Clone, Debug)]
pub struct BindOptions {
    pub propagation: Option<Spanned<Propagation>>,
    /// Make the source, a directory, where it is missing.
    pub create_host_path: bool,
    /// `recursive`: enabled, disabled, writable, readonly.
    pub recursive: Option<Spanned<String>>,
    /// `z` or `Z`.
    pub selinux: Option<Spanned<String>>,
}

/// How mounts below it spread, as `mount_namespaces(7)` has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Private,
    RPrivate,
    Shared,
    RShared,
    Slave,
    RSlave,
}
