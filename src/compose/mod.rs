//! Compose files to a [`model::Project`].

pub mod diagnostic;
pub mod model;
pub mod source;
