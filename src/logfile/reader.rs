//! Reading a service's log, from its oldest file on, also while it is written and turned over.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::times::{Side, Stamp};
use super::{name, times_name};
use crate::sys::beneath::Folder;

/// What is read at once.
const STEP: usize = 64 << 10;
/// More files than anybody can have asked for.
const MOST_FILES: u32 = 10_000;

/// Whole lines that were read from a container at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// None where the times are not known.
    pub at: Option<SystemTime>,
    pub side: Side,
    /// Each with its newline.
    pub lines: Vec<u8>,
}

/// A log being read. See [`read`](Self::read).
#[derive(Debug)]
pub struct LogReader {
    folder: Arc<Folder>,
    service: String,
    /// The files that are still to be read, oldest last; opened before any of them can be turned
    /// over.
    waiting: Vec<Part>,
    current: Option<Part>,
}

/// A file and its times.
#[derive(Debug)]
struct Part {
    log: File,
    times: File,
    inode: u64,
    /// Where in the log the next bytes are.
    offset: u64,
    /// What has been read of the log and not given yet: less than a line.
    partial: Vec<u8>,
    /// The stamps that have been read, the oldest first; those that are past are dropped.
    stamps: VecDeque<Stamp>,
    partial_stamp: String,
}

impl LogReader {
    /// Begins with the oldest file that is there. None there yet is no error.
    pub fn open(folder: Arc<Folder>, service: &str) -> io::Result<Self> {
        let mut reader = Self {
            folder,
            service: service.to_owned(),
            waiting: Vec::new(),
            current: None,
        };
        reader.open_newer_than(None)?;
        Ok(reader)
    }

    /// The next lines; none when there are no more for now.
    pub fn read(&mut self) -> io::Result<Option<Chunk>> {
        loop {
            let Some(part) = &mut self.current else {
                self.current = self.waiting.pop();
                if self.current.is_none() && !self.open_newer_than(None)? {
                    return Ok(None);
                }
                continue;
            };
            if let Some(chunk) = part.next()? {
                return Ok(Some(chunk));
            }
            if let Some(next) = self.waiting.pop() {
                self.current = Some(next);
                continue;
            }
            let inode = part.inode;
            if !self.open_newer_than(Some(inode))? {
                return Ok(None);
            }
            // What was written between the last look and the turning over.
            if let Some(chunk) = self.current.as_mut().map(Part::next).transpose()?.flatten() {
                return Ok(Some(chunk));
            }
        }
    }

    /// Opens the files that are newer than the one with this inode; all, if none has it any more.
    /// False when there is none.
    fn open_newer_than(&mut self, inode: Option<u64>) -> io::Result<bool> {
        let mut newer = Vec::new();
        for age in 0..MOST_FILES {
            let Some(part) = Part::open(&self.folder, &self.service, age)? else {
                break;
            };
            if Some(part.inode) == inode {
                break;
            }
            // It may just have been turned over, and be seen a second time.
            if newer.iter().all(|known: &Part| known.inode != part.inode) {
                newer.push(part);
            }
        }
        self.waiting = newer;
        Ok(!self.waiting.is_empty())
    }
}

