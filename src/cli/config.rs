//! `config`: a project as it is understood, in normal form.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::mem::ManuallyDrop;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sha2::{Digest as _, Sha256};

use super::Environment;
use super::exit::{self, CommandError};
use super::policy::{self, PolicyFlags};
use super::project::ProjectFlags;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::source::SourceMap;
use crate::compose::{
    DiskFiles, LoadOptions, Loaded, Map, Node, Printed, Value, load, load_model, render, to_json,
    to_yaml,
};

/// The flags of `config`.
#[derive(Args, Clone, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "flags of a command line, each of its own"
)]
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
    /// Print the variables that files are interpolated with, but for secrets' contents
    #[arg(long)]
    pub environment: bool,
    /// Print a hash of each of these services (a comma between them; `*` is all)
    #[arg(long, value_name = "SERVICES")]
    pub hash: Option<String>,
    /// Leave variables as they are written
    #[arg(long, conflicts_with = "policy")]
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
    #[command(flatten)]
    policy: PolicyFlags,
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

/// Why nothing could be printed, beside the files themselves.
#[derive(Debug, thiserror::Error)]
enum ConfigError {
    #[error("there is no active service {0}")]
    NoSuchService(String),
    #[error("cannot write {}", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

pub(super) fn run(
    args: &ConfigArgs,
    project: &ProjectFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let options = project.load_options(environment.texts());
    let options = options.map_err(CommandError::failed)?;
    let text = text(args, options)?;
    if args.quiet {
        return Ok(exit::SUCCESS);
    }
    match &args.output {
        None => exit::print(&text)?,
        Some(path) => std::fs::write(path, text).map_err(|source| {
            let path = path.clone();
            CommandError::failed(ConfigError::Write { path, source })
        })?,
    }
    Ok(exit::SUCCESS)
}

fn text(args: &ConfigArgs, mut options: LoadOptions) -> Result<String, CommandError> {
    options.normalize = !args.no_normalize;
    options.interpolate = !args.no_interpolate;
    // Names and hashes are those of all services, whichever were named.
    if !args.services && args.hash.is_none() {
        options.selected.clone_from(&args.selected);
    }
    let files = DiskFiles::new(options.limits.file_bytes);
    if args.no_interpolate {
        let model = load_model(&options, &files).map_err(|error| CommandError::load(&error))?;
        warn(&model.warnings, &model.sources);
        return Ok(if args.services {
            lines(names(&model.tree, "services"))
        } else {
            print(args.format, &model.tree, Printed::Model)
        });
    }
    let loaded = load(&options, &files).map_err(|error| CommandError::load(&error))?;
    // The process is about to end, which frees it all at once.
    let loaded = ManuallyDrop::new(loaded);
    warn(&loaded.warnings, &loaded.sources);
    if let Some(policy) = args.policy.in_force()? {
        policy::hold(&loaded, &policy)?;
    }
    for name in &args.selected {
        if loaded.project.service(name).is_none() {
            let error = ConfigError::NoSuchService(name.clone());
            return Err(CommandError::failed(error));
        }
    }
    if args.quiet {
        return Ok(String::new());
    }
    let tree = &loaded.tree;
    Ok(if args.services {
        lines(names(tree, "services"))
    } else if args.volumes {
        lines(names(tree, "volumes"))
    } else if let Some(services) = &args.hash {
        hashes(tree, services).map_err(CommandError::failed)?
    } else if args.profiles {
        lines(&loaded.profiles)
    } else if args.images {
        lines(images(&loaded))
    } else if args.environment {
        lines(variables(&loaded))
    } else {
        print(args.format, tree, Printed::Project)
    })
}

/// What is odd about the files, with their lines.
fn warn(warnings: &[Diagnostic], sources: &SourceMap) {
    if !warnings.is_empty() {
        exit::warn(&render(warnings, sources, exit::colours()));
    }
}

fn print(format: Format, tree: &Node, printed: Printed) -> String {
    match format {
        Format::Json => to_json(tree, printed),
        Format::Yaml => to_yaml(tree, printed),
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

/// The variables that files are interpolated with, but for the contents of secrets.
fn variables(loaded: &Loaded) -> Vec<String> {
    let all = loaded.environment.iter();
    all.filter(|(name, _)| !loaded.secret_variables.contains(*name))
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
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
        let digest = Sha256::digest(to_json(&service, Printed::Model));
        let _ = write!(out, "{name} ");
        for byte in &digest[..] {
            let _ = write!(out, "{byte:02x}");
        }
        out.push('\n');
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secrets_content_is_not_among_the_variables() {
        let folder = tempfile::tempdir().unwrap();
        let text = "services: {a: {image: i}}\nsecrets: {s: {environment: TOKEN}}\n";
        std::fs::write(folder.path().join("compose.yaml"), text).unwrap();
        let mut options = LoadOptions::new(folder.path());
        for (name, value) in [("TOKEN", "hunter2"), ("TAG", "1")] {
            options
                .environment
                .insert(name.to_owned(), value.to_owned());
        }
        let loaded = load(&options, &DiskFiles::new(options.limits.file_bytes)).unwrap();
        let printed = variables(&loaded);
        assert!(printed.contains(&"TAG=1".to_owned()));
        assert!(!printed.concat().contains("hunter2"));
    }
}
