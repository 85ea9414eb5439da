//! Runs a Compose file as one pod of containerd's, as a task of Apache Mesos.
//!
//! The modules in the order of the data: a task comes from the agent ([`mesos`]); its Compose file
//! becomes a project ([`compose`]), which the operator may not allow ([`policy`]); it becomes a plan ([`pod`]) and the plan OCI runtime
//! documents ([`oci`]); the [`supervisor`] has [`containerd`] carry them out, with an [`image`] and
//! a [`network`], and the [`journal`] knows what was made. [`executor`] joins the two ends.
//! `ARCHITECTURE.md` tells the whole way.
//!
//! `compose`, [`policy`], `pod`, `oci` and [`resources`] are pure: no async, no clock, no file but
//! through a trait that is handed in. Only [`sys`] may hold unsafe code.

pub mod compose;
pub mod resources;

#[cfg(feature = "executor")]
pub mod cli;
/// The part of the command line that both programs have.
#[cfg(not(feature = "executor"))]
pub mod cli {
    pub mod project;
}

#[cfg(feature = "executor")]
pub mod containerd;
#[cfg(feature = "executor")]
pub mod executor;
#[cfg(feature = "executor")]
pub mod image;
/// The part of images that is pure: their names.
#[cfg(not(feature = "executor"))]
pub mod image {
    mod digest;
    mod reference;

    pub use digest::{Digest, Hasher, InvalidDigest};
    pub use reference::{Fault, ImageRef, InvalidReference};
}
#[cfg(feature = "executor")]
pub mod journal;
#[cfg(feature = "executor")]
pub mod logfile;
#[cfg(feature = "executor")]
pub mod mesos;
#[cfg(feature = "executor")]
pub mod network;
#[cfg(feature = "executor")]
pub mod oci;
#[cfg(feature = "executor")]
pub mod operator;
#[cfg(feature = "executor")]
pub mod pod;
#[cfg(feature = "executor")]
pub mod policy;
#[cfg(feature = "executor")]
pub mod supervisor;
#[cfg(feature = "executor")]
#[allow(unsafe_code, reason = "the kernel's interface: the one place for it")]
pub mod sys;
#[cfg(feature = "executor")]
pub mod tls;
