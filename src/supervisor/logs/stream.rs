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

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::thread;

    use super::super::output::Written;
    use super::*;
    use crate::sys::fifo;

    const SOON: Duration = Duration::from_secs(30);

    /// A FIFO whose lines go, with a prefix, to `to`; and the tail that is kept of it.
    fn pump(folder: &Path, to: OwnedFd) -> (Stream, pipe::Receiver, Written) {
        let path = folder.join("fifo");
        fifo::create(&path).unwrap();
        let (output, written) = Output::start(to, "test").unwrap();
        let stream = Stream {
            prefix: "web | ".into(),
            service: "web".to_owned(),
            output,
            tail: Arc::default(),
        };
        let receiver = pipe::OpenOptions::new().open_receiver(&path).unwrap();
        (stream, receiver, written)
    }

    /// Writes as a container does: with no regard for who reads.
    fn container(folder: &Path, bytes: Vec<u8>) -> thread::JoinHandle<()> {
        let path = folder.join("fifo");
        thread::spawn(move || {
            let mut fifo = OpenOptions::new().write(true).open(path).unwrap();
            fifo.write_all(&bytes).unwrap();
        })
    }

    #[tokio::test]
    async fn lines_are_whole_and_prefixed_and_the_last_gets_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (stream, fifo, written) = pump(folder.path(), File::create(&log).unwrap().into());
        let tail = Arc::clone(&stream.tail);
        let container = container(folder.path(), b"one\ntwo\n\nthree".to_vec());
        stream.pump(fifo).await;
        assert!(written.within(SOON).await);
        container.join().unwrap();
        let text = std::fs::read_to_string(log).unwrap();
        assert_eq!(text, "web | one\nweb | two\nweb | \nweb | three\n");
        assert_eq!(tail.lock().unwrap().lines(), ["one", "two", "", "three"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_into_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let (stream, fifo, written) = pump(folder.path(), File::create(&log).unwrap().into());
        let container = container(folder.path(), vec![b'x'; 3 * LINE_MAX + 7]);
        stream.pump(fifo).await;
        assert!(written.within(SOON).await);
        container.join().unwrap();
        let text = std::fs::read_to_string(log).unwrap();
        assert!(
            text.lines()
                .all(|line| line.len() <= LINE_MAX + "web | ".len())
        );
        assert_eq!(text.matches('x').count(), 3 * LINE_MAX + 7);
    }

    #[tokio::test]
    async fn a_reader_that_stalls_costs_whole_lines_and_never_the_container() {
        const LINES: usize = 200_000;
        let folder = tempfile::tempdir().unwrap();
        let (mut reader, writer) = std::io::pipe().unwrap();
        let (stream, fifo, written) = pump(folder.path(), writer.into());
        let lines: Vec<u8> = (0..LINES)
            .flat_map(|n| format!("line {n:06}\n").into_bytes())
            .collect();
        let container = container(folder.path(), lines);
        // Nobody reads, and still the container comes to its end.
        stream.pump(fifo).await;
        container.join().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(written.within(SOON).await);
        let text = reader.join().unwrap();
        let (markers, kept): (Vec<&str>, Vec<&str>) = text
            .lines()
            .partition(|line| line.starts_with("[compose-executor]"));
        let whole = |line: &&str| {
            line.len() == "web | line 000000".len() && line.starts_with("web | line ")
        };
        assert!(kept.iter().all(whole));
        let dropped: usize = markers
            .iter()
            .map(|marker| marker.split(' ').nth(1).unwrap().parse::<usize>().unwrap())
            .sum();
        assert!(dropped > 0);
        assert_eq!(kept.len() + dropped, LINES);
        assert!(kept.is_sorted());
    }

    #[tokio::test]
    async fn a_full_disk_costs_lines_and_never_the_container() {
        let folder = tempfile::tempdir().unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let (stream, fifo, written) = pump(folder.path(), full.into());
        let container = container(folder.path(), b"one\n".repeat(100_000));
        stream.pump(fifo).await;
        assert!(written.within(SOON).await);
        container.join().unwrap();
    }
}
