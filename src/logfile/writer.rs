//! Writing a service's log, and turning it over when it is full.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::times::{Side, Stamp};
use super::{name, times_name};
use crate::sys::beneath::Folder;

/// Everybody who may look into the folder may read a log, as the sandbox's own.
const MODE: u32 = 0o644;

/// How much of a service's log is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// What a file and its times may take together. A single longer line is still kept whole.
    pub max_size: u64,
    /// How many files there may be, the current one among them.
    pub max_files: u32,
}

/// A log being written. Nothing is opened before the first line; what can't be opened is tried again
/// with each write.
///
/// It takes whole lines, in any pieces; [`Write::write`] stops at the end of a line where the file
/// is full, and goes on in the next.
#[derive(Debug)]
pub struct LogFile {
    folder: Arc<Folder>,
    service: String,
    rotation: Rotation,
    open: Option<Open>,
    /// What the next bytes are to be stamped with.
    stamp: Option<(SystemTime, Side)>,
}

#[derive(Debug)]
struct Open {
    log: File,
    times: File,
    size: u64,
    times_size: u64,
    last: Option<Stamp>,
    /// The last byte that was written ended a line.
    line_ended: bool,
    /// The last stamp was not written to its end.
    stamp_torn: bool,
}

impl LogFile {
    /// A service's log in this folder, which others may have a hand in: nothing in it is followed
    /// anywhere else. A log that is there is continued.
    pub fn new(folder: Arc<Folder>, service: &str, rotation: Rotation) -> Self {
        Self {
            folder,
            service: service.to_owned(),
            rotation,
            open: None,
            stamp: None,
        }
    }

    /// Tells when and from where the bytes came that are written from now on.
    pub fn stamp(&mut self, at: SystemTime, side: Side) {
        self.stamp = Some((at, side));
    }

    fn open(&mut self) -> io::Result<&mut Open> {
        if self.open.is_none() {
            let log = self
                .folder
                .append(Path::new(&name(&self.service, 0)), MODE)?;
            let times = self
                .folder
                .append(Path::new(&times_name(&self.service, 0)), MODE)?;
            let (size, times_size) = (log.metadata()?.len(), times.metadata()?.len());
            self.open = Some(Open {
                log,
                times,
                size,
                times_size,
                last: None,
                line_ended: true,
                stamp_torn: times_size > 0,
            });
        }
        Ok(self.open.as_mut().expect("it has just been opened"))
    }

    /// Makes room for a new file: the oldest goes, each other becomes one older.
    fn rotate(&mut self) -> io::Result<()> {
        self.open = None;
        let oldest = self.rotation.max_files.saturating_sub(1);
        // A file and its times stay as near to each other as can be: somebody may be reading.
        let names = |age| [name(&self.service, age), times_name(&self.service, age)];
        for name in names(oldest) {
            self.folder.remove(Path::new(&name))?;
        }
        for age in (0..oldest).rev() {
            for (from, to) in names(age).iter().zip(names(age + 1)) {
                self.folder.rename(Path::new(from), Path::new(&to))?;
            }
        }
        Ok(())
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let (stamp, max) = (self.stamp, self.rotation.max_size);
        let first = memchr::memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let open = self.open()?;
        if open.line_ended && !open.is_empty() && open.room(max) < first as u64 {
            self.rotate()?;
        }
        let open = self.open()?;
        if let Some((at, side)) = stamp.filter(|_| open.line_ended) {
            open.write_stamp(at, side)?;
        }
        let room = usize::try_from(open.room(max)).unwrap_or(usize::MAX);
        let fits = match bytes.get(..room) {
            None => bytes.len(),
            // At least a line, or its rest.
            Some(part) => memchr::memrchr(b'\n', part).map_or(first, |end| end + 1),
        };
        let written = open.log.write(&bytes[..fits])?;
        open.size += written as u64;
        open.line_ended = bytes[..written].last().is_none_or(|&byte| byte == b'\n');
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Open {
    fn is_empty(&self) -> bool {
        self.size == 0
    }

    /// What fits in beside the next stamp.
    fn room(&self, max: u64) -> u64 {
        let taken = self.size + self.times_size + Stamp::MAX as u64;
        max.saturating_sub(taken)
    }

    fn write_stamp(&mut self, at: SystemTime, side: Side) -> io::Result<()> {
        let stamp = Stamp {
            offset: self.size,
            at,
            side,
        };
        let known = |last: Stamp| last.side == side && last.milliseconds() == stamp.milliseconds();
        if self.last.is_some_and(known) {
            return Ok(());
        }
        let mut line = stamp.line();
        if self.stamp_torn {
            line.insert(0, '\n');
        }
        let written = self.times.write(line.as_bytes())?;
        self.times_size += written as u64;
        self.stamp_torn = written < line.len();
        if self.stamp_torn {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.last = Some(stamp);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    fn log(folder: &Path, max_size: u64, max_files: u32) -> LogFile {
        let rotation = Rotation {
            max_size,
            max_files,
        };
        LogFile::new(Arc::new(Folder::open(folder).unwrap()), "web", rotation)
    }

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    fn files(folder: &Path) -> BTreeMap<String, String> {
        let entry = |entry: io::Result<fs::DirEntry>| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read_to_string(entry.path()).unwrap())
        };
        fs::read_dir(folder).unwrap().map(entry).collect()
    }

    #[test]
    fn times_stand_beside_the_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 1 << 20, 2);
        log.stamp(at(5), Side::Stdout);
        log.write_all(b"one\ntwo\n").unwrap();
        log.write_all(b"three\n").unwrap();
        log.stamp(at(5), Side::Stderr);
        log.write_all(b"four\n").unwrap();
        let files = files(folder.path());
        assert_eq!(files["web.log"], "one\ntwo\nthree\nfour\n");
        assert_eq!(files["web.log.times"], "0 5 o\n14 5 e\n");
        assert_eq!(files.len(), 2);
    }

