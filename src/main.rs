//! The program `compose-executor`.

use std::process::ExitCode;

use clap::Parser as _;
use compose_executor::cli::{self, Cli};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let environment = std::env::vars().collect();
    cli::run(&cli, environment)
}
