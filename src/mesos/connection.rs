//! One HTTP/1.1 connection to the agent.

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;

use super::call::CallError;
use super::endpoint::Endpoint;

/// Open until dropped, or until the agent closes it.
#[derive(Debug)]
pub(super) struct Connection {
    requests: SendRequest<Full<Bytes>>,
    /// Moves the bytes; ends with this connection.
    transport: JoinSet<()>,
}

impl Connection {
    /// The caller sets the deadline.
    pub(super) async fn open(endpoint: &Endpoint) -> Result<Self, CallError> {
        let stream = endpoint.dial().await.map_err(|source| CallError::Dial {
            endpoint: endpoint.to_string(),
            source,
        })?;
        let (requests, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(CallError::Http)?;
        let mut transport = JoinSet::new();
        transport.spawn(async move {
            if let Err(error) = connection.await {
                // Whoever waits for an answer gets the error too, and handles it.
                tracing::debug!(%error, "a connection to the agent ended");
            }
        });
        Ok(Self {
            requests,
            transport,
        })
    }

    /// Whether another request may be tried on it.
    pub(super) fn is_open(&self) -> bool {
        !self.requests.is_closed() && !self.transport.is_empty()
    }

    /// The answer's head; the body is read from it.
    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, CallError> {
        self.requests.ready().await.map_err(CallError::Http)?;
        self.requests
            .send_request(request)
            .await
            .map_err(CallError::Http)
    }
}