impl Part {
    fn open(folder: &Folder, service: &str, age: u32) -> io::Result<Option<Self>> {
        let open = |name: String| match folder.file(Path::new(&name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(io::Error::from(error)),
        };
        let (Some(log), Some(times)) = (open(name(service, age))?, open(times_name(service, age))?)
        else {
            return Ok(None);
        };
        Ok(Some(Self {
            inode: log.metadata()?.ino(),
            log,
            times,
            offset: 0,
            partial: Vec::new(),
            stamps: VecDeque::new(),
            partial_stamp: String::new(),
        }))
    }

    /// Whole lines that have one stamp.
    fn next(&mut self) -> io::Result<Option<Chunk>> {
        let begin = self.offset;
        if memchr::memchr(b'\n', &self.partial).is_none() && !self.fill()? {
            return Ok(None);
        }
        self.read_stamps()?;
        while self.stamps.get(1).is_some_and(|next| next.offset <= begin) {
            self.stamps.pop_front();
        }
        let stamp = self
            .stamps
            .front()
            .filter(|stamp| stamp.offset <= begin)
            .copied();
        let end = match self.stamps.iter().find(|stamp| stamp.offset > begin) {
            Some(next) => usize::try_from(next.offset - begin).unwrap_or(usize::MAX),
            None => usize::MAX,
        };
        let within = &self.partial[..self.partial.len().min(end)];
        // A stamp is at the beginning of a line; whatever else it says, a line stays whole.
        let end = memchr::memrchr(b'\n', within)
            .or_else(|| memchr::memchr(b'\n', &self.partial))
            .map_or(self.partial.len(), |end| end + 1);
        let rest = self.partial.split_off(end);
        let lines = std::mem::replace(&mut self.partial, rest);
        self.offset += lines.len() as u64;
        Ok(Some(Chunk {
            at: stamp.map(|stamp| stamp.at),
            side: stamp.map_or(Side::Stdout, |stamp| stamp.side),
            lines,
        }))
    }

    /// Reads until there is a whole line; false when there is none.
    fn fill(&mut self) -> io::Result<bool> {
        loop {
            let known = self.partial.len();
            self.log.seek(SeekFrom::Start(self.offset + known as u64))?;
            let mut step = (&self.log).take(STEP as u64);
            if step.read_to_end(&mut self.partial)? == 0 {
                return Ok(false);
            }
            if memchr::memchr(b'\n', &self.partial[known..]).is_some() {
                return Ok(true);
            }
        }
    }

    /// A piece's stamp is written before the piece.
    fn read_stamps(&mut self) -> io::Result<()> {
        let mut bytes = Vec::new();
        self.times.read_to_end(&mut bytes)?;
        self.partial_stamp
            .push_str(&String::from_utf8_lossy(&bytes));
        while let Some((line, rest)) = self.partial_stamp.split_once('\n') {
            self.stamps.extend(Stamp::parse(line));
            self.partial_stamp = rest.to_owned();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::{LogFile, Rotation};
    use super::*;

    fn pair(max_size: u64, max_files: u32) -> (tempfile::TempDir, LogFile, LogReader) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = Arc::new(Folder::open(temporary.path()).unwrap());
        let rotation = Rotation {
            max_size,
            max_files,
        };
        let log = LogFile::new(Arc::clone(&folder), "web", rotation);
        let reader = LogReader::open(folder, "web").unwrap();
        (temporary, log, reader)
    }

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn all(reader: &mut LogReader) -> Vec<(Option<SystemTime>, Side, String)> {
        let next = || reader.read().unwrap();
        std::iter::from_fn(next)
            .map(|chunk| {
                (
                    chunk.at,
                    chunk.side,
                    String::from_utf8(chunk.lines).unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn lines_come_with_their_time_and_side() {
        let (_folder, mut log, mut reader) = pair(1 << 20, 2);
        assert_eq!(all(&mut reader), []);
        log.stamp(at(5), Side::Stdout);
        log.write_all(b"one\ntwo\n").unwrap();
        log.stamp(at(7), Side::Stderr);
        log.write_all(b"three\n").unwrap();
        let (out, err) = (Side::Stdout, Side::Stderr);
        let expected = [
            (Some(at(5)), out, "one\ntwo\n".to_owned()),
            (Some(at(7)), err, "three\n".to_owned()),
        ];
        assert_eq!(all(&mut reader), expected);
        log.stamp(at(8), Side::Stderr);
        log.write_all(b"half a").unwrap();
        assert_eq!(all(&mut reader), []);
        log.write_all(b" line\n").unwrap();
        assert_eq!(
            all(&mut reader),
            [(Some(at(8)), err, "half a line\n".to_owned())]
        );
    }

    #[test]
    fn a_reader_follows_through_every_rotation() {
        let (_folder, mut log, mut reader) = pair(500, 100);
        let (mut written, mut read) = (String::new(), String::new());
        for n in 0..1000 {
            let line = format!("line {n}\n");
            log.stamp(at(n), Side::Stdout);
            log.write_all(line.as_bytes()).unwrap();
            written.push_str(&line);
            if n % 37 == 0 {
                read.extend(all(&mut reader).into_iter().map(|(_, _, text)| text));
            }
        }
        read.extend(all(&mut reader).into_iter().map(|(_, _, text)| text));
        assert_eq!(read, written);
    }

    #[test]
    fn a_reader_that_comes_late_begins_with_the_oldest() {
        let (folder, mut log, _) = pair(500, 4);
        for n in 0..1000 {
            log.stamp(at(n), Side::Stdout);
            log.write_all(format!("line {n}\n").as_bytes()).unwrap();
        }
        let folder = Arc::new(Folder::open(folder.path()).unwrap());
        let mut reader = LogReader::open(folder, "web").unwrap();
        let read = all(&mut reader);
        let numbers: Vec<u64> = read
            .iter()
            .flat_map(|(_, _, text)| text.lines())
            .map(|line| line.trim_start_matches("line ").parse().unwrap())
            .collect();
        let first = numbers[0];
        assert_eq!(numbers, (first..1000).collect::<Vec<_>>());
        assert!(first > 900);
        assert!(read.iter().all(|(time, _, text)| {
            let number = text.trim_start_matches("line ").trim_end().parse().unwrap();
            *time == Some(at(number))
        }));
    }
}
