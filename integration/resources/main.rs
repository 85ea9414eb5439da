//! Black-box tests of `compose-resources`: the program on files, without root and without containers.
//!
//! [`corpus`] holds its sums against public Compose files, [`documentation`] runs the examples of
//! `docs/resources.md`, [`marathon`] has the rules of app definitions.

mod corpus;
mod dependencies;
mod documentation;
mod flags;
mod marathon;
mod program;
mod refusals;
mod values;
