//! The program `compose-resources`: what to ask Mesos for, so that a project fits into one task.
//!
//! Flags in, a sum out; the sums themselves are the library's. It links neither containerd's bindings
//! nor an asynchronous runtime.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, ValueEnum};

use compose_executor::cli::project::{ProjectFlags, WorkingDirError};
use compose_executor::compose::diagnostic::Diagnostic;
use compose_executor::compose::model::ByteSize;
use compose_executor::compose::source::SourceMap;
use compose_executor::compose::{self, DiskFiles, LoadError, LoadOptions, Loaded};
use compose_executor::resources::output::{self, Job};
use compose_executor::resources::{
    self, Basis, Budget, Defaults, FoldOptions, MilliCpus, Sum, parse_size,
};

/// A check found something.
const FOUND: u8 = 1;
const FAILED: u8 = 1;
/// The files are refused.
const REFUSED: u8 = 3;

/// Tells what to ask Mesos for, so that a Compose project fits into one task.
#[derive(Debug, Parser)]
#[command(
    name = "compose-resources",
    version,
    after_help = "Examples:
  compose-resources                          a table for the compose.yaml here
  compose-resources -f a.yml -f b.yml --format marathon --fetch https://repo/app.tar.gz
                                             a Marathon app, complete
  compose-resources --strict --check cpus=4,mem=8g
                                             for CI: everything is stated, and it fits
  compose-resources --format json | jq .task.mem_bytes

Exit codes: 0; 1 it does not fit; 2 usage; 3 the files are refused, or --strict found a
service that states nothing."
)]
struct Cli {
    #[command(flatten)]
    project: ProjectFlags,
    /// What to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Sum the services' limits, their requests, or keep the two apart
    #[arg(long, value_enum, default_value_t)]
    basis: BasisName,
    /// CPUs of a service that states none
    #[arg(long, value_name = "N", default_value_t = Defaults::default().cpus)]
    default_cpus: MilliCpus,
    /// Memory of a service that states none
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value_t = Defaults::default().mem)]
    default_mem: ByteSize,
    /// How many GPUs `all` of them are
    #[arg(long, value_name = "N")]
    gpus: Option<u64>,
    /// Refuse services that state no CPUs or no memory
    #[arg(long)]
    strict: bool,
    /// Count the most that runs at once: services that others wait out are not added to these
    #[arg(long)]
    peak: bool,
    /// Fail if the task asks for more, as in cpus=4,mem=8g (also disk and gpus)
    #[arg(long, value_name = "BUDGET")]
    check: Option<Budget>,
    /// The executor's path on the agents, for --format marathon
    #[arg(
        long,
        value_name = "PATH",
        default_value = "/usr/local/bin/compose-executor"
    )]
    executor: String,
    /// What the agents fetch into the sandbox, for --format marathon; several are fetched all
    #[arg(long, value_name = "URI")]
    fetch: Vec<String>,
}

/// What a sum is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    #[default]
    Table,
    /// For programs: exact integers
    Json,
    /// An app definition
    Marathon,
    /// A job configuration
    Aurora,
}

/// [`Basis`] as a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum BasisName {
    #[default]
    Limits,
    Requests,
    /// Requests for the task's resources, limits for its limits
    Split,
}

impl From<BasisName> for Basis {
    fn from(name: BasisName) -> Self {
        match name {
            BasisName::Limits => Self::Limits,
            BasisName::Requests => Self::Requests,
            BasisName::Split => Self::Split,
        }
    }
}

/// Why there is no sum, or not where it should be.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    /// Not a fault of the loading: the project's resources are wrong.
    #[error("the project's resources are refused")]
    Resources(Vec<Diagnostic>, SourceMap),
    #[error(transparent)]
    WorkingDir(#[from] WorkingDirError),
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let environment = std::env::vars_os();
    // Compose files know no variables but text.
    let environment = environment
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    match run(&Cli::parse(), environment.collect()) {
        Ok(code) => code,
        // Who reads through `head` has seen enough.
        Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(failure) => {
            tell(&failure);
            ExitCode::from(match failure {
                Failure::Load(_) | Failure::Resources(..) => REFUSED,
                Failure::WorkingDir(_) | Failure::Output(_) => FAILED,
            })
        }
    }
}

fn run(cli: &Cli, environment: BTreeMap<String, String>) -> Result<ExitCode, Failure> {
    let options = cli.project.load_options(environment)?;
    let files = DiskFiles::new(options.limits.file_bytes);
    let loaded = compose::load(&options, &files).map_err(Box::new)?;
    warn(&loaded.warnings, &loaded.sources);
    let folded = resources::fold(&loaded.project, &cli.fold_options());
    let sum = folded.map_err(|errors| Failure::Resources(errors, loaded.sources.clone()))?;
    warn(&sum.warnings, &loaded.sources);
    cli.warn_of_format(&sum);
    print(&cli.text(&sum, &loaded, &options))?;
    let excess = cli.check.map(|budget| budget.exceeded_by(&sum.task));
    let excess = excess.unwrap_or_default();
    for resource in &excess {
        say(&format!("compose-resources: it does not fit: {resource}"));
    }
    Ok(if excess.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FOUND)
    })
}

