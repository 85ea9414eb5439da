//! One stream of one container: from its FIFO, in whole lines, to whoever writes them down.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::net::unix::pipe;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::DRAIN;
use super::line_buffer::LineBuffer;
use super::lines::Lane;
use super::tail::Tail;

/// About what is queued at once where lines get a prefix.
const BATCH: usize = 128 << 10;
/// Whoever writes as much at once goes on to write: see [`GATHER`].
const MUCH: usize = 4 << 10;
/// How long a FIFO is left to fill under a flood. Else each write of the container's would wake us, and
/// the switching would cost more than the lines.
const GATHER: Duration = Duration::from_millis(1);

/// A stream being read.
#[derive(Debug)]
pub(super) struct Stream {
    /// Stands before each line of the merged log; empty in a pod of one.
    pub(super) prefix: Bytes,
    /// To the log of all services.
    pub(super) merged: Lane,
    /// To the service's own log, if it has one.
    pub(super) own: Option<Lane>,
    pub(super) tail: Arc<Mutex<Tail>>,
}

/// A container's end of the stream, and ours.
#[derive(Debug)]
pub(super) struct Fifo {
    pub(super) reader: pipe::Receiver,
    /// What it holds, in bytes.
    pub(super) size: usize,
}

/// What one look at a FIFO came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Read {
    /// So many bytes, and now it is empty.
    Bytes(usize),
    End,
}

impl Stream {
    /// Reads until the last writer has closed the FIFO, but no longer than [`DRAIN`] once the
    /// container has ended.
    pub(super) async fn pump(mut self, fifo: Fifo, ended: CancellationToken) {
        let mut buffer = LineBuffer::default();
        tokio::select! {
            // The FIFO is ours: an error on it is its end.
            _ = self.read(fifo, &mut buffer) => {}
            () = drained(&ended) => {}
        }
        self.send_lines(&mut buffer).await;
        if let Some(last) = buffer.rest() {
            self.send(last).await;
        }
    }

    async fn read(&mut self, fifo: Fifo, buffer: &mut LineBuffer) -> io::Result<()> {
        let Fifo { mut reader, size } = fifo;
        loop {
            reader.readable().await?;
            match self.empty(&reader, buffer).await? {
                Read::End => return Ok(()),
                Read::Bytes(bytes) if bytes < MUCH => buffer.calm(),
                // A writer that fills it faster than that must not wait.
                Read::Bytes(bytes) if bytes >= size / 2 => {}
                Read::Bytes(_) => {
                    // While it is registered with the reactor, each write wakes it.
                    let unwatched = reader.into_nonblocking_fd()?;
                    sleep(GATHER).await;
                    reader = pipe::Receiver::from_owned_fd(unwatched)?;
                }
            }
        }
    }

    /// Reads and sends all that is there.
    async fn empty(
        &mut self,
        reader: &pipe::Receiver,
        buffer: &mut LineBuffer,
    ) -> io::Result<Read> {
        let mut all = 0;
        loop {
            match reader.try_read_buf(buffer.space()) {
                Ok(0) => return Ok(Read::End),
                Ok(bytes) => all += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.send_lines(buffer).await;
                    return Ok(Read::Bytes(all));
                }
                Err(error) => return Err(error),
            }
            if buffer.is_full() {
                self.send_lines(buffer).await;
            }
        }
    }

    async fn send_lines(&mut self, buffer: &mut LineBuffer) {
        while let Some(lines) = buffer.take() {
            self.send(lines).await;
        }
    }

    /// Takes whole lines, each with its newline.
    async fn send(&mut self, lines: Bytes) {
        let at = SystemTime::now();
        let count = memchr::memchr_iter(b'\n', &lines).count() as u64;
        self.tail
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(&lines);
        let mut rest = lines.clone();
        let merged = async {
            if self.prefix.is_empty() {
                return self.merged.send(rest, count, at).await;
            }
            while !rest.is_empty() {
                let (batch, count) = prefixed(&mut rest, &self.prefix);
                self.merged.send(batch, count, at).await;
            }
        };
        let own = async {
            if let Some(own) = &mut self.own {
                own.send(lines, count, at).await;
            }
        };
        // Where one can't take more, the other does all the same.
        tokio::join!(merged, own);
    }
}

