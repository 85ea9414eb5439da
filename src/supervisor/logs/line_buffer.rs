//! Bytes as a container writes them, cut into whole lines of a bounded length.

use bytes::{BufMut, Bytes, BytesMut};

/// A longer line is cut into pieces, each a line with [`CUT`] at its end.
pub(super) const LINE_MAX: usize = 64 << 10;
/// What a piece ends with whose line goes on.
pub(super) const CUT: &[u8] = b"[compose-executor: the line goes on]\n";

/// The place that a stream is read to.
#[derive(Debug)]
pub(super) struct LineBuffer {
    bytes: Box<[u8]>,
    filled: usize,
}

impl Default for LineBuffer {
    fn default() -> Self {
        Self {
            bytes: vec![0; LINE_MAX].into_boxed_slice(),
            filled: 0,
        }
    }
}

impl LineBuffer {
    /// Where to read to. There always is some.
    pub(super) fn space(&mut self) -> &mut [u8] {
        &mut self.bytes[self.filled..]
    }

    /// So much of the space has been read to. Gives the whole lines that there are now.
    pub(super) fn filled(&mut self, bytes: usize) -> Option<Bytes> {
        let new = self.filled;
        self.filled += bytes;
        // What was there before has no newline.
        if let Some(last) = memchr::memrchr(b'\n', &self.bytes[new..self.filled]) {
            let end = new + last + 1;
            let lines = Bytes::copy_from_slice(&self.bytes[..end]);
            self.forget(end);
            return Some(lines);
        }
        (self.filled == self.bytes.len()).then(|| {
            let end = character_start(&self.bytes);
            let piece = with_end(&self.bytes[..end], CUT);
            self.forget(end);
            piece
        })
    }

    /// The last line of all, which has no newline; none where nothing is left.
    pub(super) fn rest(&mut self) -> Option<Bytes> {
        let end = std::mem::take(&mut self.filled);
        (end > 0).then(|| with_end(&self.bytes[..end], b"\n"))
    }

    fn forget(&mut self, end: usize) {
        self.bytes.copy_within(end..self.filled, 0);
        self.filled -= end;
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
        buffer.space()[..bytes.len()].copy_from_slice(bytes);
        buffer.filled(bytes.len())
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
}
