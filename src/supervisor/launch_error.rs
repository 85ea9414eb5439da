//! Why a launch fails, and whose fault it is.

use std::path::PathBuf;

use super::command_fault::CommandFault;
use super::hooks::HookError;
use super::report::StopReason;
use super::storage::VolumeError;
use crate::compose::source::Span;
use crate::containerd::RpcError;
use crate::image::{ImageError, InvalidReference};
use crate::journal::JournalError;
use crate::network::NetworkError;
use crate::oci::{SeccompFileError, SpecError, UserError};
use crate::sys::{self, beneath, cgroup};

/// Why a pod did not come to run.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    #[error("an order to stop came during the launch")]
    Stopped(StopReason),
    #[error("the pod's record can't be written, and nothing is made without one")]
    Journal(#[from] JournalError),
    #[error("the logs can't be written")]
    Logs(#[source] std::io::Error),
    #[error("containerd's events can't be followed")]
    Events(#[source] RpcError),
    #[error("the pod's lease can't be made")]
    Lease(#[source] RpcError),
    #[error("{path} can't be written")]
    Write {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Kernel(#[from] sys::PathError),
    #[error("the pod's cgroups can't be made or are not kept to")]
    Cgroup(#[from] cgroup::Error),
    #[error(transparent)]
    Network(#[from] NetworkError),
    #[error("the pause container can't be run")]
    Sandbox(#[source] RpcError),
    #[error("service \"{service}\": its image has no name that could be")]
    ImageName {
        service: String,
        span: Span,
        source: InvalidReference,
    },
    #[error("service \"{service}\": its image can't be used")]
    Image {
        service: String,
        span: Span,
        source: Box<ImageError>,
    },
    #[error("the pod's images can't be used")]
    Images { source: Box<ImageError> },
    #[error("the archive {} can't be opened", path.display())]
    OpenArchive {
        path: PathBuf,
        source: beneath::Error,
    },
    #[error("service \"{service}\": a file it binds can't be used")]
    Bind {
        service: String,
        span: Span,
        source: beneath::Error,
    },
    #[error("service \"{service}\": {file} can't be read")]
    File {
        service: String,
        /// `secrets.token`.
        file: String,
        span: Span,
        source: beneath::Error,
    },
    #[error(
        "service \"{service}\": {file}: configs and secrets of a pod hold {limit} bytes together at most"
    )]
    FilesTooLarge {
        service: String,
        file: String,
        span: Span,
        limit: u64,
    },
    #[error(
        "service \"{service}\": what it binds can't be shared: it is on a mount of the host that is private"
    )]
    NotShared { service: String, span: Span },
    #[error(
        "service \"{service}\": a link in its root leads {} to {}, where it can't be mounted",
        target.display(), real.display()
    )]
    Target {
        service: String,
        target: PathBuf,
        real: PathBuf,
        span: Span,
    },
    #[error(
        "service \"{service}\": a link in its root leads the working directory {} to {}",
        path.display(), real.display()
    )]
    WorkingDir {
        service: String,
        path: PathBuf,
        real: PathBuf,
        span: Span,
    },
    #[error("the volume \"{name}\" can't be used")]
    Volume {
        name: String,
        /// None for one that the file does not declare.
        span: Option<Span>,
        source: VolumeError,
    },
    #[error("service \"{service}\": a device it names can't be used")]
    Device {
        service: String,
        span: Span,
        source: sys::PathError,
    },
    #[error("service \"{service}\": its seccomp profile can't be read")]
    SeccompRead {
        service: String,
        span: Span,
        source: beneath::Error,
    },
    #[error("service \"{service}\": {} can't be used", path.display())]
    Seccomp {
        service: String,
        path: PathBuf,
        span: Span,
        source: SeccompFileError,
    },
    #[error(transparent)]
    Spec(Box<SpecError>),
    #[error("service \"{service}\": the users of its image can't be read")]
    Accounts { service: String, source: UserError },
    #[error("service \"{service}\": its image can't be looked into")]
    ImageRoot {
        service: String,
        source: beneath::Error,
    },
    #[error("service \"{service}\": its root file system can't be made")]
    Root { service: String, source: RpcError },
    #[error(
        "service \"{service}\": its command{} can't be run: {why}",
        quoted(command)
    )]
    Command {
        service: String,
        /// Empty where the runtime does not name it.
        command: String,
        why: &'static str,
        source: Box<RpcError>,
    },
    #[error("service \"{service}\": its post_start hook \"{command}\" failed")]
    PostStart {
        service: String,
        command: String,
        source: Box<HookError>,
    },
    #[error("service \"{service}\" can't be created")]
    Create { service: String, source: RpcError },
    #[error("service \"{service}\" can't be started")]
    Start { service: String, source: RpcError },
}

