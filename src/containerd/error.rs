//! What can go wrong between us and containerd.

use std::error::Error as _;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use containerd_client::tonic;

/// A call that failed: which one, on what, and containerd's own words.
///
/// The words of a failed `Tasks.Create` are the runtime's, and often the only place where the cause
/// is told; they are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("containerd {call}{} failed: {message}{}", on(.subject), in_brackets(*.code, .message))]
pub struct RpcError {
    /// Service and method, as in `Tasks.Create`.
    pub call: &'static str,
    /// The id, key or digest that the call was about; may be empty.
    pub subject: String,
    pub code: Code,
    pub message: String,
}

fn on(subject: &str) -> String {
    match subject {
        "" => String::new(),
        subject => format!(" of {subject}"),
    }
}

/// The code, unless containerd has ended its message with it, as it mostly does.
fn in_brackets(code: Code, message: &str) -> String {
    let code = code.to_string();
    if message.ends_with(&code) {
        return String::new();
    }
    format!(" ({code})")
}

/// gRPC's status codes, and one for where there was nobody to give a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    Aborted,
    AlreadyExists,
    Cancelled,
    DataLoss,
    /// No connection, or it broke during the call.
    Disconnected,
    /// The call took longer than we wait. It may have had its effect all the same.
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    NotFound,
    OutOfRange,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    /// The server could not do it just now.
    Unavailable,
    /// This containerd does not have the service.
    Unimplemented,
    /// Most errors of runtimes arrive so.
    Unknown,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aborted => "aborted",
            Self::AlreadyExists => "already exists",
            Self::Cancelled => "cancelled",
            Self::DataLoss => "data loss",
            Self::Disconnected => "disconnected",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::FailedPrecondition => "failed precondition",
            Self::Internal => "internal",
            Self::InvalidArgument => "invalid argument",
            Self::NotFound => "not found",
            Self::OutOfRange => "out of range",
            Self::PermissionDenied => "permission denied",
            Self::ResourceExhausted => "resource exhausted",
            Self::Unauthenticated => "unauthenticated",
            Self::Unavailable => "unavailable",
            Self::Unimplemented => "unimplemented",
            Self::Unknown => "unknown",
        })
    }
}

impl From<tonic::Code> for Code {
    fn from(code: tonic::Code) -> Self {
        match code {
            tonic::Code::Aborted => Self::Aborted,
            tonic::Code::AlreadyExists => Self::AlreadyExists,
            tonic::Code::Cancelled => Self::Cancelled,
            tonic::Code::DataLoss => Self::DataLoss,
            tonic::Code::DeadlineExceeded => Self::DeadlineExceeded,
            tonic::Code::FailedPrecondition => Self::FailedPrecondition,
            tonic::Code::Internal => Self::Internal,
            tonic::Code::InvalidArgument => Self::InvalidArgument,
            tonic::Code::NotFound => Self::NotFound,
            tonic::Code::OutOfRange => Self::OutOfRange,
            tonic::Code::PermissionDenied => Self::PermissionDenied,
            tonic::Code::ResourceExhausted => Self::ResourceExhausted,
            tonic::Code::Unauthenticated => Self::Unauthenticated,
            tonic::Code::Unavailable => Self::Unavailable,
            tonic::Code::Unimplemented => Self::Unimplemented,
            // A call that failed with "ok" is a broken answer.
            tonic::Code::Unknown | tonic::Code::Ok => Self::Unknown,
        }
    }
}

impl RpcError {
    pub(super) fn new(
        call: &'static str,
        subject: &str,
        code: Code,
        message: impl Into<String>,
    ) -> Self {
        Self {
            call,
            subject: subject.to_owned(),
            code,
            message: message.into(),
        }
    }

    /// A status that the server sent, or that the transport made up. Only the latter has a source,
    /// and whatever code it was given, it means that the connection is not there.
    pub(super) fn from_status(call: &'static str, subject: &str, status: &tonic::Status) -> Self {
        let mut message = status.message().to_owned();
        let mut source = status.source();
        let code = match source {
            Some(_) => Code::Disconnected,
            None => status.code().into(),
        };
        while let Some(cause) = source {
            let cause_text = cause.to_string();
            // Each layer of the transport repeats what is below it.
            if !message.contains(&cause_text) && cause_text != "transport error" {
                message = format!("{message}: {cause_text}");
            }
            source = cause.source();
        }
        Self::new(call, subject, code, message)
    }

    /// An answer without a part that it must have.
    pub(super) fn malformed(call: &'static str, subject: &str, missing: &str) -> Self {
        Self::new(
            call,
            subject,
            Code::Internal,
            format!("the answer has no {missing}"),
        )
    }

    pub fn is_not_found(&self) -> bool {
        self.code == Code::NotFound
    }

    pub fn is_already_exists(&self) -> bool {
        self.code == Code::AlreadyExists
    }

    /// Whether the same call could succeed later, without anything else being done.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.code,
            Code::Disconnected
                | Code::Unavailable
                | Code::DeadlineExceeded
                | Code::ResourceExhausted
                | Code::Aborted
        )
    }
}

/// Why there is no [`Client`](super::Client).
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("no containerd answers at {socket}")]
    Socket {
        socket: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{socket} took the connection, but did not answer within {limit:?}")]
    Silent { socket: PathBuf, limit: Duration },
    #[error("what answers at {socket} is no containerd that can be used")]
    Refused {
        socket: PathBuf,
        #[source]
        source: RpcError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_call_and_subject_and_keeps_the_runtimes_words() {
        let status = tonic::Status::unknown("failed to create shim task: exec: \"web\": not found");
        let error = RpcError::from_status("Tasks.Create", "web-1", &status);
        insta::assert_snapshot!(error, @r#"containerd Tasks.Create of web-1 failed: failed to create shim task: exec: "web": not found (unknown)"#);
    }

    #[test]
    fn a_broken_connection_is_told_from_a_busy_server_with_every_cause_once() {
        let cause = std::io::Error::new(std::io::ErrorKind::BrokenPipe, "broken pipe");
        let status = tonic::Status::from_error(Box::new(cause));
        let error = RpcError::from_status("Tasks.Get", "", &status);
        assert_eq!(error.code, Code::Disconnected);
        insta::assert_snapshot!(error, @"containerd Tasks.Get failed: broken pipe (disconnected)");
    }
}
