//! Bytes as a container writes them, cut into whole lines of a bounded length.
//!
//! Lines are given as parts of the chunk that they were read to: nothing is copied for them, and a
//! chunk is read to again once all its lines are written.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

/// A longer line is cut into pieces, each a line with [`CUT`] at its end.
pub(super) const LINE_MAX: usize = 64 << 10;
/// What a piece ends with whose line goes on.
pub(super) const CUT: &[u8] = b"[compose-executor: the line goes on]\n";

/// What is read before it must be taken: at least as much as the piece of a line that is kept, and
/// more to come.
const CHUNK: usize = 2 * LINE_MAX;
/// With less space than this, the next chunk is begun.
const LEAST_SPACE: usize = 16 << 10;
/// How many chunks are kept to be read to again: those that a writer's buffer holds.
const SPARE: usize = 8;

/// The place that a stream is read to. What has been read is taken with [`take`](Self::take), until
/// there is none.
#[derive(Debug)]
pub(super) struct LineBuffer {
    /// What has been read and not been taken.
    chunk: BytesMut,
    /// Chunks that were full, empty but for the lines that others still hold.
    spare: VecDeque<BytesMut>,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self {
            chunk: BytesMut::with_capacity(CHUNK),
            spare: VecDeque::new(),
        }
    }
}

impl LineBuffer {
    /// Where to read to. There always is some, if all lines have been taken of what
    /// [`is_full`](Self::is_full).
    pub(super) fn space(&mut self) -> &mut BytesMut {
        if self.chunk.is_empty() {
            // From its beginning again: a slow stream touches no more than it needs.
            let _ = self.chunk.try_reclaim(CHUNK);
        }
        if self.is_full() {
            let mut next = self.empty_chunk();
            next.put_slice(&self.chunk);
            let mut full = std::mem::replace(&mut self.chunk, next);
            full.clear();
            if self.spare.len() < SPARE {
                self.spare.push_back(full);
            }
        }
        &mut self.chunk
    }

    /// There is so little space that the lines should be taken.
    pub(super) fn is_full(&self) -> bool {
        self.chunk.capacity() - self.chunk.len() < LEAST_SPACE
    }

    /// The whole lines that have been read, or a piece of one that is too long; none where there is
    /// less than a line.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        let mut end = 0;
        loop {
            let rest = &self.chunk[end..];
            let next = &rest[..rest.len().min(LINE_MAX)];
            match memchr::memrchr(b'\n', next) {
                Some(last) => end += last + 1,
                None if end > 0 => return Some(self.chunk.split_to(end).freeze()),
                None if next.len() < LINE_MAX => return None,
                None => {
                    let line = self.chunk.split_to(character_start(next));
                    return Some(with_end(&line, CUT));
                }
            }
        }
    }

    /// The last line of all, which has no newline; none where nothing is left.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let line = self.chunk.split();
        (!line.is_empty()).then(|| with_end(&line, b"\n"))
    }

    /// There is no flood: the memory for it may go.
    pub(super) fn calm(&mut self) {
        self.spare = VecDeque::new();
    }

    /// One that nobody holds a line of any more, or a new one.
    fn empty_chunk(&mut self) -> BytesMut {
        let oldest = self.spare.pop_front();
        let free = oldest.and_then(|mut chunk| chunk.try_reclaim(CHUNK).then_some(chunk));
        free.unwrap_or_else(|| BytesMut::with_capacity(CHUNK))
    }
}

fn with_end(line: &[u8], end: &[u8]) -> Bytes {
    let mut piece = BytesMut::with_capacity(line.len() + end.len());
    piece.put_slice(line);
    piece.put_slice(end);
    piece.freeze()
}