    #[test]
    fn a_full_file_is_turned_over_between_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 64, 3);
        log.stamp(at(5), Side::Stdout);
        for n in 0..9 {
            log.write_all(format!("a line, {n}\n").as_bytes()).unwrap();
        }
        let files = files(folder.path());
        assert_eq!(files["web.log.2"], "a line, 6\n");
        assert_eq!(files["web.log.1"], "a line, 7\n");
        assert_eq!(files["web.log"], "a line, 8\n");
        assert_eq!(files.len(), 6, "{files:?}");
    }

    #[test]
    fn one_write_may_fill_many_files() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 1000, 1000);
        log.stamp(at(5), Side::Stdout);
        let lines = (0..1000).map(|n| format!("line {n:04}\n"));
        let lines = lines.collect::<Vec<_>>().concat();
        log.write_all(lines.as_bytes()).unwrap();
        let files = files(folder.path());
        let count = u32::try_from(files.len() / 2).unwrap();
        let all: String = (0..count)
            .rev()
            .map(|age| files[&name("web", age)].as_str())
            .collect();
        assert_eq!(all, lines);
        for age in 0..count {
            let size = files[&name("web", age)].len() + files[&times_name("web", age)].len();
            assert!(size <= 1000, "{size}");
        }
    }

    #[test]
    fn one_file_alone_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 60, 1);
        log.write_all(b"first\n").unwrap();
        log.write_all(b"second, and longer\n").unwrap();
        assert_eq!(files(folder.path())["web.log"], "second, and longer\n");
    }

    #[test]
    fn a_line_longer_than_a_file_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 50, 2);
        let whole = format!("{}\n", "x".repeat(300));
        log.write_all(b"short\n").unwrap();
        log.write_all(whole.as_bytes()).unwrap();
        log.write_all(b"short\n").unwrap();
        let files = files(folder.path());
        assert_eq!(
            (files["web.log.1"].as_str(), files["web.log"].as_str()),
            (&*whole, "short\n")
        );
    }

    #[test]
    fn a_link_in_the_logs_place_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let victim = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(victim.path(), folder.path().join("web.log")).unwrap();
        let mut log = log(folder.path(), 1 << 20, 2);
        assert!(log.write_all(b"one\n").is_err());
        assert_eq!(fs::read(victim.path()).unwrap(), b"");
        fs::remove_file(folder.path().join("web.log")).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(files(folder.path())["web.log"], "two\n");
    }
}