/// Takes about a [`BATCH`] of lines and puts the prefix before each: it may be much longer than
/// they are.
fn prefixed(lines: &mut Bytes, prefix: &[u8]) -> (Bytes, u64) {
    let mut batch = BytesMut::with_capacity(BATCH.min(2 * lines.len() + prefix.len()));
    let (mut taken, mut count) = (0, 0);
    for end in memchr::memchr_iter(b'\n', lines) {
        batch.put_slice(prefix);
        batch.put_slice(&lines[taken..=end]);
        taken = end + 1;
        count += 1;
        if batch.len() + prefix.len() >= BATCH {
            break;
        }
    }
    let _ = lines.split_to(taken);
    (batch.freeze(), count)
}

/// The end of a stream that somebody still holds open.
async fn drained(ended: &CancellationToken) {
    ended.cancelled().await;
    sleep(DRAIN).await;
}

#[cfg(test)]
mod tests {
    use std::fs::{File, OpenOptions};
    use std::io::{Read, Write};
    use std::os::fd::OwnedFd;
    use std::thread;

    use super::super::line_buffer::{CUT, LINE_MAX};
    use super::super::lines::flush;
    use super::super::output::Outputs;
    use super::*;
    use crate::logfile::Side;
    use crate::sys::fifo;

    const SOON: Duration = Duration::from_secs(30);

    /// A container's FIFO, and what its lines go to with a prefix.
    struct Pump {
        folder: tempfile::TempDir,
        outputs: Outputs,
        ended: CancellationToken,
        stream: Option<(Stream, Fifo)>,
    }

    impl Pump {
        fn new(to: OwnedFd) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("fifo");
            fifo::create(&path).unwrap();
            let outputs = Outputs::to(to);
            let stream = Stream {
                prefix: "web | ".into(),
                merged: Lane::new(outputs.of(Side::Stdout).clone(), "web", Side::Stdout),
                own: None,
                tail: Arc::default(),
            };
            let fifo = Fifo {
                reader: pipe::OpenOptions::new().open_receiver(&path).unwrap(),
                size: 64 << 10,
            };
            Self {
                folder,
                outputs,
                ended: CancellationToken::new(),
                stream: Some((stream, fifo)),
            }
        }

        /// Writes as a container does: with no regard for who reads.
        fn container(&self, bytes: Vec<u8>) -> thread::JoinHandle<()> {
            let mut fifo = self.fifo();
            thread::spawn(move || fifo.write_all(&bytes).unwrap())
        }

        fn fifo(&self) -> File {
            let path = self.folder.path().join("fifo");
            OpenOptions::new().write(true).open(path).unwrap()
        }

        async fn run(&mut self) {
            let (stream, fifo) = self.stream.take().unwrap();
            stream.pump(fifo, self.ended.clone()).await;
        }

