//! Where the agent answers, and how a connection to it is made.
//!
//! The executor and its agent share a host, so a peer that does not acknowledge for ten seconds is
//! gone. The agent's heartbeats are half an hour apart, so it is the kernel that has to notice.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::Uri;
use hyper::header::HeaderValue;
use socket2::{SockRef, TcpKeepalive};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::Tls;

/// The longest path of a Unix socket, without the zero behind it (unix(7)).
const SOCKET_PATH_MAX: usize = 107;
/// How long sent bytes may stay unacknowledged, and about how long a silent peer is believed in.
const PEER_LOST: Duration = Duration::from_secs(10);
const PROBE_AFTER: Duration = Duration::from_secs(4);
const PROBE_INTERVAL: Duration = Duration::from_secs(2);
const PROBES: u32 = 3;

/// The agent's executor API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    address: Address,
    uri: Uri,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Address {
    Tcp(SocketAddr),
    Tls(SocketAddr, Tls),
    Unix(PathBuf),
}

/// Why `MESOS_SLAVE_PID` names no endpoint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    #[error("it is not of the form id@address:port")]
    Form,
    #[error("it has no IP address and port behind the @")]
    Address(#[source] std::net::AddrParseError),
    #[error("its id can't be part of a path")]
    Id,
}

/// A connection, whatever carries it.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Endpoint {
    /// From the agent's libprocess id (`slave(1)@10.0.0.5:5051`) and its domain socket, if it has one.
    ///
    /// Always the long path, `/slave(1)/api/v1/executor`: the short one works over TCP alone.
    pub(super) fn new(
        pid: &str,
        domain_socket: Option<PathBuf>,
        tls: Option<Tls>,
    ) -> Result<Self, EndpointError> {
        let (id, address) = pid.rsplit_once('@').ok_or(EndpointError::Form)?;
        let address: SocketAddr = address.parse().map_err(EndpointError::Address)?;
        if id.is_empty() || id.contains(['/', '?', '#']) {
            return Err(EndpointError::Id);
        }
        let uri = format!("/{id}/api/v1/executor")
            .parse()
            .map_err(|_| EndpointError::Id)?;
        Ok(Self {
            address: match (domain_socket, tls) {
                (Some(socket), _) => Address::Unix(socket),
                (None, Some(tls)) => Address::Tls(address, tls),
                (None, None) => Address::Tcp(address),
            },
            uri,
        })
    }

    /// The path of the API, as it stands in a request's first line.
    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The `Host` header's value.
    pub(super) fn host(&self) -> HeaderValue {
        match &self.address {
            Address::Tcp(address) | Address::Tls(address, _) => {
                HeaderValue::try_from(address.to_string())
                    .expect("an address has no character that a header can't hold")
            }
            // The agent does not look at it, but HTTP/1.1 wants one.
            Address::Unix(_) => HeaderValue::from_static("localhost"),
        }
    }

    /// A new connection. The caller sets the deadline.
    pub(super) async fn dial(&self) -> io::Result<Box<dyn Stream>> {
        match &self.address {
            Address::Tcp(address) => {
                let stream = TcpStream::connect(address).await?;
                watch_peer(&stream)?;
                Ok(Box::new(stream))
            }
            Address::Tls(address, tls) => {
                let stream = TcpStream::connect(address).await?;
                watch_peer(&stream)?;
                Ok(Box::new(tls.shake_hands(stream, address.ip()).await?))
            }
            Address::Unix(path) => Ok(Box::new(connect_unix(path).await?)),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.address {
            Address::Tcp(address) => write!(f, "http://{address}{}", self.uri),
            Address::Tls(address, _) => write!(f, "https://{address}{}", self.uri),
            Address::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// Has the kernel break the connection when the peer is gone without a word.
fn watch_peer(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(PROBE_AFTER)
            .with_interval(PROBE_INTERVAL)
            .with_retries(PROBES),
    )?;
    socket.set_tcp_user_timeout(Some(PEER_LOST))
}

/// A path that is too long for a socket's address is reached through its folder's descriptor.
async fn connect_unix(path: &Path) -> io::Result<UnixStream> {
    if path.as_os_str().as_bytes().len() <= SOCKET_PATH_MAX {
        return UnixStream::connect(path).await;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidFilename.into());
    };
    let folder = File::open(folder).await?;
    let short = Path::new("/proc/self/fd")
        .join(folder.as_raw_fd().to_string())
        .join(name);
    UnixStream::connect(short).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;
    use tokio::net::UnixListener;

    #[test]
    fn the_long_path_is_made_from_the_agents_id() {
        let endpoint = Endpoint::new("slave(1)@10.0.0.5:5051", None, None).unwrap();
        assert_eq!(
            endpoint.to_string(),
            "http://10.0.0.5:5051/slave(1)/api/v1/executor"
        );
        assert_eq!(endpoint.host(), "10.0.0.5:5051");
    }

    #[test]
    fn a_domain_socket_goes_before_tcp() {
        let socket = Some(PathBuf::from("/run/mesos/agent.sock"));
        let endpoint = Endpoint::new("slave(1)@10.0.0.5:5051", socket, None).unwrap();
        assert_eq!(endpoint.to_string(), "unix:///run/mesos/agent.sock");
        assert_eq!(endpoint.uri().path(), "/slave(1)/api/v1/executor");
        assert_eq!(endpoint.host(), "localhost");
    }

    #[test]
    fn an_address_may_be_of_the_sixth_version() {
        let endpoint = Endpoint::new("slave(1)@[::1]:5051", None, None).unwrap();
        assert_eq!(endpoint.host(), "[::1]:5051");
    }

    #[test]
    fn what_is_no_agents_id_is_refused() {
        for pid in [
            "",
            "slave(1)",
            "slave(1)@",
            "slave(1)@host:5051",
            "slave(1)@1.2.3.4",
        ] {
            assert!(Endpoint::new(pid, None, None).is_err(), "{pid}");
        }
        for id in ["", "a b", "a/../b", "a?b", "a#b", "a\r\nb"] {
            let pid = format!("{id}@127.0.0.1:5051");
            assert_eq!(
                Endpoint::new(&pid, None, None),
                Err(EndpointError::Id),
                "{id:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_socket_whose_path_is_too_long_is_reached_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a".repeat(120));
        std::fs::create_dir(&deep).unwrap();
        // The listener has the same limit: it is bound where the path is short, then moved.
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        std::fs::rename(folder.path().join("s"), deep.join("s")).unwrap();

        let endpoint = Endpoint::new("slave(1)@127.0.0.1:1", Some(deep.join("s")), None).unwrap();
        let mut stream = endpoint.dial().await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        drop(peer);
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}
