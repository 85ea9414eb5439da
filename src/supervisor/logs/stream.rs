//! One stream of one container: from its FIFO, in whole lines, to an output.
//!
//! A container never waits for its log for longer than [`PATIENCE`]. When its buffer has been full
//! for that long, whole lines are dropped until there is room again, and a marker tells how many.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::output::{Lines, Output};
use super::tail::Tail;

/// What may be queued of one stream, in bytes.
const BUFFER: usize = 1 << 20;
/// How long a full buffer holds the container back.
const PATIENCE: Duration = Duration::from_secs(1);
/// What is read at once.
const CHUNK: usize = 64 << 10;
/// A longer line is written in pieces, each a line.
const LINE_MAX: usize = 64 << 10;

/// A stream being read.
#[derive(Debug)]
pub(super) struct Stream {
    /// Stands before each line; empty in a pod of one.
    pub(super) prefix: Bytes,
    pub(super) service: String,
    pub(super) output: Output,
    pub(super) tail: Arc<Mutex<Tail>>,
}

impl Stream {
    /// Reads until the last writer has closed the FIFO.
    pub(super) async fn pump(self, mut fifo: pipe::Receiver) {
        let mut queue = Queue {
            room: Arc::new(Semaphore::new(BUFFER)),
            dropped: Arc::default(),
            dropping: false,
            stream: self,
        };
        let mut pending = BytesMut::with_capacity(CHUNK);
        loop {
            pending.reserve(CHUNK);
            match fifo.read_buf(&mut pending).await {
                // The FIFO is ours: an error on it is its end.
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            if let Some(end) = memchr::memrchr(b'\n', &pending) {
                queue.send(pending.split_to(end + 1).freeze()).await;
            }
            while pending.len() >= LINE_MAX {
                let mut piece = pending.split_to(LINE_MAX);
                piece.extend_from_slice(b"\n");
                queue.send(piece.freeze()).await;
            }
        }
        if !pending.is_empty() {
            pending.extend_from_slice(b"\n");
            queue.send(pending.freeze()).await;
        }
        queue.mark_dropped();
    }
}

struct Queue {
    room: Arc<Semaphore>,
    dropped: Arc<AtomicU64>,
    /// The buffer was full for too long and has not had room since.
    dropping: bool,
    stream: Stream,
}

impl Queue {
    /// Takes whole lines, each with its newline.
    async fn send(&mut self, lines: Bytes) {
        {
            let mut tail = self
                .stream
                .tail
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            tail.push(&lines);
        }
        let count = memchr::memchr_iter(b'\n', &lines).count() as u64;
        let bytes = self.prefixed(lines);
        if let Some(room) = self.room(bytes.len()).await {
            self.dropping = false;
            self.mark_dropped();
            self.queue(bytes, count, Some(room));
        } else {
            self.dropping = true;
            self.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }

    fn queue(&self, bytes: Bytes, count: u64, room: Option<OwnedSemaphorePermit>) {
        let dropped = Arc::clone(&self.dropped);
        self.stream.output.queue(Lines {
            bytes,
            count,
            dropped,
            _room: room,
        });
    }

    /// Room for so many bytes; none when there was none for too long.
    async fn room(&self, size: usize) -> Option<OwnedSemaphorePermit> {
        // Prefixes may make a chunk larger than the buffer; it then takes the whole of it.
        let permits = u32::try_from(size.min(BUFFER)).expect("the buffer is small");
        let room = Arc::clone(&self.room);
        if self.dropping {
            return room.try_acquire_many_owned(permits).ok();
        }
        let waited = tokio::time::timeout(PATIENCE, room.acquire_many_owned(permits)).await;
        waited.ok().and_then(Result::ok)
    }

    /// Tells of lines that were dropped since the last time.
    fn mark_dropped(&mut self) {
        let count = self.dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            let marker = format!(
                "[compose-executor] {count} lines of \"{}\" were dropped here: they could not be written in time\n",
                self.stream.service
            );
            self.queue(marker.into(), 0, None);
        }
    }

    fn prefixed(&self, lines: Bytes) -> Bytes {
        let prefix = &self.stream.prefix;
        if prefix.is_empty() {
            return lines;
        }
        let mut out = BytesMut::with_capacity(lines.len() + 16 * prefix.len());
        for line in lines.split_inclusive(|&byte| byte == b'\n') {
            out.extend_from_slice(prefix);
            out.extend_from_slice(line);
        }
        out.freeze()
    }
}
