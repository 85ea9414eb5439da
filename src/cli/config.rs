//! `config`: a project as it is understood, in normal form.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use sha2::{Digest as _, Sha256};

use super::project::{ProjectFlags, color, report, write_stderr};
use crate::compose::{
    DiskFiles, LoadError, LoadOptions, Loaded, Map, Node, Value, load, load_model, to_json, to_yaml,
};

/// The flags of `config`.
#[derive(Args, Clone, Debug, Default)]
pub struct ConfigArgs {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// Print the services' names, a line each
    #[arg(long)]
    pub services: bool,
    /// Print the images' names, a line each
    #[arg(long)]
    pub images: bool,
    /// Print the volumes' names, a line each
    #[arg(long)]
    pub volumes: bool,
    /// Print the profiles' names, a line each
    #[arg(long)]
    pub profiles: bool,
    /// Print the variables that files are interpolated with
    #[arg(long)]
    pub environment: bool,
    /// Print a hash of each of these services (a comma between them; `*` is all)
    #[arg(long, value_name = "SERVICES")]
    pub hash: Option<String>,
    /// Leave variables as they are written
    #[arg(long)]
    pub no_interpolate: bool,
    /// Leave out what is implied: default networks, dependencies, names
    #[arg(long)]
    pub no_normalize: bool,
    /// Check, and print nothing
    #[arg(short, long)]
    pub quiet: bool,
    /// Write to a file instead
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print these services alone, with what they depend on
    #[arg(value_name = "SERVICE")]
    pub selected: Vec<String>,
}

/// What a project is printed as.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    #[default]
    Yaml,
    Json,
}

