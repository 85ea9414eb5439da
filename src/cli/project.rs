//! The flags that name a project, for every command that reads one; as Docker Compose has them.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use clap::Args;

use crate::compose::LoadOptions;

/// Where a project is, and which parts of it count.
#[derive(Args, Clone, Debug, Default)]
pub struct ProjectFlags {
    /// A Compose file; several are merged in their order
    #[arg(id = "file", short, long, value_name = "FILE", global = true)]
    pub files: Vec<PathBuf>,
    /// The project's name
    #[arg(short = 'p', long, value_name = "NAME", global = true)]
    pub project_name: Option<String>,
    /// A profile to activate; `*` is all of them
    #[arg(id = "profile", long, value_name = "NAME", global = true)]
    pub profiles: Vec<String>,
    /// A file of variables, instead of `.env`
    #[arg(id = "env-file", long, value_name = "FILE", global = true)]
    pub env_files: Vec<PathBuf>,
    /// What relative paths are relative to, instead of the first file's folder
    #[arg(long, value_name = "FOLDER", global = true)]
    pub project_directory: Option<PathBuf>,
}

impl ProjectFlags {
    /// What is to be loaded, seen from the current folder and with these variables.
    pub fn load_options(
        &self,
        environment: BTreeMap<String, String>,
    ) -> Result<LoadOptions, WorkingDirError> {
        Ok(LoadOptions {
            files: self.files.clone(),
            project_directory: self.project_directory.clone(),
            project_name: self.project_name.clone(),
            profiles: self.profiles.clone(),
            env_files: self.env_files.clone(),
            working_dir: working_dir(&environment)?,
            environment,
            ..LoadOptions::default()
        })
    }
}

/// The current folder can't be told: it was removed, perhaps.
#[derive(Debug, thiserror::Error)]
#[error("cannot tell the current folder")]
pub struct WorkingDirError(#[source] io::Error);

/// The current folder as the shell calls it, if it is right: links in it stay as the user knows them.
fn working_dir(environment: &BTreeMap<String, String>) -> Result<PathBuf, WorkingDirError> {
    let real = std::env::current_dir().map_err(WorkingDirError)?;
    let called = environment.get("PWD").map(PathBuf::from);
    let same =
        |path: &PathBuf| path.is_absolute() && path.canonicalize().ok().as_ref() == Some(&real);
    Ok(called.filter(same).unwrap_or(real))
}
