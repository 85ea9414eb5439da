//! What goes from a stream to whoever writes it down, and how the two stay apart: a [`Lane`].
//!
//! A container never waits for its log for longer than [`PATIENCE`]. When a lane has been full for
//! that long, whole lines are dropped until half of it is free again, and counted; the writer puts a
//! marker where they are missing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;
use tracing::warn;

use crate::logfile::Side;

/// What may be queued of one stream for one writer, in bytes.
pub(super) const BUFFER: usize = 1 << 20;
/// How long a full buffer holds the container back.
const PATIENCE: Duration = Duration::from_secs(1);
/// What a queued piece costs beside its text: many short ones must not take more than the buffer.
const OVERHEAD: usize = 256;

/// Whose lines these are, and how many of them are missing without a marker that says so. The
/// number is the writer's.
#[derive(Debug)]
pub(super) struct Label {
    pub(super) service: String,
    pub(super) side: Side,
    unmarked: AtomicU64,
}

/// Whole lines on their way to a writer.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) label: Arc<Label>,
    /// Each with its newline.
    pub(super) bytes: Bytes,
    pub(super) count: u64,
    /// When they were read.
    pub(super) at: SystemTime,
    /// How many were dropped since the lines that were queued before these.
    pub(super) lost_before: u64,
    /// Given back once the lines are written.
    _room: Option<OwnedSemaphorePermit>,
}

/// What a writer is told.
#[derive(Debug)]
pub(super) enum Message {
    Lines(Lines),
    /// Everything that was queued before this has been dealt with when the answer comes.
    Flush(oneshot::Sender<()>),
}

/// The way of one stream to one writer, with a buffer of its own.
#[derive(Debug)]
pub(super) struct Lane {
    to: mpsc::Sender<Message>,
    label: Arc<Label>,
    room: Arc<Semaphore>,
    /// The buffer was full for too long, and has not been half empty since.
    dropping: bool,
    /// Dropped, and not yet told to the writer.
    lost: u64,
}

impl Label {
    pub(super) fn new(service: &str, side: Side) -> Self {
        Self {
            service: service.to_owned(),
            side,
            unmarked: AtomicU64::new(0),
        }
    }

    /// Counts lines that could not be written.
    pub(super) fn miss(&self, lines: u64) {
        self.unmarked.fetch_add(lines, Ordering::Relaxed);
    }

    /// What stands where lines are missing; none where none are.
    pub(super) fn marker(&self) -> Option<String> {
        let missing = self.unmarked.load(Ordering::Relaxed);
        (missing > 0).then(|| {
            let lines = if missing == 1 { "line" } else { "lines" };
            format!(
                "[compose-executor] {missing} {lines} of \"{}\" missing here: the log could not take more\n",
                self.service
            )
        })
    }

    /// The marker has been written.
    pub(super) fn marked(&self) {
        self.unmarked.store(0, Ordering::Relaxed);
    }
}

impl Lane {
    pub(super) fn new(to: mpsc::Sender<Message>, service: &str, side: Side) -> Self {
        Self {
            to,
            label: Arc::new(Label::new(service, side)),
            room: Arc::new(Semaphore::new(BUFFER)),
            dropping: false,
            lost: 0,
        }
    }

    /// Queues whole lines, or drops them when there was no room for too long.
    pub(super) async fn send(&mut self, bytes: Bytes, count: u64, at: SystemTime) {
        // Counted first: this may be cut off while it waits.
        self.lost += count;
        let Some(room) = self.room(bytes.len()).await else {
            return;
        };
        self.lost -= count;
        self.queue(bytes, count, at, Some(room));
    }

    /// Room for so many bytes; none when there was none for too long.
    async fn room(&mut self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let size = (bytes + OVERHEAD).min(BUFFER);
        let permits = u32::try_from(size).expect("the buffer is small");
        let room = Arc::clone(&self.room);
        if self.dropping {
            if room.available_permits() < size.max(BUFFER / 2) {
                return None;
            }
            self.dropping = false;
        }
        if let Ok(permit) = timeout(PATIENCE, room.acquire_many_owned(permits)).await {
            return permit.ok();
        }
        self.dropping = true;
        warn!(
            service = self.label.service,
            stream = ?self.label.side,
            "the log is not taken fast enough; lines are dropped"
        );
        None
    }

    fn queue(
        &mut self,
        bytes: Bytes,
        count: u64,
        at: SystemTime,
        room: Option<OwnedSemaphorePermit>,
    ) {
        let lines = Lines {
            label: Arc::clone(&self.label),
            bytes,
            count,
            at,
            lost_before: std::mem::take(&mut self.lost),
            _room: room,
        };
        // The writer is gone only with its whole pod or process.
        let _ = self.to.send(Message::Lines(lines));
    }
}

impl Drop for Lane {
    /// What is missing at the end gets its marker too.
    fn drop(&mut self) {
        self.queue(Bytes::new(), 0, SystemTime::now(), None);
    }
}

/// Waits until a writer has dealt with all that was queued, at most so long; false if it has not.
pub(super) async fn flush(to: &mpsc::Sender<Message>, limit: Duration) -> bool {
    let (answer, written) = oneshot::channel();
    to.send(Message::Flush(answer)).is_ok() && matches!(timeout(limit, written).await, Ok(Ok(())))
}
