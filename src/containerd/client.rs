//! The connection, and what every call has: namespace, lease, deadline, limits.

use std::future::Future;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::PluginsRequest;
use containerd_client::services::v1::introspection_client::IntrospectionClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::tonic::service::Interceptor;
use containerd_client::tonic::service::interceptor::InterceptedService;
use containerd_client::tonic::{Request, Response, Status, Streaming, transport};
use sha2::{Digest, Sha256};
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::connector;
use super::error::{Code, ConnectError, RpcError};
use super::name::{LeaseId, Namespace, header};
use super::patience::Patient;
use super::server::{Plugin, Server};

/// What containerd sends at most in one message; tonic's own limit is 4 MiB.
pub(super) const MAX_MESSAGE: usize = 16 << 20;

/// Where shims listen, and where their runtimes keep what they know of containers, whatever
/// containerd's own state folder is.
const SHIM_SOCKETS: &str = "/run/containerd/s";
const RUNTIME_STATE: &str = "/run/containerd/runc";

/// How long a containerd may take to answer at all.
const CONNECT: Duration = Duration::from_secs(10);

/// How long calls may take, by what they do.
///
/// A call that is given up is also cancelled at the server, but its effect may have happened: look
/// before trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Reading metadata, and one chunk of content in either direction.
    pub read: Duration,
    /// Changing metadata, preparing a snapshot.
    pub write: Duration,
    /// Starting, killing and deleting processes, where a runtime has to be run; removing snapshots
    /// and leases, where files have to be deleted.
    pub task: Duration,
    /// Unpacking one layer.
    pub unpack: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            read: Duration::from_secs(10),
            write: Duration::from_secs(30),
            task: Duration::from_mins(1),
            unpack: Duration::from_mins(15),
        }
    }
}

/// A connection to containerd, in a namespace and perhaps under a lease. Cheap to clone; clones
/// share the connection.
#[derive(Clone, Debug)]
pub struct Client {
    socket: Arc<Path>,
    channel: transport::Channel,
    namespace: Namespace,
    lease: Option<LeaseId>,
    deadlines: Deadlines,
    server: Arc<Server>,
}

/// The channel as the services see it.
pub(super) type Channel = InterceptedService<Patient, Headers>;

/// Puts namespace and lease on a call.
#[derive(Clone, Debug)]
pub(super) struct Headers {
    namespace: Namespace,
    lease: Option<LeaseId>,
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", header(self.namespace.as_str()));
        if let Some(lease) = &self.lease {
            metadata.insert("containerd-lease", header(lease.as_str()));
        }
        Ok(request)
    }
}

impl Client {
    /// Connects to the socket and asks what is there. The namespace need not exist yet.
    ///
    /// # Errors
    /// [`ConnectError`] when nothing listens, nothing answers within ten seconds, or what answers
    /// is not containerd. None of them is tried again here.
    pub async fn connect(socket: &Path, namespace: Namespace) -> Result<Self, ConnectError> {
        let silent = |_| ConnectError::Silent {
            socket: socket.to_owned(),
            limit: CONNECT,
        };
        timeout(CONNECT, Self::dial(socket, namespace))
            .await
            .map_err(silent)?
    }

    async fn dial(socket: &Path, namespace: Namespace) -> Result<Self, ConnectError> {
        let peer = UnixStream::connect(socket)
            .await
            .and_then(|stream| stream.peer_cred())
            .map_err(|source| ConnectError::Socket {
                socket: socket.to_owned(),
                source,
            })?;
        let mut client = Self {
            socket: socket.into(),
            channel: connector::channel(socket.to_owned()),
            namespace,
            lease: None,
            deadlines: Deadlines::default(),
            server: Arc::new(Server {
                version: String::new(),
                revision: String::new(),
                pid: peer.pid().filter(|pid| *pid > 0),
                plugins: Vec::new(),
            }),
        };
        let server = client
            .ask_server()
            .await
            .map_err(|source| ConnectError::Refused {
                socket: socket.to_owned(),
                source,
            })?;
        client.server = Arc::new(server);
        Ok(client)
    }

