//! The command line: a file for each command.
//!
//! [`main`] reads as a table of contents. Without a command and under Mesos the program is the
//! executor; else it does what Docker Compose's users expect of the word they typed.

mod cleanup;
pub mod config;
mod containerd;
mod context;
mod detach;
mod doctor;
mod down;
mod events;
mod exec;
mod exit;
mod host_flags;
mod image;
mod inspect;
mod logs;
mod plan;
mod pod_flags;
mod policy;
pub mod project;
mod ps;
mod run_executor;
mod service_flags;
mod stats;
mod table;
mod up;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use context::Environment;
use exit::CommandError;
use host_flags::HostFlags;
use project::ProjectFlags;

/// Runs a Compose file as one pod of containerd's: as a task of Apache Mesos, or by hand.
#[derive(Debug, Parser)]
#[command(
    name = "compose-executor",
    version,
    arg_required_else_help = false,
    after_help = "Examples:
  compose-executor up                        run compose.yaml here as a pod; Ctrl-C stops it
  compose-executor ps                        the pods of this host
  compose-executor logs -f web               what a service writes
  compose-executor exec web sh               a shell beside a service
  compose-executor down                      end the pod of this folder
  compose-executor config --format json      show the file as it is understood
  compose-executor plan                      show what up would do
  compose-executor image load app.tar        make the images of an archive known to all pods
  compose-executor cleanup --dry-run         show what dead pods left on this host
  compose-executor doctor                    tell whether this host can run pods

Without a command, started by a Mesos agent: the executor."
)]
struct Cli {
    #[command(flatten)]
    project: ProjectFlags,
    #[command(flatten)]
    host: HostFlags,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the project's services as a pod, and show what they write
    Up(up::UpArgs),
    /// End pods, and take away what they left
    Down(down::DownArgs),
    /// List pods and how their services are
    Ps(ps::PsArgs),
    /// Show what a pod's services wrote
    Logs(logs::LogsArgs),
    /// Run a program in a service's container
    Exec(exec::ExecArgs),
    /// Show what services use of CPU and memory
    Stats(stats::StatsArgs),
    /// Show what happens to pods
    Events(events::EventsArgs),
    /// Show all that is known of pods
    Inspect(inspect::InspectArgs),
    /// Show the project as it is understood
    Config(config::ConfigArgs),
    /// Show what `up` would do, and do nothing
    Plan(plan::PlanArgs),
    /// Load images from archives, or list the ones that are there
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Show what the operator of this host allows
    #[command(subcommand)]
    Policy(policy::PolicyCommand),
    /// Take away what pods whose executor died have left
    Cleanup(cleanup::CleanupArgs),
    /// Tell whether this host can run pods, and what to do where it can't
    Doctor(doctor::DoctorArgs),
    /// Print a completion script for a shell
    Completions { shell: clap_complete::Shell },
    /// Print the manual page
    Man,
}

/// The program: arguments and environment in, an exit code out.
pub fn main(arguments: &[OsString], environment: Vec<(OsString, OsString)>) -> ExitCode {
    if let Err(error) = crate::sys::signal::unblock_all() {
        exit::warn(&format!("compose-executor: signals stay blocked: {error}"));
    }
    let environment = Environment::new(environment);
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help goes to standard output and is success; a mistake goes to standard error.
            let code = if error.use_stderr() {
                exit::USAGE
            } else {
                exit::SUCCESS
            };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    exit::code(run(cli, &environment, arguments))
}

fn run(cli: Cli, environment: &Environment, arguments: &[OsString]) -> Result<u8, CommandError> {
    let Cli {
        project,
        host,
        command,
    } = cli;
    match command {
        None if environment.get("MESOS_SLAVE_PID").is_some() => {
            run_executor::run(&project, host, environment)
        }
        None => {
            exit::print(&Cli::command().render_help().to_string())?;
            Ok(exit::USAGE)
        }
        Some(Command::Up(args)) => up::run(&args, &project, &host, environment, arguments),
        Some(Command::Down(args)) => down::run(&args, &project, &host, environment),
        Some(Command::Ps(args)) => ps::run(&args, &project, &host, environment),
        Some(Command::Logs(args)) => logs::run(&args, &project, &host, environment),
        Some(Command::Exec(args)) => exec::run(&args, &project, &host, environment),
        Some(Command::Stats(args)) => stats::run(&args, &project, &host, environment),
        Some(Command::Events(args)) => events::run(&args, &project, &host, environment),
        Some(Command::Inspect(args)) => inspect::run(&args, &project, &host, environment),
        Some(Command::Config(args)) => config::run(&args, &project, environment),
        Some(Command::Plan(args)) => plan::run(&args, &project, &host, environment),
        Some(Command::Image(command)) => image::run(command, &host, environment),
        Some(Command::Policy(command)) => policy::run(&command, &host),
        Some(Command::Cleanup(args)) => cleanup::run(&args, &host, environment),
        Some(Command::Doctor(args)) => doctor::run(&args, &host, environment),
        Some(Command::Completions { shell }) => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "compose-executor", &mut script);
            exit::print(&String::from_utf8_lossy(&script))?;
            Ok(exit::SUCCESS)
        }
        Some(Command::Man) => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Cli::command())
                .render(&mut page)
                .map_err(CommandError::Output)?;
            exit::print(&String::from_utf8_lossy(&page))?;
            Ok(exit::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_of_all_commands_fit_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn f_names_a_file_before_logs_and_follows_after() {
        let words = ["compose-executor", "-f", "a.yaml", "logs", "-f", "web"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert_eq!(cli.project.files, [std::path::PathBuf::from("a.yaml")]);
        assert!(matches!(cli.command, Some(Command::Logs(_))));
    }
}
