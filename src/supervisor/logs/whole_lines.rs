//! Writing so that only whole lines are ever missing.
//!
//! A disk may fill up, or a pipe break, within a line. Its rest is kept and written first when there
//! is room again, so that what is read later has no torn line; the lines after it are lost, counted,
//! and a marker stands for them.

use std::io::{self, Write};

use super::lines::Lines;

/// A file or pipe that takes whole lines.
#[derive(Debug)]
pub(super) struct WholeLines<W> {
    to: W,
    /// The rest of the line that the last write ended in.
    unfinished: Vec<u8>,
}

impl<W: Write> WholeLines<W> {
    pub(super) fn new(to: W) -> Self {
        Self {
            to,
            unfinished: Vec::new(),
        }
    }

    pub(super) fn inner(&mut self) -> &mut W {
        &mut self.to
    }

    /// Writes the lines, after a marker if some before them are missing. What can't be written is
    /// counted as missing.
    pub(super) fn take(&mut self, lines: &Lines) {
        let label = &lines.label;
        label.miss(lines.lost_before);
        if let Some(marker) = label.marker() {
            if self.write(marker.as_bytes(), 1) > 0 {
                label.miss(lines.count);
                return;
            }
            label.marked();
        }
        label.miss(self.write(&lines.bytes, lines.count));
    }

    /// Writes so many whole lines; gives how many of them could not be.
    pub(super) fn write(&mut self, lines: &[u8], count: u64) -> u64 {
        let (finished, result) = write_all(&mut self.to, &self.unfinished);
        self.unfinished.drain(..finished);
        if result.is_err() {
            return count;
        }
        let (written, result) = write_all(&mut self.to, lines);
        // A full disk is no error of the container's: its lines are lost, and counted.
        if result.is_ok() {
            return 0;
        }
        let (done, rest) = lines.split_at(written);
        let mut whole = memchr::memchr_iter(b'\n', done).count() as u64;
        if done.last().is_some_and(|&byte| byte != b'\n') {
            let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |end| end + 1);
            self.unfinished.extend_from_slice(&rest[..end]);
            whole += 1;
        }
        count - whole
    }
}

/// Writes as much as there is room for, and tells how much that was.
fn write_all(to: &mut impl Write, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match to.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A disk with so much room.
    struct Disk {
        content: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let fits = bytes.len().min(self.room);
            if fits == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= fits;
            self.content.extend_from_slice(&bytes[..fits]);
            Ok(fits)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn disk(room: usize) -> WholeLines<Disk> {
        WholeLines::new(Disk {
            content: Vec::new(),
            room,
        })
    }

    #[test]
    fn a_line_that_was_torn_is_finished_first() {
        let mut log = disk(6);
        assert_eq!(log.write(b"one\ntwo\nthree\nfour\n", 4), 2);
        assert_eq!(log.write(b"five\n", 1), 1);
        log.inner().room = 100;
        assert_eq!(log.write(b"six\n", 1), 0);
        assert_eq!(log.inner().content, b"one\ntwo\nsix\n");
    }

    #[test]
    fn between_two_lines_nothing_is_torn() {
        let mut log = disk(4);
        assert_eq!(log.write(b"one\ntwo\n", 2), 1);
        log.inner().room = 100;
        assert_eq!(log.write(b"six\n", 1), 0);
        assert_eq!(log.inner().content, b"one\nsix\n");
    }

    #[test]
    fn a_torn_line_may_be_finished_in_steps() {
        let mut log = disk(1);
        assert_eq!(log.write(b"one\ntwo\n", 2), 1);
        log.inner().room = 2;
        assert_eq!(log.write(b"six\n", 1), 1);
        log.inner().room = 100;
        assert_eq!(log.write(b"ten\n", 1), 0);
        assert_eq!(log.inner().content, b"one\nten\n");
    }
}