/// Why nothing could be printed.
#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error(transparent)]
    Load(#[from] Box<LoadError>),
    #[error("there is no service {0}")]
    NoSuchService(String),
    #[error("cannot tell the current folder")]
    WorkingDir(#[source] io::Error),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Runs the command: 0, 1 if it fails for a reason of the machine's, 3 if the files are refused.
pub fn run(
    args: &ConfigArgs,
    flags: &ProjectFlags,
    environment: BTreeMap<String, String>,
) -> ExitCode {
    let color = color(&environment);
    match text(args, flags, environment).and_then(|text| write(args, &text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(ConfigError::Load(error)) => {
            write_stderr(&error.render(color));
            ExitCode::from(3)
        }
        Err(error) => {
            let mut message = format!("error: {error}");
            if let Some(cause) = std::error::Error::source(&error) {
                message.push_str(&format!(": {cause}"));
            }
            write_stderr(&format!("{message}\n"));
            ExitCode::from(1)
        }
    }
}

fn text(
    args: &ConfigArgs,
    flags: &ProjectFlags,
    environment: BTreeMap<String, String>,
) -> Result<String, ConfigError> {
    let working_dir = current_dir(&environment)?;
    let mut options = flags.options(working_dir, environment);
    options.normalize = !args.no_normalize;
    options.interpolate = !args.no_interpolate;
    let files = DiskFiles::new(options.limits.file_bytes);
    if args.no_interpolate {
        let model = load_model(&options, &files).map_err(Box::new)?;
        report(&model.warnings, &model.sources);
        return Ok(match args.services {
            true => lines(names(&model.tree, "services")),
            false => print(args.format, &model.tree, false),
        });
    }
    let loaded = load_selected(options, args, &files)?;
    report(&loaded.warnings, &loaded.sources);
    let tree = &loaded.tree;
    Ok(if args.services {
        lines(names(tree, "services"))
    } else if args.volumes {
        lines(names(tree, "volumes"))
    } else if let Some(services) = &args.hash {
        hashes(tree, services)?
    } else if args.profiles {
        lines(profiles(&loaded))
    } else if args.images {
        lines(images(&loaded))
    } else if args.environment {
        let variables = loaded.environment.iter();
        lines(variables.map(|(name, value)| format!("{name}={value}")))
    } else {
        print(args.format, tree, true)
    })
}

/// As the shell calls it, if it is right: links in it stay as the user knows them.
fn current_dir(environment: &BTreeMap<String, String>) -> Result<PathBuf, ConfigError> {
    let real = std::env::current_dir().map_err(ConfigError::WorkingDir)?;
    let called = environment.get("PWD").map(PathBuf::from);
    let same = |path: &PathBuf| path.is_absolute() && path.canonicalize().ok().as_ref() == Some(&real);
    Ok(called.filter(same).unwrap_or(real))
}

/// Loads the project; with services named, these and what they depend on, whatever their profiles.
fn load_selected(
    mut options: LoadOptions,
    args: &ConfigArgs,
    files: &DiskFiles,
) -> Result<Loaded, ConfigError> {
    let selected = &args.selected;
    if selected.is_empty() {
        return Ok(load(&options, files).map_err(Box::new)?);
    }
    options.selected.clone_from(selected);
    let loaded = load(&options, files).map_err(Box::new)?;
    for name in selected {
        if loaded.project.service(name).is_none() {
            return Err(ConfigError::NoSuchService(name.clone()));
        }
    }
    Ok(loaded)
}

fn print(format: Format, tree: &Node, escape: bool) -> String {
    match format {
        Format::Json => to_json(tree, escape),
        Format::Yaml => to_yaml(tree, escape),
    }
}

fn lines(names: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut out = String::new();
    for name in names {
        out.push_str(name.as_ref());
        out.push('\n');
    }
    out
}

fn names<'t>(tree: &'t Node, section: &str) -> BTreeSet<&'t str> {
    let section = tree.get(section).and_then(Node::as_map);
    section.into_iter().flat_map(Map::keys).collect()
}

/// The profiles of all services, active or not.
fn profiles(loaded: &Loaded) -> BTreeSet<String> {
    loaded.profiles.iter().cloned().collect()
}

/// What each service runs: its image, or what one built for it would be called.
fn images(loaded: &Loaded) -> Vec<String> {
    let project = &loaded.project;
    let image = |service: &crate::compose::model::Service| match &service.image {
        Some(image) => image.value.clone(),
        None => format!("{}-{}", project.name, service.name.value),
    };
    let mut images: Vec<_> = project
        .services
        .iter()
        .map(|service| (service.name.value.clone(), image(service)))
        .collect();
    images.sort();
    images.into_iter().map(|(_, image)| image).collect()
}

/// A hash of each service's normal form: equal as long as a service means the same.
fn hashes(tree: &Node, services: &str) -> Result<String, ConfigError> {
    let all = tree.get("services").and_then(Node::as_map);
    let mut wanted: Vec<&str> = match services {
        "*" => all.into_iter().flat_map(Map::keys).collect(),
        listed => listed.split(',').collect(),
    };
    wanted.sort_unstable();
    let mut out = String::new();
    for name in wanted {
        let Some(service) = all.and_then(|all| all.get(name)) else {
            return Err(ConfigError::NoSuchService(name.to_owned()));
        };
        let mut service = service.clone();
        if let Value::Map(map) = &mut service.value {
            // How many there are, and what they wait for, changes nothing about one of them.
            for key in ["depends_on", "profiles", "scale", "pull_policy", "build"] {
                map.remove(key);
            }
        }
        let digest = Sha256::digest(to_json(&service, false));
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        out.push_str(&format!("{name} {hex}\n"));
    }
    Ok(out)
}

fn write(args: &ConfigArgs, text: &str) -> Result<(), ConfigError> {
    if args.quiet {
        return Ok(());
    }
    if let Some(path) = &args.output {
        return std::fs::write(path, text).map_err(|source| ConfigError::Write {
            path: path.clone(),
            source,
        });
    }
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(source) => Err(ConfigError::Write {
            path: PathBuf::from("standard output"),
            source,
        }),
        Ok(()) => Ok(()),
    }
}
