//! Why a task is refused before a pod is begun. Nothing has been made for it.

use super::config::ConfigError;
use super::description::DescriptionError;
use super::placement::PlacementError;
use super::sandbox::SandboxError;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::source::SourceMap;
use crate::policy::Violation;
use crate::supervisor::host::HostError;

/// A task that is not launched.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error(
        "the executor does not run as root: it can't have containerd run anything below its cgroup. Set the task's user to root"
    )]
    NotRoot,
    #[error(transparent)]
    Sandbox(#[from] SandboxError),
    #[error("no task is launched while the operator's configuration is not in order")]
    Configuration(#[source] ConfigurationError),
    #[error(transparent)]
    Description(#[from] DescriptionError),
    #[error(transparent)]
    Check(#[from] super::checks::CheckError),
    #[error("the Compose file can't be run")]
    Files {
        diagnostics: Vec<Diagnostic>,
        sources: SourceMap,
    },
    #[error("the operator's policy does not allow the pod")]
    Policy {
        violations: Vec<Violation>,
        /// What else is wrong with the files.
        diagnostics: Vec<Diagnostic>,
        sources: SourceMap,
    },
    #[error("this host can't run pods")]
    Host(#[from] HostError),
    #[error("the executor has a fault, and executor.log tells of it")]
    Fault,
    #[error(transparent)]
    Placement(#[from] PlacementError),
}

/// The operator's file, or where the executor was told to keep its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConfigurationError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("--{flag} has no place in an executor")]
    Refused { flag: &'static str },
    #[error("--{flag} can't be trusted")]
    Flag {
        flag: &'static str,
        source: super::trust::Untrusted,
    },
}