impl LaunchError {
    /// The code that stands before the message of a status.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Stopped(_) => "CE-KILLED",
            Self::Journal(_) => "CE-LAUNCH-JOURNAL",
            Self::ImageName { .. }
            | Self::Image { .. }
            | Self::Images { .. }
            | Self::OpenArchive { .. } => "CE-IMAGE",
            Self::Bind { .. }
            | Self::Device { .. }
            | Self::SeccompRead { .. }
            | Self::Seccomp { .. }
            | Self::File { .. }
            | Self::FilesTooLarge { .. }
            | Self::NotShared { .. }
            | Self::Target { .. }
            | Self::WorkingDir { .. }
            | Self::Spec(_)
            | Self::Accounts { .. } => "CE-SPEC",
            Self::Command { .. } => "CE-LAUNCH-EXEC",
            Self::PostStart { .. } => "CE-HOOK",
            _ => "CE-LAUNCH",
        }
    }

    /// The service that is to blame, where it is one.
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::ImageName { service, .. }
            | Self::Image { service, .. }
            | Self::Bind { service, .. }
            | Self::Device { service, .. }
            | Self::SeccompRead { service, .. }
            | Self::Seccomp { service, .. }
            | Self::File { service, .. }
            | Self::FilesTooLarge { service, .. }
            | Self::NotShared { service, .. }
            | Self::Target { service, .. }
            | Self::WorkingDir { service, .. }
            | Self::Accounts { service, .. }
            | Self::ImageRoot { service, .. }
            | Self::Root { service, .. }
            | Self::Command { service, .. }
            | Self::PostStart { service, .. }
            | Self::Create { service, .. }
            | Self::Start { service, .. } => Some(service),
            _ => None,
        }
    }

    /// Where the file says what can't be, if it is that.
    pub fn span(&self) -> Option<Span> {
        match self {
            Self::ImageName { span, .. }
            | Self::Image { span, .. }
            | Self::Bind { span, .. }
            | Self::Device { span, .. }
            | Self::SeccompRead { span, .. }
            | Self::Seccomp { span, .. }
            | Self::File { span, .. }
            | Self::FilesTooLarge { span, .. }
            | Self::NotShared { span, .. }
            | Self::Target { span, .. }
            | Self::WorkingDir { span, .. } => Some(*span),
            Self::Spec(error) => Some(error.span()),
            Self::Volume { span, .. } => *span,
            _ => None,
        }
    }

    /// What the user can do, where the error itself does not say it.
    pub fn help(&self) -> Option<&'static str> {
        let source = match self {
            Self::Bind { source, .. } => source,
            Self::Spec(error) => {
                let is_target = matches!(**error, SpecError::MountTarget { .. });
                return is_target.then_some("mount it elsewhere, as on /host/sys or /host/proc");
            }
            _ => return None,
        };
        match source {
            beneath::Error::NotRegular {
                kind: beneath::Kind::Device,
                ..
            } => Some("a container gets devices by `devices`"),
            beneath::Error::Kernels { .. } => Some(
                "bind it without what is mounted below (bind.recursive: disabled), or ask the operator for an entry of its own",
            ),
            beneath::Error::NotRegular { .. } => {
                Some("bind a file or a folder, or what the operator has opened (mounts.host_paths)")
            }
            _ => None,
        }
    }

    /// Whether the task's own files are to be mended, and not the host.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Volume { source, .. } => source.is_users(),
            Self::Images { source } | Self::Image { source, .. } => source.is_users(),
            Self::ImageName { .. }
            | Self::OpenArchive { .. }
            | Self::Bind { .. }
            | Self::Device { .. }
            | Self::SeccompRead { .. }
            | Self::Seccomp { .. }
            | Self::File { .. }
            | Self::FilesTooLarge { .. }
            | Self::NotShared { .. }
            | Self::Target { .. }
            | Self::WorkingDir { .. }
            | Self::Spec(_)
            | Self::Accounts { .. }
            | Self::Command { .. }
            | Self::PostStart { .. } => true,
            _ => false,
        }
    }
}

/// Runtimes tell a command that can't be run in their own words, with the command in quotes.
pub(super) fn create_error(service: &str, source: RpcError) -> LaunchError {
    command_error(service, source).unwrap_or_else(|source| LaunchError::Create {
        service: service.to_owned(),
        source,
    })
}

/// crun looks for the command when it starts the container.
pub(super) fn start_error(service: &str, source: RpcError) -> LaunchError {
    command_error(service, source).unwrap_or_else(|source| LaunchError::Start {
        service: service.to_owned(),
        source,
    })
}

fn command_error(service: &str, source: RpcError) -> Result<LaunchError, RpcError> {
    let Some(fault) = CommandFault::of(&source) else {
        return Err(source);
    };
    Ok(LaunchError::Command {
        service: service.to_owned(),
        why: fault.why(),
        command: fault.command,
        source: Box::new(source),
    })
}

fn quoted(command: &str) -> String {
    match command {
        "" => String::new(),
        command => format!(" \"{command}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::containerd::Code;

    fn told(message: &str) -> LaunchError {
        let error = RpcError {
            call: "Tasks.Create",
            subject: "web".to_owned(),
            code: Code::Unknown,
            message: message.to_owned(),
        };
        create_error("web", error)
    }

    #[test]
    fn a_missing_command_is_told_by_its_name() {
        let runc = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown";
        let crun = "failed to create shim task: OCI runtime create failed: executable file `nope` not found in $PATH: No such file or directory: unknown";
        for text in [runc, crun] {
            let error = told(text);
            assert!(
                matches!(&error, LaunchError::Command { command, .. } if command == "nope"),
                "{error}"
            );
            assert_eq!(error.code(), "CE-LAUNCH-EXEC");
        }
    }

    #[test]
    fn a_command_that_the_runtime_does_not_name_is_told_of_all_the_same() {
        let crun = "failed to create shim task: OCI runtime create failed: open executable: Permission denied: unknown";
        insta::assert_snapshot!(told(crun), @r#"service "web": its command can't be run: it is not executable"#);
    }

    #[test]
    fn other_words_are_passed_on() {
        assert!(matches!(
            told("failed to create shim task: no space left on device"),
            LaunchError::Create { .. }
        ));
    }
}
