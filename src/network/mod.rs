//! A pod's network: the namespace its containers share, and the files that tell them of it.

pub mod files;
mod pod_network;
mod resolv_conf;

pub use pod_network::{NetworkError, PodNetwork, addresses, writable_sys};
pub use resolv_conf::{Reach, ResolvConf, host_resolv_conf};