    async fn ask_server(&self) -> Result<Server, RpcError> {
        let version = self
            .call(
                "Version.Version",
                "",
                self.deadlines.read,
                VersionClient::new(self.channel()).version(()),
            )
            .await?;
        let plugins = self
            .call(
                "Introspection.Plugins",
                "",
                self.deadlines.read,
                IntrospectionClient::new(self.channel())
                    .max_decoding_message_size(MAX_MESSAGE)
                    .plugins(PluginsRequest::default()),
            )
            .await?
            .plugins;
        let loaded = plugins
            .into_iter()
            .filter(|plugin| plugin.init_err.is_none())
            .map(|plugin| Plugin {
                kind: plugin.r#type,
                id: plugin.id,
            });
        Ok(Server {
            version: version.version,
            revision: version.revision,
            pid: self.server.pid,
            plugins: loaded.collect(),
        })
    }

    /// The same connection; what it makes from now on is held by the lease.
    #[must_use]
    pub fn with_lease(&self, lease: &LeaseId) -> Self {
        Self {
            lease: Some(lease.clone()),
            ..self.clone()
        }
    }

    /// The same connection with other deadlines.
    #[must_use]
    pub fn with_deadlines(&self, deadlines: Deadlines) -> Self {
        Self {
            deadlines,
            ..self.clone()
        }
    }

    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    pub fn lease(&self) -> Option<&LeaseId> {
        self.lease.as_ref()
    }

    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// The socket that was connected to.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Where the shim of a group of containers listens: those that share the annotation
    /// `io.containerd.runc.v2.group`. The shims of containerd 2 mostly leave it behind; once the
    /// group's last task is deleted, it may be removed.
    ///
    /// The name is the Go shim's own: the digest of the containerd's address, the namespace and the
    /// group. It is right if we call the socket as containerd's configuration does.
    pub fn shim_socket(&self, group: &str) -> PathBuf {
        let name = self.socket.join(self.namespace.as_str()).join(group);
        let digest = Sha256::digest(name.as_os_str().as_bytes());
        let digits: Vec<_> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Path::new(SHIM_SOCKETS).join(digits.concat())
    }

    /// Where the runtime, be it runc or crun, keeps what it knows of a container. It goes with the
    /// task, unless its shim was killed: containerd 2 forgets all but the sandbox's own then.
    pub fn runtime_state(&self, container: &str) -> PathBuf {
        let namespace = Path::new(RUNTIME_STATE).join(self.namespace.as_str());
        namespace.join(container)
    }

    /// What was found at the other end when the client connected.
    pub fn server(&self) -> &Server {
        &self.server
    }

    pub(super) fn channel(&self) -> Channel {
        let headers = Headers {
            namespace: self.namespace.clone(),
            lease: self.lease.clone(),
        };
        InterceptedService::new(Patient(self.channel.clone()), headers)
    }

    /// Waits for an answer, but not longer than the limit.
    pub(super) async fn call<T>(
        &self,
        call: &'static str,
        subject: &str,
        limit: Duration,
        answer: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, RpcError> {
        match timeout(limit, answer).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(RpcError::from_status(call, subject, &status)),
            Err(_) => Err(late(call, subject, limit)),
        }
    }

    /// Waits for the next message of a streamed answer, but not longer than the limit; none at its
    /// end.
    pub(super) async fn next<T>(
        &self,
        call: &'static str,
        subject: &str,
        limit: Duration,
        messages: &mut Streaming<T>,
    ) -> Result<Option<T>, RpcError> {
        match timeout(limit, messages.message()).await {
            Ok(Ok(message)) => Ok(message),
            Ok(Err(status)) => Err(RpcError::from_status(call, subject, &status)),
            Err(_) => Err(late(call, subject, limit)),
        }
    }
}

fn late(call: &'static str, subject: &str, limit: Duration) -> RpcError {
    RpcError::new(
        call,
        subject,
        Code::DeadlineExceeded,
        format!("no answer within {limit:?}"),
    )
}

/// Deleting what is not there is what was wanted.
pub(super) fn gone<T: Default>(answer: Result<T, RpcError>) -> Result<T, RpcError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(T::default()),
        answer => answer,
    }
}
