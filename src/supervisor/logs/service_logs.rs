//! The logs of one pod's services, a file each: written by a thread of their own, since a disk may
//! be slow or stuck.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::lines::{Lines, Message, flush};
use super::whole_lines::WholeLines;
use crate::logfile::{LogFile, Rotation};
use crate::sys::beneath::Folder;

/// The logs of those services that keep one.
#[derive(Debug)]
pub struct ServiceLogs {
    queue: mpsc::Sender<Message>,
    services: Vec<String>,
}

impl ServiceLogs {
    /// In this folder, for these services. Files are made with the first line.
    pub fn start(folder: Folder, services: &[(String, Rotation)]) -> io::Result<Self> {
        let folder = Arc::new(folder);
        let log = |(service, rotation): &(String, Rotation)| {
            let file = LogFile::new(Arc::clone(&folder), service, *rotation);
            (service.clone(), WholeLines::new(file))
        };
        let mut logs: BTreeMap<String, WholeLines<LogFile>> = services.iter().map(log).collect();
        let (queue, messages) = mpsc::channel();
        thread::Builder::new()
            .name("log-services".to_owned())
            .spawn(move || {
                for message in messages {
                    match message {
                        Message::Lines(lines) => take(&mut logs, &lines),
                        // Nobody may be waiting any more.
                        Message::Flush(answer) => drop(answer.send(())),
                    }
                }
            })?;
        Ok(Self {
            queue,
            services: services.iter().map(|(name, _)| name.clone()).collect(),
        })
    }

    /// The way to a service's log, if it has one.
    pub(super) fn of(&self, service: &str) -> Option<&mpsc::Sender<Message>> {
        let known = self.services.iter().any(|known| known == service);
        known.then_some(&self.queue)
    }

    /// Waits until all is written, at most so long; false if it is not.
    pub(super) async fn close(self, limit: Duration) -> bool {
        flush(&self.queue, limit).await
    }
}

fn take(logs: &mut BTreeMap<String, WholeLines<LogFile>>, lines: &Lines) {
    let Some(log) = logs.get_mut(&lines.label.service) else {
        return;
    };
    log.inner().stamp(lines.at, lines.label.side);
    log.take(lines);
}
