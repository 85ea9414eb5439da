//! The command line: a file for each command.

#[cfg(feature = "executor")]
pub mod config;
pub mod project;

#[cfg(feature = "executor")]
use std::collections::BTreeMap;
#[cfg(feature = "executor")]
use std::process::ExitCode;

#[cfg(feature = "executor")]
use clap::{Parser, Subcommand};

/// Runs a Compose file as one pod of containerd's, as a task of Apache Mesos.
#[cfg(feature = "executor")]
#[derive(Debug, Parser)]
#[command(name = "compose-executor", version)]
pub struct Cli {
    #[command(flatten)]
    pub project: project::ProjectFlags,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[cfg(feature = "executor")]
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Print a project as it is understood, in normal form
    Config(config::ConfigArgs),
}

/// Does what the command line asks for.
#[cfg(feature = "executor")]
pub fn run(cli: &Cli, environment: BTreeMap<String, String>) -> ExitCode {
    match &cli.command {
        Command::Config(args) => config::run(args, &cli.project, environment),
    }
}
