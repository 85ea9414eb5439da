//! Mesos events to pods, pod reports to status updates.

pub mod config;
pub mod trust;
