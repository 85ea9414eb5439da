//! Compose files to a [`model::Project`]: everything that Docker Compose's loader does, with the place
//! of every value kept, so that an error can show where it was written.
//!
//! [`load()`] is the way in, and its module tells the steps. Files come through the trait [`Files`];
//! the environment, the folder and the [`Limits`] are handed in: nothing here looks around.

pub mod diagnostic;
pub mod dotenv;
pub mod files;
pub mod interpolate;
pub mod model;
pub mod source;
pub mod units;

mod canonical;
mod decode;
mod defaults;
mod discovery;
mod document;
mod encoding;
mod engine;
mod environment;
mod extends;
mod include;
mod limits;
mod load;
mod loading;
mod map;
mod merge;
mod name;
mod near;
mod node;
mod normal_form;
mod normalize;
mod path;
mod paths;
mod print;
#[cfg(test)]
mod probes;
mod prune;
mod references;
mod render;
mod reset;
mod scalar;
mod schema;
mod service_files;
mod short_port;
mod short_volume;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod unique;
mod words;
mod yaml;

pub use engine::engine_checks;
pub use files::{DiskFiles, FileError, FileKind, Files};
pub use limits::Limits;
pub use load::{Discovery, LoadError, LoadOptions, Loaded, Model, load, load_model};
#[cfg(feature = "executor")]
pub(crate) use near::nearest;
pub use node::{Map, Node, Tag, Value};
pub use print::{Printed, to_json, to_yaml};
pub use render::render;
