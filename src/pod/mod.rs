//! A project and a task become a [`plan::PodPlan`]: names, start order, mounts, limits. Pure.

mod configs;
pub mod context;
mod devices;
mod dns;
mod hosts;
mod image_volumes;
pub mod life;
mod limits;
pub mod logging;
mod mounts;
pub mod names;
mod networks;
pub mod order;
pub mod plan;
pub mod planner;
mod process;
mod rights;
mod security_opt;
mod sharing;
mod signal;
mod sysctls;
#[cfg(test)]
mod testing;
pub(crate) mod tmpfs;
pub mod verdict;
mod volumes;
mod volumes_from;

pub(crate) use limits::cpu_list;
pub use volumes::kept_folder;
