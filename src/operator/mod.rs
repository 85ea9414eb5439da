//! What an operator does with the pods of a host, beside the processes that run them: find them, see
//! how they are, read their logs, run a program in one, end one.
//!
//! The records lead to everything ([`crate::journal`]): containers, cgroups, logs. The process that
//! runs a pod is asked for nothing but to end it, by a signal; the rest comes from containerd, from
//! the kernel and from files, so that it works the same for Mesos' pods and for those of `up`.

pub mod down;
pub mod end;
pub mod events;
pub mod exec;
pub mod logs;
pub mod pods;
pub mod state;
pub mod stats;