impl Cli {
    fn fold_options(&self) -> FoldOptions {
        FoldOptions {
            basis: self.basis.into(),
            defaults: Defaults {
                cpus: self.default_cpus,
                mem: self.default_mem,
            },
            strict: self.strict,
            peak: self.peak,
            all_gpus: self.gpus,
        }
    }

    /// What a format can't say itself.
    fn warn_of_format(&self, sum: &Sum) {
        if self.format == Format::Marathon {
            for (service, cpus, mem) in sum.defaulted() {
                let what = match (cpus, mem) {
                    (true, true) => "CPUs and memory",
                    (true, false) => "CPUs",
                    _ => "memory",
                };
                say(&format!(
                    "warning: {service} states no {what}: a default stands in"
                ));
            }
            if self.fetch.is_empty() {
                say("warning: without --fetch the app's `fetch` has a place to fill in");
            }
        }
        if self.format == Format::Aurora && self.basis == BasisName::Split {
            say("warning: Aurora's tasks have no limits: the requests are printed alone");
        }
    }

    fn text(&self, sum: &Sum, loaded: &Loaded, options: &LoadOptions) -> String {
        match self.format {
            Format::Table => output::table(sum),
            Format::Json => lines(&output::json(sum, &loaded.sources)),
            Format::Marathon => lines(&output::marathon(sum, &self.job(loaded, options))),
            Format::Aurora => output::aurora(sum, &self.job(loaded, options)),
        }
    }

    fn job(&self, loaded: &Loaded, options: &LoadOptions) -> Job {
        let variable = |name: &str| loaded.environment.get(name).map_or("", String::as_str);
        let fetch = match self.fetch.as_slice() {
            // A top-level domain that is kept from ever being one.
            [] => vec![format!(
                "https://example.invalid/{}.tar.gz",
                archive_name(loaded)
            )],
            fetch => fetch.to_vec(),
        };
        let files = match self.project.files.as_slice() {
            [] => {
                let separator = variable("COMPOSE_PATH_SEPARATOR");
                let separator = if separator.is_empty() { ":" } else { separator };
                let files = variable("COMPOSE_FILE").split(separator);
                files
                    .filter(|file| !file.is_empty())
                    .map(PathBuf::from)
                    .collect()
            }
            files => files.to_vec(),
        };
        let profiles = match self.project.profiles.as_slice() {
            [] => {
                let profiles = variable("COMPOSE_PROFILES").split(',').map(str::trim);
                let profiles = profiles.filter(|profile| !profile.is_empty());
                profiles.map(str::to_owned).collect()
            }
            profiles => profiles.to_vec(),
        };
        let folder = &loaded.project.working_dir;
        Job {
            executor: self.executor.clone(),
            fetch,
            // What comes from standard input has no name to be found by.
            files: files
                .iter()
                .filter(|file| file.as_path() != Path::new("-"))
                .map(|file| in_sandbox(&options.working_dir.join(file), folder))
                .collect(),
            profiles,
        }
    }
}

/// A name for what is to be fetched.
fn archive_name(loaded: &Loaded) -> &str {
    match loaded.project.name.as_str() {
        "" => "pod",
        name => name,
    }
}

/// What a file is called in the sandbox: as it is seen from the project's folder, which becomes the
/// sandbox; outside of that, by its name alone.
fn in_sandbox(file: &Path, folder: &Path) -> PathBuf {
    let file = compose::files::clean(file);
    let name = || file.file_name().map(PathBuf::from);
    let below = file.strip_prefix(folder).ok().map(Path::to_owned);
    below.or_else(name).unwrap_or_else(|| file.clone())
}

fn lines(value: &serde_json::Value) -> String {
    format!("{value:#}\n")
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Output)
}

fn color() -> bool {
    io::stderr().is_terminal()
}

fn warn(diagnostics: &[Diagnostic], sources: &SourceMap) {
    if !diagnostics.is_empty() {
        say(&compose::render(diagnostics, sources, color()));
    }
}

fn tell(failure: &Failure) {
    match failure {
        Failure::Load(error) => say(&error.render(color())),
        Failure::Resources(errors, sources) => say(&compose::render(errors, sources, color())),
        failure => match std::error::Error::source(failure) {
            Some(cause) => say(&format!("compose-resources: {failure}: {cause}")),
            None => say(&format!("compose-resources: {failure}")),
        },
    }
}

/// A line to standard error, as far as somebody reads it.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}
