//! `up -d`: a pod that goes on without us. The program starts itself again, in a session of its own;
//! that one runs the pod, and tells us when it runs.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Command, Stdio};

use clap::Args;

use super::exit::{self, CommandError};
use crate::pod::names::PodId;
use crate::sys::{background, session};

/// Flags of `up` about who runs the pod.
#[derive(Clone, Copy, Debug, Args)]
pub(super) struct DetachFlags {
    /// Go on without the terminal: prints the pod's id once all services have been started
    #[arg(short, long)]
    detach: bool,
    /// Be the one that runs a detached pod
    #[arg(long, hide = true)]
    pub(super) supervise: bool,
}

impl DetachFlags {
    /// Whether somebody else is to run the pod.
    pub(super) fn is_asked(self) -> bool {
        self.detach && !self.supervise
    }
}

/// What the program is given that runs the pod, after our own arguments.
const SUPERVISE: &str = "--supervise";

/// Starts the one that runs the pod, and waits until all services have been started, or it has
/// ended: then with its exit code. Mistakes it tells on our standard error.
pub(super) fn start(arguments: &[OsString]) -> Result<u8, CommandError> {
    let (mut ready, theirs) = io::pipe().map_err(CommandError::failed)?;
    // Another program may have been put in our file's place since.
    let mut command = Command::new("/proc/self/exe");
    command
        .args(arguments.iter().skip(1))
        .arg(SUPERVISE)
        .stdin(Stdio::null())
        .stdout(theirs);
    session::of_its_own(&mut command);
    let mut supervisor = command.spawn().map_err(CommandError::failed)?;
    // With it goes our copy of the pipe's other end.
    drop(command);
    let mut pod = String::new();
    ready
        .read_to_string(&mut pod)
        .map_err(CommandError::failed)?;
    if !pod.is_empty() {
        exit::print(&pod)?;
        return Ok(exit::SUCCESS);
    }
    let status = supervisor.wait().map_err(CommandError::failed)?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.unwrap_or(exit::OWN_FAULT))
}

/// The other side: our standard output, on which we say that the pod runs, and our standard error
/// until then. What the containers write goes to neither.
#[derive(Debug)]
pub(super) struct Detached {
    ready: File,
    errors: File,
}

impl Detached {
    /// Takes both away from everybody else in this process.
    pub(super) fn begin() -> io::Result<Self> {
        let ready = io::stdout().as_fd().try_clone_to_owned()?.into();
        let errors = io::stderr().as_fd().try_clone_to_owned()?.into();
        let nowhere = File::options().read(true).write(true).open("/dev/null")?;
        background::replace_stdout(&nowhere)?;
        background::replace_stderr(&nowhere)?;
        Ok(Self { ready, errors })
    }

    /// Says that the pod runs, and lets go of the terminal.
    pub(super) fn ready(mut self, pod: &PodId) {
        // Whoever asked for the pod may be gone; the pod runs all the same.
        let _ = writeln!(self.ready, "{pod}");
    }

    /// The pod has not come to run: standard error is there again, to say why.
    pub(super) fn failed(self) {
        // It was there before; if it can't be had, nobody can be told so either.
        let _ = background::replace_stderr(&self.errors);
    }
}
