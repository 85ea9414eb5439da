//! A project and a task become a [`plan::PodPlan`]: names, start order, mounts, limits. Pure.

pub mod names;
pub mod order;
pub mod plan;
