//! A [`ContainerPlan`](crate::pod::plan::ContainerPlan) and what its image says become an OCI
//! runtime document, `config.json`. Pure.
//!
//! The documents start from `runtime-specs/` ([`BaseSpecs`]), which hold everything that is the
//! same for each container; [`container_spec`] and [`pause_spec`] fill in the rest. A document is
//! complete before the first container exists, but for the pause container's pid, which
//! [`join`] puts in. The words are the OCI runtime specification's
//! (<https://github.com/opencontainers/runtime-spec>); runc 1.1 and crun 1.8 take the result.

mod base;
mod capabilities;
mod clamp;
mod devices;
mod environment;
mod error;
mod exec;
mod host;
mod image;
mod json;
mod mounts;
mod namespaces;
mod process;
mod resources;
mod sandbox;
mod seccomp;
mod seccomp_file;
mod seccomp_filter;
mod spec;
mod user;

pub use base::{BaseSpecError, BaseSpecs, BaseTexts, Document};
pub use clamp::lowered;
pub use devices::{HostDevice, HostDevices};
pub use error::{ProcessError, SpecError};
pub use exec::{ExecInput, exec_process};
pub use host::{Arch, HostFacts, KernelVersion, KernelVersionError};
pub use image::ImageDefaults;
pub use json::to_json;
pub use mounts::{ContainerFiles, is_reserved};
pub use namespaces::{PauseRef, join};
pub use oci_spec::runtime::{Capabilities, Capability, PosixRlimitType, Process, Spec};
pub use process::is_kernels;
pub use sandbox::pause_spec;
pub use seccomp_file::{SeccompFile, SeccompFileError};
pub use seccomp_filter::SeccompFilters;
pub use spec::{ContainerInput, container_spec};
pub use user::{Accounts, ResolvedUser, UserError};

#[cfg(test)]
mod fixture;