        async fn written(&self) -> bool {
            flush(self.outputs.of(Side::Stdout), SOON).await
        }
    }

    fn log() -> (tempfile::NamedTempFile, OwnedFd) {
        let log = tempfile::NamedTempFile::new().unwrap();
        let fd = log.reopen().unwrap().into();
        (log, fd)
    }

    fn text(log: &tempfile::NamedTempFile) -> String {
        std::fs::read_to_string(log.path()).unwrap()
    }

    /// The number in each marker, and the lines that are none.
    fn sort(text: &str) -> (u64, Vec<&str>) {
        let (markers, lines): (Vec<&str>, Vec<&str>) = text
            .lines()
            .partition(|line| line.starts_with("[compose-executor]"));
        let number = |marker: &&str| marker.split(' ').nth(1).unwrap().parse::<u64>().unwrap();
        (markers.iter().map(number).sum(), lines)
    }

    #[tokio::test]
    async fn lines_are_whole_and_prefixed_and_the_last_gets_its_end() {
        let (log, fd) = log();
        let mut pump = Pump::new(fd);
        let tail = Arc::clone(&pump.stream.as_ref().unwrap().0.tail);
        let container = pump.container(b"one\ntwo\n\nthree".to_vec());
        container.join().unwrap();
        pump.run().await;
        assert!(pump.written().await);
        assert_eq!(text(&log), "web | one\nweb | two\nweb | \nweb | three\n");
        assert_eq!(tail.lock().unwrap().lines(), ["one", "two", "", "three"]);
    }

    #[tokio::test]
    async fn a_line_without_end_is_cut_into_lines() {
        let (log, fd) = log();
        let mut pump = Pump::new(fd);
        let container = pump.container(vec![b'x'; 3 * LINE_MAX + 7]);
        pump.run().await;
        assert!(pump.written().await);
        container.join().unwrap();
        let text = text(&log);
        let longest = LINE_MAX + "web | ".len() + CUT.len();
        assert!(text.lines().all(|line| line.len() <= longest));
        let pieces: String = text
            .lines()
            .map(|line| line.trim_start_matches("web | "))
            .map(|line| line.trim_end_matches("[compose-executor: the line goes on]"))
            .collect();
        assert_eq!(pieces, "x".repeat(3 * LINE_MAX + 7));
    }

    #[tokio::test]
    async fn empty_lines_do_not_outgrow_the_buffer() {
        let (log, fd) = log();
        let mut pump = Pump::new(fd);
        let container = pump.container(vec![b'\n'; 300_000]);
        pump.run().await;
        assert!(pump.written().await);
        container.join().unwrap();
        assert_eq!(text(&log), "web | \n".repeat(300_000));
    }

    #[tokio::test]
    async fn a_reader_that_stalls_costs_whole_lines_and_never_the_container() {
        const LINES: u64 = 200_000;
        let (mut reader, writer) = io::pipe().unwrap();
        let mut pump = Pump::new(writer.into());
        let lines: Vec<u8> = (0..LINES)
            .flat_map(|n| format!("line {n:06}\n").into_bytes())
            .collect();
        let container = pump.container(lines);
        // Nobody reads, and still the container comes to its end.
        pump.run().await;
        container.join().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(pump.written().await);
        drop(pump);
        let text = reader.join().unwrap();
        let (missing, kept) = sort(&text);
        let whole = |line: &&str| {
            line.len() == "web | line 000000".len() && line.starts_with("web | line ")
        };
        assert!(kept.iter().all(whole));
        assert!(missing > 0);
        assert_eq!(kept.len() as u64 + missing, LINES);
        assert!(kept.is_sorted());
    }

    #[tokio::test]
    async fn the_marker_stands_where_the_lines_are_missing() {
        let (mut reader, writer) = io::pipe().unwrap();
        let mut pump = Pump::new(writer.into());
        let line = format!("{}\n", "x".repeat(1023));
        let container = pump.container(line.repeat(4096).into_bytes());
        pump.run().await;
        container.join().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        assert!(pump.written().await);
        drop(pump);
        let text = reader.join().unwrap();
        let markers: Vec<usize> = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.starts_with("[compose-executor]"))
            .map(|(n, _)| n)
            .collect();
        // What was queued before the stall is there, and then nothing was taken any more.
        assert_eq!(markers, [text.lines().count() - 1]);
        assert!(text.len() > 1 << 19, "{}", text.len());
    }

    #[tokio::test]
    async fn a_full_disk_costs_lines_and_never_the_container() {
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut pump = Pump::new(full.into());
        let container = pump.container(b"one\n".repeat(100_000));
        pump.run().await;
        assert!(pump.written().await);
        container.join().unwrap();
    }

    #[tokio::test]
    async fn a_stream_that_is_held_open_is_left_after_its_containers_end() {
        let (log, fd) = log();
        let mut pump = Pump::new(fd);
        let mut left_open = pump.fifo();
        left_open.write_all(b"one\ntwo").unwrap();
        pump.ended.cancel();
        pump.run().await;
        drop(left_open);
        assert!(pump.written().await);
        assert_eq!(text(&log), "web | one\nweb | two\n");
    }

    #[test]
    fn a_prefix_longer_than_the_lines_makes_more_batches() {
        let mut lines = Bytes::from("\n".repeat(BATCH));
        let (mut count, mut batches) = (0, 0);
        while !lines.is_empty() {
            let (batch, lines) = prefixed(&mut lines, b"web | ");
            assert!(batch.len() < BATCH + 64);
            count += lines;
            batches += 1;
        }
        assert_eq!(count, BATCH as u64);
        assert!(batches > 6, "{batches}");
    }
}
