//! Why a session ends: for now, or for good.

use std::time::Duration;

use hyper::StatusCode;

use super::call::CallError;
use super::event::EventError;
use super::recordio::RecordError;

/// Why the agent is gone for good. The executor's pods have to be torn down: no one watches them.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the agent is gone, and the framework does not checkpoint")]
    NoCheckpoint(#[source] Disconnect),
    #[error("the agent did not take this executor's subscription within {timeout:?}")]
    Timeout {
        timeout: Duration,
        #[source]
        last: Option<Disconnect>,
    },
    #[error("the agent does not know this executor")]
    Unknown(#[source] Disconnect),
    #[error("the agent does not let this executor in")]
    Unauthorized(#[source] Disconnect),
    #[error("the agent does not understand this executor")]
    Refused(#[source] Disconnect),
}

/// Why one subscription failed or ended.
#[derive(Debug, thiserror::Error)]
pub enum Disconnect {
    #[error("the agent closed the event stream")]
    Closed,
    #[error("the event stream broke")]
    Broken(#[source] hyper::Error),
    #[error("the event stream can't be followed")]
    Record(#[from] RecordError),
    #[error("the event stream can't be understood")]
    Event(#[from] EventError),
    #[error("no event came within {within:?} of subscribing")]
    Silent { within: Duration },
    #[error(transparent)]
    Call(#[from] CallError),
}

impl Disconnect {
    /// Whether trying again with the same words is of little use.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Call(error) if error.is_refusal())
    }
}

impl Lost {
    /// For a refusal that did not go away.
    pub(super) fn refused(disconnect: Disconnect) -> Self {
        match &disconnect {
            Disconnect::Call(error) if error.is_unknown_executor() => Self::Unknown(disconnect),
            Disconnect::Call(CallError::Status { status, .. })
                if [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN].contains(status) =>
            {
                Self::Unauthorized(disconnect)
            }
            _ => Self::Refused(disconnect),
        }
    }
}
