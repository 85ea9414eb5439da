//! A project and a task become a [`plan::PodPlan`]: names, start order, mounts, limits. Pure.

pub mod context;
mod hosts;
pub mod life;
mod mounts;
pub mod names;
pub mod order;
pub mod plan;
pub mod planner;
mod signal;
mod verdict;
