//! The program `compose-executor`: see [`compose_executor::cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    compose_executor::cli::main(std::env::args_os().collect(), std::env::vars_os().collect())
}
