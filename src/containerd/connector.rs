//! The way to containerd's socket.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};

use containerd_client::tonic::codegen::Service;
use containerd_client::tonic::transport::{Channel, Endpoint, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;

/// Dials the same socket whatever the URI says.
#[derive(Clone, Debug)]
struct Connector {
    socket: PathBuf,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<UnixStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let socket = self.socket.clone();
        Box::pin(async move { UnixStream::connect(socket).await.map(TokioIo::new) })
    }
}

/// A channel that dials at the first call, and again whenever the connection is gone: a restart of
/// containerd is one failed call, not a new channel.
///
/// No HTTP/2 keep-alive: Go's gRPC server takes pings more often than every five minutes for an
/// attack and hangs up, and a Unix socket tells of a dead peer by itself. A peer that lives but
/// does not answer is what the deadlines are for.
pub(super) fn channel(socket: PathBuf) -> Channel {
    Endpoint::from_static("http://containerd").connect_with_connector_lazy(Connector { socket })
}
