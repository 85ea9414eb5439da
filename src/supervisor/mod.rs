//! A [`crate::pod::plan::PodPlan`], running.

pub mod logs;
pub mod runtime;
