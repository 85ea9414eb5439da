//! The top level of a Compose file.

use std::path::PathBuf;
use std::time::Duration;

use super::resource::{ByteSize, Cpus};
use super::service::Service;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::source::{Span, Spanned};

/// All files of a load as one: only active services, and what they use.
#[derive(Clone, Debug, Default)]
pub struct Project {
    pub name: String,
    /// Relative paths of the files are relative to it. Absolute.
    pub working_dir: PathBuf,
    /// In the order in which the files first name them.
    pub services: Vec<Service>,
    /// Names of the services that the active profiles leave out.
    pub disabled: Vec<String>,
    pub networks: Vec<Network>,
    pub volumes: Vec<Volume>,
    pub configs: Vec<Config>,
    pub secrets: Vec<Secret>,
    /// The key `models`, where there is one.
    pub models: Option<Span>,
    /// The top-level `x-pod`.
    pub pod: PodExtension,
    /// What the loader takes as Docker Compose takes it and no launch can: part of
    /// [`engine_checks`](crate::compose::engine_checks).
    pub deferred: Vec<Diagnostic>,
}

impl Project {
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services
            .iter()
            .find(|service| service.name.value == name)
    }
}

/// The extension `x-pod` at the top of a file: what Compose has no word for.
#[derive(Clone, Debug, Default)]
pub struct PodExtension {
    /// Archives in the sandbox that hold images; relative paths.
    pub images: Vec<Spanned<PathBuf>>,
    /// The service whose end is the pod's end.
    pub main: Option<Spanned<String>>,
    /// False keeps every service in a PID namespace of its own.
    pub share_pid: Option<Spanned<bool>>,
    pub resources: PodResources,
}

/// `x-pod: {resources: …}`: overrides for the sums.
#[derive(Clone, Debug, Default)]
pub struct PodResources {
    pub cpus: Option<Spanned<Cpus>>,
    pub mem: Option<Spanned<ByteSize>>,
    pub disk: Option<Spanned<ByteSize>>,
}

/// `external: true`, and the name it is known by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    pub span: Span,
}

/// A top-level `networks` entry.
#[derive(Clone, Debug)]
pub struct Network {
    pub key: Spanned<String>,
    /// The real name: `<project>_<key>` by default.
    pub name: String,
    pub driver: Option<Spanned<String>>,
    pub internal: Option<Spanned<bool>>,
    pub external: Option<External>,
    pub ipam: Option<Span>,
}

/// A top-level `volumes` entry.
#[derive(Clone, Debug)]
pub struct Volume {
    pub key: Spanned<String>,
    /// The real name: `<project>_<key>` by default.
    pub name: String,
    pub driver: Option<Spanned<String>>,
    pub driver_opts: Vec<(Spanned<String>, String)>,
    pub external: Option<External>,
}

/// A top-level `configs` entry.
#[derive(Clone, Debug)]
pub struct Config {
    pub key: Spanned<String>,
    pub name: String,
    pub source: ConfigSource,
}

/// Where a config's content is.
#[derive(Clone, Debug)]
pub enum ConfigSource {
    File(Spanned<PathBuf>),
    Environment(Spanned<String>),
    Content(Spanned<String>),
    External(External),
}

/// A top-level `secrets` entry.
#[derive(Clone, Debug)]
pub struct Secret {
    pub key: Spanned<String>,
    pub name: String,
    pub source: SecretSource,
}

/// Where a secret's content is.
#[derive(Clone, Debug)]
pub enum SecretSource {
    File(Spanned<PathBuf>),
    Environment(Spanned<String>),
    External(External),
    /// `driver`: a plug-in of the engine's.
    Driver(Spanned<String>),
}

/// Processes and threads of a service that sets no `pids_limit`.
pub const SERVICE_PIDS: u64 = 1024;
/// Processes and threads of a whole pod, which bound a service that asks for no limit.
pub const POD_PIDS: u64 = 4096;
/// Docker's `stop_grace_period` where a service has none.
pub const DEFAULT_STOP_GRACE: Duration = Duration::from_secs(10);