/// The place nearest to the end that is not within a character, if the bytes are UTF-8 at all.
fn character_start(bytes: &[u8]) -> usize {
    let is_start = |byte: u8| byte & 0b1100_0000 != 0b1000_0000;
    let last = (1..=4).find(|back| is_start(bytes[bytes.len() - back]));
    match last.map(|back| (back, bytes[bytes.len() - back])) {
        Some((back, first)) if first >= 0b1100_0000 => bytes.len() - back,
        _ => bytes.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(buffer: &mut LineBuffer, bytes: &[u8]) -> Option<Bytes> {
        buffer.space().put_slice(bytes);
        buffer.take()
    }

    #[test]
    fn a_line_waits_for_its_end() {
        let mut buffer = LineBuffer::default();
        assert_eq!(read(&mut buffer, b"on"), None);
        assert_eq!(read(&mut buffer, b"e\ntwo\nth").unwrap(), "one\ntwo\n");
        assert_eq!(read(&mut buffer, b"ree\n").unwrap(), "three\n");
        assert_eq!(buffer.rest(), None);
        assert_eq!(read(&mut buffer, b"end"), None);
        assert_eq!(buffer.rest().unwrap(), "end\n");
    }

    #[test]
    fn a_long_line_is_cut_between_two_characters() {
        let mut buffer = LineBuffer::default();
        let mut line = vec![b'x'; LINE_MAX - 1];
        line.extend_from_slice("ö".as_bytes());
        assert_eq!(read(&mut buffer, &line[..LINE_MAX - 2]), None);
        let piece = read(&mut buffer, &line[LINE_MAX - 2..LINE_MAX]).unwrap();
        assert_eq!(buffer.take(), None);
        assert_eq!(piece.len(), LINE_MAX - 1 + CUT.len());
        assert!(piece.ends_with(CUT));
        assert_eq!(read(&mut buffer, &[line[LINE_MAX], b'\n']).unwrap(), "ö\n");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_they_are() {
        let mut buffer = LineBuffer::default();
        let piece = read(&mut buffer, &vec![0x80; LINE_MAX]).unwrap();
        assert_eq!(piece[..LINE_MAX], vec![0x80; LINE_MAX]);
        assert_eq!(read(&mut buffer, b"\0\xff\n").unwrap(), &b"\0\xff\n"[..]);
    }

    #[test]
    fn a_long_line_among_others_is_cut_too() {
        let mut buffer = LineBuffer::default();
        let long = "x".repeat(LINE_MAX + 5);
        let bytes = format!("one\n{long}\ntwo\nthr");
        assert_eq!(read(&mut buffer, bytes.as_bytes()).unwrap(), "one\n");
        let piece = buffer.take().unwrap();
        assert_eq!(piece.len(), LINE_MAX + CUT.len());
        assert_eq!(buffer.take().unwrap(), "xxxxx\ntwo\n");
        assert_eq!(buffer.take(), None);
    }

    #[test]
    fn a_line_goes_on_in_the_next_chunk_whoever_holds_the_last() {
        let (mut buffer, mut expected, mut held) =
            (LineBuffer::default(), String::new(), VecDeque::new());
        let mut all = Vec::new();
        for n in 0..20_000 {
            let line = format!("a line with a number in it, {n}\n");
            expected.push_str(&line);
            let (begin, end) = line.split_at(n % line.len());
            held.extend(read(&mut buffer, begin.as_bytes()));
            held.extend(read(&mut buffer, end.as_bytes()));
            // Some are held for long, so that their chunks can't be read to again.
            while held.len() > n % 5000 {
                all.extend_from_slice(&held.pop_front().unwrap());
            }
        }
        for lines in &held {
            all.extend_from_slice(lines);
        }
        assert_eq!(String::from_utf8(all).unwrap(), expected);
    }

    #[test]
    fn a_chunk_is_read_to_again_once_its_lines_are_written() {
        let mut buffer = LineBuffer::default();
        let lines = read(&mut buffer, b"one\n").unwrap();
        let place = lines.as_ptr();
        assert_ne!(read(&mut buffer, b"two\n").unwrap().as_ptr(), place);
        drop(lines);
        assert_eq!(read(&mut buffer, b"three\n").unwrap().as_ptr(), place);
    }
}
