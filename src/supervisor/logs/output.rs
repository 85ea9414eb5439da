//! A descriptor that lines are written to, by a thread of its own.
//!
//! Writing may block for as long as a logger's pipe is not read, and must block nobody else: the
//! streams only queue, each within a budget of its own.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// How long the writer waits before it tries a full, non-blocking pipe again.
const FULL_PIPE_PAUSE: Duration = Duration::from_millis(5);

/// Whole lines on their way to a descriptor.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) bytes: Bytes,
    pub(super) count: u64,
    /// Where lines that could not be written are counted.
    pub(super) dropped: Arc<AtomicU64>,
    /// The room that the lines take of their stream's buffer, given back once they are written.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// The queue of one descriptor. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Output {
    queue: mpsc::Sender<Lines>,
}

/// Tells that a writer has written all there was, once every [`Output`] of it is gone.
#[derive(Debug)]
pub(super) struct Written(oneshot::Receiver<()>);

impl Output {
    /// Starts the thread. It ends when all clones of the output are dropped and the queue is
    /// empty; one that is stuck in a pipe nobody reads ends with the process.
    pub(super) fn start(fd: OwnedFd, name: &str) -> io::Result<(Self, Written)> {
        let (queue, lines) = mpsc::channel::<Lines>();
        let (end, written) = oneshot::channel();
        thread::Builder::new()
            .name(format!("log-{name}"))
            .spawn(move || {
                let mut writer = Writer {
                    file: File::from(fd),
                    torn: false,
                };
                for lines in lines {
                    writer.write(&lines);
                }
                // Nobody may be waiting any more.
                let _ = end.send(());
            })?;
        Ok((Self { queue }, Written(written)))
    }

    pub(super) fn queue(&self, lines: Lines) {
        if let Err(mpsc::SendError(lines)) = self.queue.send(lines) {
            // The writer's thread has panicked; nothing can be written any more.
            lines.dropped.fetch_add(lines.count, Ordering::Relaxed);
        }
    }
}

impl Written {
    /// False when lines were still unwritten after so long.
    pub(super) async fn within(self, limit: Duration) -> bool {
        tokio::time::timeout(limit, self.0).await.is_ok()
    }
}

struct Writer {
    file: File,
    /// The last write ended within a line.
    torn: bool,
}

impl Writer {
    fn write(&mut self, lines: &Lines) {
        let torn = if self.torn {
            self.write_all(b"\n")
        } else {
            Ok(())
        };
        let result = torn.and_then(|()| self.write_all(&lines.bytes));
        // A full disk is no error of the container's: its lines are lost, and counted.
        if result.is_err() {
            lines.dropped.fetch_add(lines.count, Ordering::Relaxed);
        }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let whole = bytes.len();
        while !bytes.is_empty() {
            match self.file.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(FULL_PIPE_PAUSE);
                }
                Err(error) => {
                    self.torn |= bytes.len() < whole;
                    return Err(error);
                }
            }
        }
        self.torn = false;
        Ok(())
    }
}

/// A second descriptor for the same file, so that ours can be closed without closing the process'.
pub(super) fn duplicate(of: &impl AsFd) -> io::Result<OwnedFd> {
    of.as_fd().try_clone_to_owned()
}
