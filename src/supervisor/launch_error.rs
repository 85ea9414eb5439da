//! Why a launch fails, and whose fault it is.

use std::path::PathBuf;

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

const NOT_THERE: &str = "it is not in the image";
/// Who wrote a line did not name the shell, and would not know what is missing.
const NO_SHELL: &str = "the image has no such shell, and so can't run a line of one, as a health check's CMD-SHELL or string, or \
     a Dockerfile's CMD without brackets; give a program with its arguments instead";

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

/// What a shell says of a command that can't be run: 127 where there is none, 126 where it can't be
/// executed; none where something else went wrong.
pub fn command_code(error: &RpcError) -> Option<u8> {
    let message = error.message.to_ascii_lowercase();
    let said = |words: &[&str]| words.iter().any(|words| message.contains(words));
    // crun opens the program, runc looks at it.
    if said(&[
        "permission denied",
        "open executable",
        "exec format error",
        "is a directory",
    ]) {
        return Some(126);
    }
    let not_found = said(&["exec: "]) && said(&["no such file or directory"]);
    (not_found || said(&["executable file"])).then_some(127)
}

/// Why a further process of a container was not started: a probe's, a check's, or a person's.
pub fn not_run(source: &RpcError) -> String {
    match command_fault(source) {
        Some((command, why)) if !command.is_empty() => format!("\"{command}\" can't be run: {why}"),
        Some((_, why)) => format!("it can't be run: {why}"),
        None => format!("it can't be run: {source}"),
    }
}

fn command_error(service: &str, source: RpcError) -> Result<LaunchError, RpcError> {
    let Some((command, why)) = command_fault(&source) else {
        return Err(source);
    };
    Ok(LaunchError::Command {
        service: service.to_owned(),
        command,
        why,
        source: Box::new(source),
    })
}

/// The command that can't be run, as far as the runtime names it, and why; none where something
/// else went wrong.
fn command_fault(source: &RpcError) -> Option<(String, &'static str)> {
    let said = source.message.to_lowercase();
    let why = if said.contains("executable file not found in $path")
        || said.contains("executable file `")
    {
        NOT_THERE
    } else if said.contains("exec") && said.contains("no such file or directory") {
        "it is not in the image, or what it needs to run is not"
    } else if said.contains("exec") && said.contains("permission denied") {
        "it is not executable"
    } else if said.contains("exec format error") {
        "it was built for another kind of machine"
    } else {
        return None;
    };
    let quoted = |quote: char| {
        // runc and crun have it behind these; what comes before are their callers' words.
        let mut behind = ["exec: ", "executable file "].into_iter();
        let after = behind.find_map(|words| source.message.split_once(words));
        let mut parts = after?.1.split(quote);
        parts.nth(1).map(str::to_owned)
    };
    let command = quoted('"').or_else(|| quoted('`')).unwrap_or_default();
    let why = if is_shell(&command) && why.starts_with(NOT_THERE) {
        NO_SHELL
    } else {
        why
    };
    Some((command, why))
}

fn is_shell(command: &str) -> bool {
    let name = command.rsplit('/').next().unwrap_or_default();
    matches!(name, "sh" | "ash" | "bash" | "dash")
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
    fn a_missing_shell_is_named_with_what_needs_it() {
        let runc = "OCI runtime exec failed: exec failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown";
        let crun = "OCI runtime exec failed: exec failed: executable file `/bin/sh` not found in $PATH: No such file or directory: unknown";
        for text in [runc, crun] {
            let LaunchError::Command {
                command,
                why,
                source,
                ..
            } = told(text)
            else {
                panic!("{text}");
            };
            assert_eq!((command.as_str(), why), ("/bin/sh", NO_SHELL));
            assert!(not_run(&source).starts_with("\"/bin/sh\" can't be run: the image has no"));
        }
    }

    #[test]
    fn a_command_that_the_runtime_does_not_name_is_told_of_all_the_same() {
        let crun = "failed to create shim task: OCI runtime create failed: open executable: Permission denied: unknown";
        insta::assert_snapshot!(told(crun), @r#"service "web": its command can't be run: it is not executable"#);
    }

    #[test]
    fn a_command_that_fails_has_a_shells_code() {
        let code = |message: &str| {
            command_code(&RpcError {
                call: "Tasks.Start",
                subject: "web".to_owned(),
                code: Code::Unknown,
                message: message.to_owned(),
            })
        };
        let crun = "OCI runtime exec failed: ";
        assert_eq!(
            code(&format!("{crun}open executable: Operation not permitted")),
            Some(126)
        );
        assert_eq!(
            code(&format!("{crun}executable file `/nope` not found in $PATH")),
            Some(127)
        );
        assert_eq!(
            code(&format!("{crun}chdir `/nope`: No such file or directory")),
            None
        );
        let runc = "OCI runtime exec failed: exec failed: unable to start container process: ";
        assert_eq!(
            code(&format!("{runc}exec: \"/etc\": is a directory")),
            Some(126)
        );
        assert_eq!(
            code(&format!(
                "{runc}exec: \"x\": executable file not found in $PATH"
            )),
            Some(127)
        );
        assert_eq!(code("no space left on device"), None);
    }

    #[test]
    fn other_words_are_passed_on() {
        assert!(matches!(
            told("failed to create shim task: no space left on device"),
            LaunchError::Create { .. }
        ));
    }
}
