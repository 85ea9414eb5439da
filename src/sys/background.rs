//! Letting go of the streams that a process was started with.

use std::fs::File;
use std::io;

use nix::unistd::{dup2_stderr, dup2_stdout};

/// From now on, what this process writes to its standard output goes there.
pub fn replace_stdout(with: &File) -> io::Result<()> {
    Ok(dup2_stdout(with)?)
}

/// The same for its standard error.
pub fn replace_stderr(with: &File) -> io::Result<()> {
    Ok(dup2_stderr(with)?)
}
