//! The kernel's interface: cgroups, namespaces, mounts, processes, and files opened with care.
//!
//! Only here are nix and libc known, and only here may code be unsafe. Nothing in here knows what a
//! pod is: paths, numbers and descriptors come in, kernel objects come out. All calls block; those
//! that can take more than a moment say so and have a bound.

pub mod background;
pub mod beneath;
pub mod cgroup;
pub mod copy;
pub mod device;
pub mod durable;
pub mod environment;
mod failure;
pub mod features;
pub mod fifo;
pub mod footprint;
pub mod host;
pub mod identity;
pub mod mount;
pub mod mountns;
pub mod netns;
mod new_descriptor;
pub mod offspring;
pub mod pin;
pub mod pipe;
pub mod process;
pub mod session;
pub mod signal;
pub mod sysfs;
pub mod terminal;
pub mod tree;
pub mod watch;

pub use failure::PathError;
