//! A [`PodPlan`](crate::pod::plan::PodPlan), running: launched, watched, stopped, taken away.
//!
//! [`host`] is what pods run on, asked once; [`pod`] is one pod's life, `launch` its beginning with
//! what `prepare` makes ready, `life` and `wind_down` its middle and end, `teardown` what follows.
//! What the rest of the program learns of it is in [`report`].

pub mod checks;
mod command_fault;
mod configs;
mod container;
pub mod course;
mod creation;
mod documents;
mod events;
mod exec;
mod exits;
mod extra_processes;
pub mod facts;
mod healthcheck;
mod hooks;
pub mod host;
mod image_root;
mod images;
pub mod kept;
pub mod known_images;
mod launch;
mod launch_error;
pub mod leftovers;
mod life;
pub mod logs;
pub mod managed;
mod obstacles;
mod orders;
pub mod pod;
mod prepare;
pub mod preview;
mod probes;
mod programs;
mod progress;
mod remote_volumes;
pub mod report;
mod restart;
pub mod runtime;
mod runtime_program;
mod sandbox;
mod silence;
mod storage;
mod teardown;
mod untold;
pub mod user_files;
mod warmth;
mod wind_down;

pub use command_fault::{command_code, not_run};
pub use image_root::accounts;
pub use launch_error::LaunchError;
pub use obstacles::obstacles;
