//! Compose files to a [`model::Project`].

pub mod diagnostic;
pub mod files;
mod limits;
pub mod model;
pub mod source;
pub use limits::Limits;
mod stub;
pub use stub::*;
