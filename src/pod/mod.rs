//! A project and a task become a [`plan::PodPlan`]: names, start order, mounts, limits. Pure.

mod configs;
pub mod context;
mod dns;
mod hosts;
mod mounts;
pub mod names;
mod networks;
pub mod order;
pub mod plan;
pub mod planner;
mod signal;
pub mod verdict;
