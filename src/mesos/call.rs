//! Calls to the agent: SUBSCRIBE, UPDATE and MESSAGE as POST requests, and what the answers mean.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Collected, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use prost::Message as _;
use tokio::time::timeout;

use super::connection::Connection;
use super::endpoint::Endpoint;
use super::env::ExecutorEnv;
use super::id::{ExecutorId, FrameworkId};
use super::ledger::Outgoing;
use super::proto;
use super::subscription::Subscription;
use super::token::Token;

/// The agent compares the whole header: no parameters, no list.
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
/// An answer that is no event stream is a line of text.
const ANSWER_MAX: usize = 64 * 1024;
/// How much of such a line is worth a place in an error.
const TEXT_MAX: usize = 256;

/// Why a call has not been accepted.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    #[error("can't connect to {endpoint}")]
    Dial { endpoint: String, source: io::Error },
    #[error("no answer within {within:?}")]
    Deadline { within: Duration },
    #[error("the connection failed")]
    Http(#[source] hyper::Error),
    #[error("the agent answers {status}: {text}")]
    Status { status: StatusCode, text: String },
}

impl CallError {
    /// An answer that will be the same the next time, if the agent is in its right mind. 404 and 5xx
    /// are none: a restarting agent says them until it has its routes, and has recovered.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self, Self::Status { status, .. }
            if status.is_client_error() && *status != StatusCode::NOT_FOUND)
    }

    /// `Framework cannot be found` or `Executor cannot be found`: the agent has another state than
    /// the one that started this executor.
    pub(super) fn is_unknown_executor(&self) -> bool {
        matches!(self, Self::Status { status: StatusCode::BAD_REQUEST, text }
            if text.contains("cannot be found"))
    }

    /// A call that is wrong in itself, rather than its sender.
    pub(super) fn is_malformed(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: StatusCode::BAD_REQUEST
                    | StatusCode::PAYLOAD_TOO_LARGE
                    | StatusCode::NOT_IMPLEMENTED,
                ..
            }
        ) && !self.is_unknown_executor()
    }
}

/// The agent, as this executor calls it.
#[derive(Debug)]
pub(super) struct Agent {
    endpoint: Endpoint,
    token: Option<Token>,
    framework_id: FrameworkId,
    executor_id: ExecutorId,
    /// Within which a call must be answered, dialling included.
    deadline: Duration,
}

impl Agent {
    pub(super) fn new(env: &ExecutorEnv, deadline: Duration) -> Self {
        Self {
            endpoint: env.endpoint.clone(),
            token: env.token.clone(),
            framework_id: env.framework_id.clone(),
            executor_id: env.executor_id.clone(),
            deadline,
        }
    }

    /// Opens the event stream, on a connection of its own.
    pub(super) async fn subscribe(
        &self,
        subscribe: proto::call::Subscribe,
    ) -> Result<Subscription, CallError> {
        let mut call = self.call(proto::call::Type::Subscribe);
        call.subscribe = Some(subscribe);
        self.within(async {
            let mut connection = Connection::open(&self.endpoint).await?;
            let response = connection.send(self.request(&call)).await?;
            if response.status() == StatusCode::OK {
                Ok(Subscription::new(response.into_body(), connection))
            } else {
                Err(refused(response).await)
            }
        })
        .await
    }

    /// Sends a call on the connection that is kept for them, which is made when there is none.
    pub(super) async fn send(
        &self,
        kept: &mut Option<Connection>,
        outgoing: &Outgoing,
    ) -> Result<(), CallError> {
        let call = match outgoing.clone() {
            Outgoing::Update(_, update) => proto::Call {
                update: Some(*update),
                ..self.call(proto::call::Type::Update)
            },
            Outgoing::Message(data) => proto::Call {
                message: Some(proto::call::Message { data }),
                ..self.call(proto::call::Type::Message)
            },
        };
        // It is put back only after a complete exchange: a connection whose answer was not read to
        // its end can't be used again.
        let open = kept.take().filter(Connection::is_open);
        let connection = self
            .within(async {
                let mut connection = match open {
                    Some(connection) => connection,
                    None => Connection::open(&self.endpoint).await?,
                };
                let response = connection.send(self.request(&call)).await?;
                if response.status().is_success() {
                    text(response).await;
                    Ok(connection)
                } else {
                    Err(refused(response).await)
                }
            })
            .await?;
        *kept = Some(connection);
        Ok(())
    }

    fn call(&self, kind: proto::call::Type) -> proto::Call {
        proto::Call {
            executor_id: proto::ExecutorId {
                value: self.executor_id.to_string(),
            },
            framework_id: proto::FrameworkId {
                value: self.framework_id.to_string(),
            },
            r#type: Some(kind.into()),
            subscribe: None,
            update: None,
            message: None,
        }
    }

    fn request(&self, call: &proto::Call) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(call.encode_to_vec().into()));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.endpoint.uri().clone();
        let headers = request.headers_mut();
        headers.insert(HOST, self.endpoint.host());
        headers.insert(CONTENT_TYPE, PROTOBUF);
        headers.insert(ACCEPT, PROTOBUF);
        if let Some(token) = &self.token {
            headers.insert(AUTHORIZATION, token.bearer());
        }
        request
    }

    async fn within<T>(
        &self,
        exchange: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let within = self.deadline;
        timeout(within, exchange)
            .await
            .unwrap_or(Err(CallError::Deadline { within }))
    }
}

async fn refused(response: Response<Incoming>) -> CallError {
    CallError::Status {
        status: response.status(),
        text: text(response).await,
    }
}

/// What can be read of an answer's body, on one line.
async fn text(response: Response<Incoming>) -> String {
    let body = Limited::new(response.into_body(), ANSWER_MAX);
    let bytes = body
        .collect()
        .await
        .map(Collected::to_bytes)
        .unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .trim()
        .chars()
        .take(TEXT_MAX)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}
