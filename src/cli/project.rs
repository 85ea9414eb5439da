//! The flags that name a project, for every command that reads one; as Docker Compose has them.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::source::SourceMap;
use crate::compose::{DiskFiles, LoadError, LoadOptions, Loaded, load, render};

/// Where a project is, and which parts of it count.
#[derive(Args, Clone, Debug, Default)]
pub struct ProjectFlags {
    /// A Compose file; several are merged in their order
    #[arg(short = 'f', long = "file", value_name = "FILE", global = true)]
    pub files: Vec<PathBuf>,
    /// The project's name
    #[arg(short = 'p', long, value_name = "NAME", global = true)]
    pub project_name: Option<String>,
    /// A profile to activate; `*` is all of them
    #[arg(long = "profile", value_name = "NAME", global = true)]
    pub profiles: Vec<String>,
    /// A file of variables, instead of `.env`
    #[arg(long = "env-file", value_name = "FILE", global = true)]
    pub env_files: Vec<PathBuf>,
    /// What relative paths are relative to, instead of the first file's folder
    #[arg(long, value_name = "FOLDER", global = true)]
    pub project_directory: Option<PathBuf>,
}

impl ProjectFlags {
    /// What is to be loaded, seen from a folder and with these variables.
    pub fn options(
        &self,
        working_dir: PathBuf,
        environment: BTreeMap<String, String>,
    ) -> LoadOptions {
        LoadOptions {
            files: self.files.clone(),
            project_directory: self.project_directory.clone(),
            project_name: self.project_name.clone(),
            profiles: self.profiles.clone(),
            env_files: self.env_files.clone(),
            environment,
            ..LoadOptions::new(working_dir)
        }
    }

    /// Loads the project from disk. What is odd about it goes to standard error.
    pub fn load(
        &self,
        working_dir: PathBuf,
        environment: BTreeMap<String, String>,
    ) -> Result<Loaded, LoadError> {
        let options = self.options(working_dir, environment);
        let loaded = load(&options, &DiskFiles::new(options.limits.file_bytes))?;
        report(&loaded.warnings, &loaded.sources);
        Ok(loaded)
    }
}

/// Whether standard error is read by a person who wants colours.
pub fn color(environment: &BTreeMap<String, String>) -> bool {
    let refused = environment.get("NO_COLOR").is_some_and(|value| !value.is_empty());
    !refused && io::stderr().is_terminal()
}

/// Diagnostics to standard error.
pub fn report(diagnostics: &[Diagnostic], sources: &SourceMap) {
    write_stderr(&render(diagnostics, sources, io::stderr().is_terminal()));
}

/// A text to standard error, as far as somebody reads it.
pub fn write_stderr(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}
