//! A further process in a container, run to its end: a probe, a hook, a check.
//!
//! What it writes is kept up to a bound, and read on beyond it, so that it never waits for us. At
//! the end of its time it is killed with all that came of it. A call to containerd is never cut
//! off in its middle: its effect could come after all else is torn down.

use std::convert::Infallible;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::report::ExitStatus;
use super::teardown::blocking;
use crate::containerd::{Client, Code, Process, RpcError, Stdio};
use crate::sys::cgroup::Hierarchies;
use crate::sys::{fifo, offspring};

/// How much of its output is kept, as much as Docker keeps of a probe's; `...` tells of more.
const OUTPUT_MAX: usize = 4096;
/// How long output may still come after the process has ended: a child of it may hold the pipe.
const DRAIN: Duration = Duration::from_millis(250);
/// How long the kernel may take to end what was killed, and containerd to tell.
const KILL: Duration = Duration::from_secs(10);
/// Far enough to mean never.
const NEVER: Duration = Duration::from_hours(24 * 365);

/// A process that is to be run.
#[derive(Clone, Debug)]
pub(super) struct Exec {
    pub(super) client: Client,
    pub(super) cgroups: Hierarchies,
    pub(super) container: String,
    /// The container's cgroup, in which the process will be.
    pub(super) cgroup: String,
    /// No two of a container's at the same time have the same.
    pub(super) id: String,
    /// The `process` part of a runtime document, JSON.
    pub(super) process: Vec<u8>,
    /// Where its output comes through: made for it, and removed after it.
    pub(super) pipe: PathBuf,
}

/// How it went.
#[derive(Debug)]
pub(super) struct ExecEnd {
    pub(super) how: How,
    /// The beginning of what it wrote to both its streams.
    pub(super) output: String,
}

/// The ways to end.
#[derive(Debug)]
pub(super) enum How {
    Exited(ExitStatus),
    /// It was killed at the end of its time.
    TimedOut,
    /// It was killed, or not even started, because nobody wants its result any more.
    Cancelled,
    /// The runtime could not start it, in its own words.
    NotStarted(RpcError),
    /// Nothing is known of it: containerd was away, or its pipe could not be made.
    Unknown(String),
}

impl ExecEnd {
    fn without_output(how: How) -> Self {
        Self {
            how,
            output: String::new(),
        }
    }
}

impl Exec {
    /// Runs it, for at most `limit`; none is for as long as it takes.
    pub(super) async fn run(self, limit: Option<Duration>, cancel: &CancellationToken) -> ExecEnd {
        if cancel.is_cancelled() {
            return ExecEnd::without_output(How::Cancelled);
        }
        let opened = fifo::create(&self.pipe)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                let pipe = pipe::OpenOptions::new().open_receiver(&self.pipe);
                pipe.map_err(|error| error.to_string())
            });
        let end = match opened {
            Ok(pipe) => self.run_with(pipe, limit, cancel).await,
            Err(error) => ExecEnd::without_output(How::Unknown(error)),
        };
        if let Err(error) = fs::remove_file(&self.pipe) {
            debug!(pipe = %self.pipe.display(), %error, "a pipe stays until its pod goes");
        }
        end
    }

    async fn run_with(
        &self,
        pipe: pipe::Receiver,
        limit: Option<Duration>,
        cancel: &CancellationToken,
    ) -> ExecEnd {
        let mut output = Output::new(pipe);
        let pid = match self.start().await {
            Ok(pid) => pid,
            Err(error) => return ExecEnd::without_output(not_started(error)),
        };
        // A process has all of its time, however long the runtime took to start it.
        let deadline = Instant::now() + limit.unwrap_or(NEVER).min(NEVER);
        let tasks = self.client.tasks();
        let wait = tasks.wait(self.name(), NEVER);
        tokio::pin!(wait);
        let how = tokio::select! {
            exit = &mut wait => ended(exit),
            never = output.read() => match never {},
            () = sleep_until(deadline) => How::TimedOut,
            () = cancel.cancelled() => How::Cancelled,
        };
        if !matches!(how, How::Exited(_)) {
            self.kill(pid).await;
            // Without an answer it is deleted all the same, or goes with its container.
            let _ = timeout(KILL, &mut wait).await;
        }
        let _ = timeout(DRAIN, output.read_to_end()).await;
        if let Err(error) = tasks.delete(self.name()).await {
            debug!(exec = self.id, container = self.container, %error, "a process that has ended can't be deleted");
        }
        ExecEnd {
            how,
            output: output.into_text(),
        }
    }

    async fn start(&self) -> Result<u32, RpcError> {
        let stdio = Stdio {
            stdin: None,
            stdout: Some(self.pipe.clone()),
            stderr: Some(self.pipe.clone()),
            terminal: false,
        };
        let tasks = self.client.tasks();
        tasks.exec(self.name(), self.process.clone(), stdio).await?;
        match tasks.start(self.name()).await {
            Ok(pid) => Ok(pid),
            Err(error) => {
                // It never ran; what containerd keeps of it is of no use.
                let _ = tasks.delete(self.name()).await;
                Err(error)
            }
        }
    }

    async fn kill(&self, pid: u32) {
        let (cgroups, cgroup) = (self.cgroups.clone(), self.cgroup.clone());
        match blocking(move || offspring::kill(pid, &cgroups, &cgroup, KILL)).await {
            Ok(true) => {}
            Ok(false) => warn!(
                container = self.container,
                pid, "a process outlives its kill"
            ),
            Err(error) => warn!(container = self.container, %error, "a process can't be killed"),
        }
    }

    fn name(&self) -> Process<'_> {
        Process::exec(&self.container, &self.id)
    }
}

