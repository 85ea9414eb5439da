//! One try by HTTP, HTTPS or TCP, at the loopback address of the pod's network.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Family, HttpGet, Scheme};
use crate::supervisor::exec::{Exec, How};
use crate::supervisor::teardown::blocking;
use crate::sys::netns;
use crate::tls::{Tls, Trust};

/// A status line is shorter.
const STATUS_LINE_MAX: usize = 256;
/// Far enough to mean never.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// The exit code of a command, none where it did not end in time; and what it wrote, or why not.
pub(in crate::supervisor) async fn command(
    exec: Exec,
    limit: Option<Duration>,
    cancel: &CancellationToken,
) -> (Option<i32>, String) {
    let ended = exec.run(limit, cancel).await;
    match ended.how {
        How::Exited(status) => (Some(status.shell_code().into()), ended.output),
        How::TimedOut => (None, "it took too long".to_owned()),
        How::Cancelled => (None, "nobody waits for it any more".to_owned()),
        How::NotStarted(error) => (None, error.to_string()),
        How::Unknown(why) => (None, why),
    }
}

/// Whether somebody listens; an error tells why not.
pub(in crate::supervisor) async fn tcp(
    netns: Option<PathBuf>,
    port: u16,
    family: Family,
    limit: Option<Duration>,
) -> Result<(), String> {
    within(limit, connect(netns, port, family)).await.map(drop)
}

/// The status code of the answer. A redirection is an answer like others: it is not followed out of
/// the pod.
pub(in crate::supervisor) async fn http(
    netns: Option<PathBuf>,
    get: HttpGet,
    limit: Option<Duration>,
) -> Result<u16, String> {
    let HttpGet {
        scheme,
        port,
        path,
        family,
    } = get;
    let status = async {
        let stream = connect(netns, port, family).await?;
        match scheme {
            Scheme::Http => ask(stream, port, &path).await,
            Scheme::Https => {
                let tls = Tls::new(Trust::Anyone, None).map_err(io::Error::other)?;
                let stream = tls.shake_hands(stream, loopback(family)).await?;
                ask(stream, port, &path).await
            }
        }
    };
    within(limit, status).await
}

async fn ask(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    port: u16,
    path: &str,
) -> io::Result<u16> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUser-Agent: compose-executor\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    stream.flush().await?;
    status(&mut stream).await
}

async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, String> {
    match timeout(limit.unwrap_or(NEVER), work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

/// A socket stays in the network that it was made in.
async fn connect(netns: Option<PathBuf>, port: u16, family: Family) -> io::Result<TcpStream> {
    let make = move || match family {
        Family::Ipv4 => TcpSocket::new_v4(),
        Family::Ipv6 => TcpSocket::new_v6(),
    };
    let socket = match netns {
        Some(netns) => blocking(move || inside(&netns, make)).await?,
        None => make()?,
    };
    let address = SocketAddr::new(loopback(family), port);
    socket.connect(address).await
}

fn loopback(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::LOCALHOST),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::LOCALHOST),
    }
}

fn inside<T: Send>(netns: &Path, make: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    netns::within(netns, make).map_err(|error| error.source)?
}

/// The code of `HTTP/1.1 200 OK`.
async fn status(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<u16> {
    let mut line = Vec::with_capacity(STATUS_LINE_MAX);
    while !line.contains(&b'\n') && line.len() < STATUS_LINE_MAX {
        if stream.read_buf(&mut line).await? == 0 {
            break;
        }
    }
    parse(&line).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it does not speak HTTP"))
}

fn parse(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|&byte| byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    words.next()?.strip_prefix("HTTP/")?;
    let code: u16 = words.next()?.parse().ok()?;
    (100..1000).contains(&code).then_some(code)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::crypto::ring;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;

    #[test]
    fn a_status_line_has_a_code() {
        assert_eq!(
            parse(b"HTTP/1.1 204 No Content\r\nServer: x\r\n"),
            Some(204)
        );
        assert_eq!(parse(b"HTTP/1.0 503\r\n"), Some(503));
        for bad in [
            &b""[..],
            b"SSH-2.0-x\r\n",
            b"HTTP/1.1 abc\r\n",
            b"HTTP/1.1 7\n",
        ] {
            assert_eq!(parse(bad), None);
        }
    }

    fn get(scheme: Scheme, port: u16) -> HttpGet {
        HttpGet {
            scheme,
            port,
            path: "/health".to_owned(),
            family: Family::Ipv4,
        }
    }

    /// Its certificate is its own word, and of another name.
    #[tokio::test]
    async fn https_is_spoken_with_whoever_answers_it() {
        let rcgen::CertifiedKey { cert, signing_key } =
            rcgen::generate_simple_self_signed(["web.example".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            let mut request = [0; 4096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            stream
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .await
                .unwrap();
            stream.shutdown().await.unwrap();
            // Who speaks plainly to it gets no answer that is HTTP.
            let (stream, _) = listener.accept().await.unwrap();
            acceptor.accept(stream).await.unwrap_err();
        };
        let ask = async {
            let safely = http(None, get(Scheme::Https, port), None).await;
            (safely, http(None, get(Scheme::Http, port), None).await)
        };
        let ((), (safely, plainly)) = tokio::join!(serve, ask);
        assert_eq!(safely, Ok(204));
        assert!(plainly.is_err());
    }

    #[tokio::test]
    async fn an_answer_and_a_closed_port_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serve = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).into_owned();
            stream
                .write_all(b"HTTP/1.1 302 Found\r\n\r\n")
                .await
                .unwrap();
            request
        };
        let (request, answer) = tokio::join!(serve, http(None, get(Scheme::Http, port), None));
        assert_eq!(answer, Ok(302));
        assert!(request.starts_with("GET /health HTTP/1.1\r\n"), "{request}");
        drop(listener);
        let closed = tcp(None, port, Family::Ipv4, None).await;
        assert!(closed.is_err_and(|why| why.contains("refused")));
    }
}
