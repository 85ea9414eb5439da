//! The logs of a pod's services, in the order in which they were written.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::pods::HostPod;
use crate::logfile::{Chunk, LogReader, Side};
use crate::sys::beneath::{self, Folder};

/// Which lines are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those that were written at this time or later.
    pub since: Option<SystemTime>,
    /// So many of each service's last ones.
    pub tail: Option<usize>,
}

/// Lines of one service that were written at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The service, by its place among those that were asked for.
    pub service: usize,
    pub at: Option<SystemTime>,
    pub side: Side,
    /// Whole lines.
    pub lines: Vec<u8>,
}

/// Why there is nothing to read.
#[derive(Debug, thiserror::Error)]
pub enum LogsError {
    #[error(
        "the services of the pod {0} keep no logs of their own: the operator wants it so, or the file"
    )]
    None(String),
    #[error("the logs of the pod {pod} can't be opened")]
    Open { pod: String, source: beneath::Error },
    #[error("the log of the service \"{service}\" can't be read")]
    Read { service: String, source: io::Error },
}

/// The logs of some services of one pod.
#[derive(Debug)]
pub struct PodLogs {
    folder: Arc<Folder>,
    services: Vec<ServiceLog>,
    since: Option<SystemTime>,
}

#[derive(Debug)]
struct ServiceLog {
    name: String,
    /// None before its first line.
    reader: LogReader,
    /// Read, and not given yet; with a tail, the last lines alone.
    waiting: VecDeque<Chunk>,
}

impl PodLogs {
    /// Opens the logs of these services. What was written before is there, as far as it is kept and
    /// wanted.
    pub fn open(pod: &HostPod, services: &[String], wanted: Wanted) -> Result<Self, LogsError> {
        let folder = Arc::new(folder(pod)?);
        let mut logs = Vec::with_capacity(services.len());
        for name in services {
            let failed = |source| LogsError::Read {
                service: name.clone(),
                source,
            };
            let reader = LogReader::open(Arc::clone(&folder), name).map_err(failed)?;
            let mut log = ServiceLog {
                name: name.clone(),
                reader,
                waiting: VecDeque::new(),
            };
            if let Some(tail) = wanted.tail {
                log.keep_tail(tail, wanted.since).map_err(failed)?;
            }
            logs.push(log);
        }
        Ok(Self {
            folder,
            services: logs,
            since: wanted.since,
        })
    }

    /// Where all of it is.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The next piece of all services', the earliest first; none when there is no more for now.
    pub fn read(&mut self) -> Result<Option<Piece>, LogsError> {
        let mut earliest: Option<(usize, Option<SystemTime>)> = None;
        for (place, log) in self.services.iter_mut().enumerate() {
            let since = self.since;
            log.fill(since).map_err(|source| LogsError::Read {
                service: log.name.clone(),
                source,
            })?;
            let Some(at) = log.waiting.front().map(|chunk| chunk.at) else {
                continue;
            };
            if earliest.is_none_or(|(_, first)| at < first) {
                earliest = Some((place, at));
            }
        }
        Ok(earliest.and_then(|(service, _)| {
            let chunk = self.services[service].waiting.pop_front()?;
            Some(Piece {
                service,
                at: chunk.at,
                side: chunk.side,
                lines: chunk.lines,
            })
        }))
    }
}