fn ended(exit: Result<crate::containerd::Exit, RpcError>) -> How {
    match exit {
        Ok(exit) => How::Exited(ExitStatus::of_containerd(exit.status)),
        Err(error) => How::Unknown(error.to_string()),
    }
}

/// What the runtime says is about the process; what the connection says is not.
fn not_started(error: RpcError) -> How {
    match error.code {
        Code::Disconnected | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            How::Unknown(error.to_string())
        }
        _ => How::NotStarted(error),
    }
}

/// The beginning of what comes through a pipe.
struct Output {
    pipe: pipe::Receiver,
    kept: Vec<u8>,
    /// There was more.
    cut: bool,
    at_end: bool,
}

impl Output {
    fn new(pipe: pipe::Receiver) -> Self {
        Self {
            pipe,
            kept: Vec::new(),
            cut: false,
            at_end: false,
        }
    }

    /// Reads for ever. May be dropped at any time.
    async fn read(&mut self) -> Infallible {
        self.read_to_end().await;
        std::future::pending().await
    }

    async fn read_to_end(&mut self) {
        let mut chunk = [0; 4096];
        while !self.at_end {
            match self.pipe.read(&mut chunk).await {
                // The pipe is ours: an error on it is its end.
                Ok(0) | Err(_) => self.at_end = true,
                Ok(read) => {
                    let room = OUTPUT_MAX - self.kept.len();
                    self.kept.extend_from_slice(&chunk[..read.min(room)]);
                    self.cut |= read > room;
                }
            }
        }
    }

    fn into_text(self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        if self.cut {
            format!("{text}...")
        } else {
            text.trim_end().to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[tokio::test]
    async fn output_is_kept_to_a_bound_and_read_beyond_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        fifo::create(&path).unwrap();
        let pipe = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        let writer = std::thread::spawn(move || {
            let mut pipe = fs::OpenOptions::new().write(true).open(path).unwrap();
            pipe.write_all(&vec![b'x'; 1 << 20]).unwrap();
        });
        let mut output = Output::new(pipe);
        output.read_to_end().await;
        writer.join().unwrap();
        assert_eq!(output.into_text(), "x".repeat(OUTPUT_MAX) + "...");
    }

    #[test]
    fn a_lost_connection_says_nothing_of_the_process() {
        let error = |code| RpcError {
            call: "Tasks.Start",
            subject: "web".to_owned(),
            code,
            message: "words".to_owned(),
        };
        assert!(matches!(
            not_started(error(Code::Disconnected)),
            How::Unknown(_)
        ));
        assert!(matches!(
            not_started(error(Code::Unknown)),
            How::NotStarted(_)
        ));
    }
}
