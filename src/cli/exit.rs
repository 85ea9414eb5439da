//! Exit codes, and how a command ends with one.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::{LoadError, Loaded};
use crate::executor::with_causes;
use crate::supervisor::managed::ManagedError;

pub(super) const SUCCESS: u8 = 0;
/// Something failed, or a check found something.
pub(super) const FAILURE: u8 = 1;
pub(super) const USAGE: u8 = 2;
/// The file or the policy refuses.
pub(super) const REFUSED: u8 = 3;
/// `cleanup` could not take everything away.
pub(super) const INCOMPLETE: u8 = 4;
/// The host is not ready.
pub(super) const NOT_READY: u8 = 5;
/// Our own fault.
pub(super) const OWN_FAULT: u8 = 125;
/// Ended by Ctrl-C, as a shell has it.
pub(super) const INTERRUPTED: u8 = 130;

/// Why a command did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum CommandError {
    /// Rendered diagnostics, to be shown as they are.
    #[error("{0}")]
    Refused(String),
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    NotReady(#[from] crate::supervisor::host::HostError),
    #[error("no containerd answers ({tried}), and none of our own can be had")]
    NoContainerd { tried: String, source: ManagedError },
    #[error(transparent)]
    Managed(ManagedError),
    #[error(transparent)]
    Configuration(#[from] crate::executor::config::ConfigError),
    #[error(transparent)]
    Failed(Box<dyn std::error::Error + Send + Sync>),
    #[error("the output can't be written")]
    Output(#[source] io::Error),
    #[error("the asynchronous runtime can't be started")]
    Runtime(#[source] io::Error),
}

impl CommandError {
    pub(super) fn failed(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }

    /// A file that was refused, with its source lines; in colours on a terminal.
    pub(super) fn load(error: &LoadError) -> Self {
        Self::Refused(error.render(colours()))
    }

    fn code(&self) -> u8 {
        match self {
            Self::Refused(_) | Self::Configuration(_) => REFUSED,
            Self::Usage(_) => USAGE,
            Self::NotReady(_) | Self::NoContainerd { .. } | Self::Managed(_) => NOT_READY,
            Self::Failed(_) | Self::Output(_) => FAILURE,
            Self::Runtime(_) => OWN_FAULT,
        }
    }
}

/// Shows what went wrong, and gives the code that says so.
pub(super) fn code(result: Result<u8, CommandError>) -> ExitCode {
    let error = match result {
        Ok(code) => return ExitCode::from(code),
        // Who reads through `head` has seen enough.
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            return ExitCode::SUCCESS;
        }
        Err(error) => error,
    };
    let text = match &error {
        CommandError::Refused(rendered) => format!("{}\n", rendered.trim_end()),
        error => format!("compose-executor: {}\n", with_causes(error)),
    };
    // Nobody is left to tell that standard error can't be written.
    let _ = io::stderr().write_all(text.as_bytes());
    ExitCode::from(error.code())
}

/// Refuses a project for what is wrong with it; nothing is no reason.
pub(super) fn refuse(loaded: &Loaded, diagnostics: Vec<Diagnostic>) -> Result<(), CommandError> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    Err(CommandError::load(&LoadError {
        diagnostics,
        sources: loaded.sources.clone(),
    }))
}

/// Writes to standard output.
pub(super) fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(CommandError::Output)
}

/// Writes to standard error, which may be gone.
pub(super) fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "{}", text.trim_end());
}

/// Whether standard error shows colours.
pub(super) fn colours() -> bool {
    use std::io::IsTerminal;
    io::stderr().is_terminal()
}
