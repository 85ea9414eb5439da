//! One try by a command, or by TCP at the loopback address of the pod's network.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Family;
use super::location::loopback;
use crate::supervisor::command_fault::not_run;
use crate::supervisor::exec::{Exec, How};
use crate::supervisor::teardown::blocking;
use crate::sys::netns;

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
        How::NotStarted(error) => (None, not_run(&error)),
        How::Unknown(why) => (None, why),
    }
}

/// Whether somebody listens, none where that was not seen in time; and why not.
pub(in crate::supervisor) async fn tcp(
    netns: Option<PathBuf>,
    port: u16,
    family: Family,
    limit: Option<Duration>,
) -> (Option<bool>, String) {
    let address = SocketAddr::new(loopback(family), port);
    // Who refuses has answered.
    let tried = async { Ok(connect(netns, address).await.err()) };
    match within(limit, tried).await {
        Ok(None) => (Some(true), String::new()),
        Ok(Some(refused)) => (Some(false), refused.to_string()),
        Err(late) => (None, late),
    }
}

pub(super) async fn within<T>(
    limit: Option<Duration>,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, String> {
    match timeout(limit.unwrap_or(NEVER), work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("it took too long".to_owned()),
    }
}

/// A socket stays in the network that it was made in.
pub(super) async fn connect(netns: Option<PathBuf>, address: SocketAddr) -> io::Result<TcpStream> {
    let make = move || match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    };
    let socket = match netns {
        Some(netns) => blocking(move || inside(&netns, make)).await?,
        None => make()?,
    };
    socket.connect(address).await
}

fn inside<T: Send>(netns: &Path, make: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    netns::within(netns, make).map_err(|error| error.source)?
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_listener_and_a_closed_port_are_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let open = tcp(None, port, Family::Ipv4, None).await;
        assert_eq!(open, (Some(true), String::new()));
        drop(listener);
        let (closed, why) = tcp(None, port, Family::Ipv4, None).await;
        assert_eq!(closed, Some(false));
        assert!(why.contains("refused"), "{why}");
        let never = std::future::pending::<io::Result<()>>();
        let late = within(Some(Duration::ZERO), never).await;
        assert_eq!(late, Err("it took too long".to_owned()));
    }
}