impl ServiceLog {
    /// Reads until a piece is waiting, or there is no more for now.
    fn fill(&mut self, since: Option<SystemTime>) -> io::Result<()> {
        while self.waiting.is_empty() {
            match self.reader.read()? {
                Some(chunk) if is_before(&chunk, since) => {}
                Some(chunk) => self.waiting.push_back(chunk),
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Reads all there is, and keeps the last lines of it.
    fn keep_tail(&mut self, tail: usize, since: Option<SystemTime>) -> io::Result<()> {
        let mut kept = 0;
        while let Some(chunk) = self.reader.read()? {
            if is_before(&chunk, since) {
                continue;
            }
            kept += count(&chunk.lines);
            self.waiting.push_back(chunk);
            while let Some(first) = self.waiting.front().map(|chunk| count(&chunk.lines)) {
                if kept - first < tail {
                    break;
                }
                kept -= first;
                self.waiting.pop_front();
            }
        }
        if let Some(first) = self.waiting.front_mut() {
            for _ in tail..kept {
                let end =
                    memchr::memchr(b'\n', &first.lines).map_or(first.lines.len(), |end| end + 1);
                first.lines.drain(..end);
            }
        }
        Ok(())
    }
}

fn is_before(chunk: &Chunk, since: Option<SystemTime>) -> bool {
    // What has no time is shown rather than hidden.
    chunk.at.zip(since).is_some_and(|(at, since)| at < since)
}

fn count(lines: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', lines).count()
}

/// The folder of a pod's logs. In a sandbox others may write, so no name leads out of it.
fn folder(pod: &HostPod) -> Result<Folder, LogsError> {
    let record = &pod.record;
    let path = record
        .logs
        .as_deref()
        .ok_or_else(|| LogsError::None(pod.title()))?;
    let opened = match path.strip_prefix(&record.sandbox) {
        Ok(beneath) if record.mesos.is_some() => {
            Folder::open(&record.sandbox).and_then(|sandbox| sandbox.folder(beneath))
        }
        _ => Folder::open(Path::new(path)),
    };
    opened.map_err(|source| LogsError::Open {
        pod: pod.title(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::{Duration, UNIX_EPOCH};

    use super::super::pods::OwnerState;
    use super::*;
    use crate::journal::example_record;
    use crate::logfile::{LogFile, Rotation};
    use crate::pod::names::PodId;

    fn at(milliseconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(milliseconds)
    }

    struct Example {
        pod: HostPod,
        folder: Arc<Folder>,
        _temporary: tempfile::TempDir,
    }

    impl Example {
        fn new() -> Self {
            let temporary = tempfile::tempdir().unwrap();
            let mut record = example_record(&PodId::try_from("0123456789ab").unwrap());
            record.logs = Some(temporary.path().to_owned());
            Self {
                pod: HostPod {
                    record,
                    owner: OwnerState::Alive,
                },
                folder: Arc::new(Folder::open(temporary.path()).unwrap()),
                _temporary: temporary,
            }
        }

        fn write(&self, service: &str, time: u64, lines: &str) {
            let rotation = Rotation {
                max_size: 1 << 20,
                max_files: 2,
            };
            let mut log = LogFile::new(Arc::clone(&self.folder), service, rotation);
            log.stamp(at(time), Side::Stdout);
            log.write_all(lines.as_bytes()).unwrap();
        }

        fn open(&self, wanted: Wanted) -> PodLogs {
            let services = ["web".to_owned(), "db".to_owned()];
            PodLogs::open(&self.pod, &services, wanted).unwrap()
        }
    }

    fn read(logs: &mut PodLogs) -> Vec<(usize, String)> {
        std::iter::from_fn(|| logs.read().unwrap())
            .map(|piece| (piece.service, String::from_utf8(piece.lines).unwrap()))
            .collect()
    }

    fn pieces(of: &[(usize, &str)]) -> Vec<(usize, String)> {
        of.iter()
            .map(|(n, text)| (*n, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn services_take_turns_as_they_wrote() {
        let example = Example::new();
        let mut logs = example.open(Wanted::default());
        example.write("web", 1, "one\n");
        example.write("db", 2, "two\n");
        example.write("web", 3, "three\n");
        let expected = pieces(&[(0, "one\n"), (1, "two\n"), (0, "three\n")]);
        assert_eq!(read(&mut logs), expected);
        example.write("db", 4, "four\n");
        assert_eq!(read(&mut logs), pieces(&[(1, "four\n")]));
    }

    #[test]
    fn only_what_is_wanted_is_given() {
        let example = Example::new();
        example.write("web", 1, "one\ntwo\nthree\n");
        example.write("web", 2, "four\n");
        example.write("db", 3, "five\n");
        let tail = |tail| Wanted {
            tail: Some(tail),
            ..Wanted::default()
        };
        assert_eq!(
            read(&mut example.open(tail(2))),
            pieces(&[(0, "three\n"), (0, "four\n"), (1, "five\n")])
        );
        let mut none = example.open(tail(0));
        assert_eq!(read(&mut none), []);
        example.write("db", 4, "six\n");
        assert_eq!(read(&mut none), pieces(&[(1, "six\n")]));
        let since = Wanted {
            since: Some(at(2)),
            tail: None,
        };
        assert_eq!(
            read(&mut example.open(since)),
            pieces(&[(0, "four\n"), (1, "five\n"), (1, "six\n")])
        );
    }
}
