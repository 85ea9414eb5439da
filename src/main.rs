//! The program `compose-executor`: see [`compose_executor::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    compose_executor::cli::main(&arguments, std::env::vars_os().collect())
}
