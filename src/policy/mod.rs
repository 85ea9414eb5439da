//! What the operator of a host allows: a project and a policy give violations.
//!
//! The operator writes the tables `[policy.…]` of `config.toml` ([`PolicyFile`]); with who asks, they
//! become the [`Policy`] in force, in which each field knows where its value comes from; [`check()`]
//! holds a merged project against it, before anything has an effect. All of it is pure.
//!
//! The profiles are the levels of Kubernetes' Pod Security Standards
//! (<https://kubernetes.io/docs/concepts/security/pod-security-standards/>). `docs/policy.md` is for
//! operators.

mod check;
mod external_volume;
mod fields;
mod file;
mod host_path;
mod limit;
mod names;
#[cfg(test)]
mod pod_security;
mod profile;
#[cfg(test)]
mod properties;
mod setting;
mod violation;

pub use check::{Surroundings, check};
pub use external_volume::{ExternalVolume, ExternalVolumes};
pub use fields::Policy;
pub use file::{PolicyFile, Whom};
pub use host_path::HostPaths;
pub use limit::Limit;
pub use names::{Devices, Names, Ulimits};
pub use profile::{Ports, Profile, Seccomp, Up};
pub use setting::{Origin, Place, Row, Setting};
pub use violation::Violation;
