//! Why there can be no runtime document for a service.

use std::path::PathBuf;

use super::user::UserError;
use crate::compose::model::ByteSize;
use crate::compose::source::Span;

/// What can't be handed to execve(2), or should not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProcessError {
    #[error("there is no program to run")]
    NoProgram,
    #[error("an argument of the command holds a NUL character")]
    Argument,
    #[error("{name:?} can't be the name of an environment variable")]
    VariableName { name: String },
    #[error("the value of variable \"{name}\" holds a NUL character")]
    VariableValue { name: String },
    #[error(
        "working directory {path:?} is not an absolute path without \"..\" outside /proc and /sys"
    )]
    WorkingDir { path: String },
}

/// A service that can't be run as its file and its image together want it.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    #[error(
        "service \"{service}\" has nothing to run: the file gives no command, and none of image \
         \"{image}\" is left"
    )]
    NothingToRun {
        service: String,
        image: String,
        span: Span,
    },
    #[error("service \"{service}\": {fault}")]
    Process {
        service: String,
        fault: ProcessError,
        span: Span,
    },
    #[error("service \"{service}\": user \"{user}\" is no user of image \"{image}\"")]
    User {
        service: String,
        image: String,
        user: String,
        span: Span,
        #[source]
        source: UserError,
    },
    #[error("service \"{service}\": group \"{group}\" is no group of image \"{image}\"")]
    Group {
        service: String,
        image: String,
        group: String,
        span: Span,
        #[source]
        source: UserError,
    },
    #[error(
        "service \"{service}\": nothing can be mounted on {}: what is there is the \
         runtime's to mount and to mask", target.display()
    )]
    MountTarget {
        service: String,
        target: PathBuf,
        span: Span,
    },
    #[error(
        "service \"{service}\": \"{option}\" is no option for the tmpfs on {}", target.display()
    )]
    TmpfsOption {
        service: String,
        target: PathBuf,
        option: String,
        span: Span,
    },
    #[error("service \"{service}\": {cpus} CPUs are less than the kernel can share out (0.01)")]
    Cpus {
        service: String,
        /// As a decimal number.
        cpus: String,
        span: Span,
    },
    #[error("service \"{service}\": a memory limit of {limit} is more than the kernel can count")]
    Memory {
        service: String,
        limit: ByteSize,
        span: Span,
    },
    #[error(
        "service \"{service}\": a limit of {limit} processes is more than the kernel can count"
    )]
    Pids {
        service: String,
        limit: u64,
        span: Span,
    },
}

impl SpecError {
    /// Where the file says what can't be; the service's name where it says nothing.
    pub fn span(&self) -> Span {
        match self {
            Self::NothingToRun { span, .. }
            | Self::Process { span, .. }
            | Self::User { span, .. }
            | Self::Group { span, .. }
            | Self::MountTarget { span, .. }
            | Self::TmpfsOption { span, .. }
            | Self::Cpus { span, .. }
            | Self::Memory { span, .. }
            | Self::Pids { span, .. } => *span,
        }
    }
}
