//! The task's sandbox: checked, and opened so that no name leads out of it.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::mesos::{ExecutorEnv, Subscribed};
use crate::sys::beneath::{self, Folder};

/// Everything of ours in a sandbox but stdout, stderr and executor.log. The program itself is often
/// fetched to the sandbox, under its own name.
pub(super) const OWN_FOLDER: &str = "compose-executor.d";
const LOG: &str = "executor.log";

/// A sandbox that is the one the agent made for this executor.
#[derive(Debug)]
pub(super) struct Sandbox {
    path: PathBuf,
    folder: Folder,
}

/// What is wrong with the sandbox. Users can set the variables that name it, and put links into
/// the archives that are fetched to it.
#[derive(Debug, thiserror::Error)]
pub(super) enum SandboxError {
    #[error("the agent did not tell the container's id, so the sandbox can't be checked")]
    NoContainer,
    #[error("MESOS_DIRECTORY={} is not the sandbox of this executor: it does not end in {expected}", path.display())]
    NotOurs { path: PathBuf, expected: String },
    #[error(
        "MESOS_SANDBOX={} is not MESOS_DIRECTORY={}: leave both to the agent, and give the executor no image",
        sandbox.display(), directory.display()
    )]
    Differs {
        sandbox: PathBuf,
        directory: PathBuf,
    },
    #[error("the sandbox can't be opened")]
    Open(#[source] beneath::Error),
    #[error("{name} in the sandbox can't be written: nothing else may have that name")]
    Taken {
        name: &'static str,
        source: beneath::Error,
    },
}

impl Sandbox {
    /// Opens the sandbox, if it is the one of the executor that the agent has subscribed.
    pub(super) fn open(env: &ExecutorEnv, subscribed: &Subscribed) -> Result<Self, SandboxError> {
        let container = subscribed
            .container_id
            .as_ref()
            .ok_or(SandboxError::NoContainer)?;
        let expected = format!("executors/{}/runs/{container}", env.executor_id);
        if !env.directory.ends_with(&expected) {
            return Err(SandboxError::NotOurs {
                path: env.directory.clone(),
                expected,
            });
        }
        if env.sandbox != env.directory {
            let (sandbox, directory) = (env.sandbox.clone(), env.directory.clone());
            return Err(SandboxError::Differs { sandbox, directory });
        }
        let folder = Folder::open(&env.directory).map_err(SandboxError::Open)?;
        Ok(Self {
            path: env.directory.clone(),
            folder,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Another descriptor of the same folder.
    pub(super) fn folder(&self) -> Result<Folder, SandboxError> {
        self.folder
            .folder(Path::new("."))
            .map_err(SandboxError::Open)
    }

    /// The same, with the rights of its owner: for what a user names.
    pub(super) fn users_folder(&self) -> Result<Folder, SandboxError> {
        let folder = self.folder()?;
        folder.with_owners_rights().map_err(SandboxError::Open)
    }

    /// Opens executor.log for writing at its end.
    pub(super) fn log(&self) -> Result<File, SandboxError> {
        self.folder
            .append(Path::new(LOG), 0o644)
            .map_err(|source| SandboxError::Taken { name: LOG, source })
    }

    /// Checks that the folder that is ours can be.
    pub(super) fn check_own_folder(&self) -> Result<(), SandboxError> {
        match self.folder.folder(Path::new(OWN_FOLDER)) {
            Err(error) if error.is_not_found() => Ok(()),
            Ok(_) => Ok(()),
            Err(source) => Err(SandboxError::Taken {
                name: OWN_FOLDER,
                source,
            }),
        }
    }

    /// Where the agent keeps all sandboxes: what lies in it is no operator's.
    pub(super) fn work_dir(&self) -> Option<&Path> {
        // <work_dir>/slaves/<agent>/frameworks/<framework>/executors/<executor>/runs/<container>
        self.path.ancestors().nth(8)
    }
}
