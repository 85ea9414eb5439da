//! The last lines a container wrote: what a failure's message shows.

use std::collections::VecDeque;

const LINES: usize = 10;
const LINE_BYTES: usize = 256;

/// At most the last ten lines, each cut to 256 bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    lines: VecDeque<Vec<u8>>,
}

impl Tail {
    /// Takes whole lines, each with its newline. Under a flood only the end of them is looked at.
    pub(super) fn push(&mut self, lines: &[u8]) {
        let body = lines.strip_suffix(b"\n").unwrap_or(lines);
        let mut last: Vec<&[u8]> = body.rsplit(|&byte| byte == b'\n').take(LINES).collect();
        last.reverse();
        for line in last {
            if self.lines.len() == LINES {
                self.lines.pop_front();
            }
            self.lines
                .push_back(line[..line.len().min(LINE_BYTES)].to_vec());
        }
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines
            .iter()
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ten_lines_are_kept() {
        let mut tail = Tail::default();
        tail.push(b"first\n");
        tail.push(b"1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n11\n");
        tail.push(b"end\n");
        assert_eq!(
            tail.lines(),
            ["3", "4", "5", "6", "7", "8", "9", "10", "11", "end"]
        );
    }

    #[test]
    fn a_long_line_is_cut() {
        let mut tail = Tail::default();
        tail.push(&[b'x'; 1000]);
        assert_eq!(tail.lines()[0].len(), LINE_BYTES);
    }
}
