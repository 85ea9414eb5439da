//! Mesos' messages as they are on the wire, made by prost from `mesos.proto`.
//!
//! They stay within [`super`]: what leaves this folder is a type of ours.

#![allow(
    clippy::all,
    clippy::pedantic,
    dead_code,
    missing_debug_implementations,
    unreachable_pub,
    reason = "generated code"
)]

include!(concat!(env!("OUT_DIR"), "/mesos.rs"));

#[cfg(test)]
mod tags;
