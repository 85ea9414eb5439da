//! A pod's journal in the hands of its owner.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::folders::{Folders, failed, make_private};
use super::lock::{LockError, PodLock};
use super::record::{Record, now};
use super::step::{Entry, State, Step};
use crate::sys::{PathError, durable};

/// Whoever looks for stale locks holds each for a moment.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why a pod may not be made: without a record nobody could clean up after it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the pod's lock can't be taken")]
    Lock(#[from] LockError),
    #[error("the pod's record can't be written")]
    Path(#[from] PathError),
}

/// The lock, the record and the journal of a pod that lives.
#[derive(Debug)]
pub struct Journal {
    lock: PodLock,
    record: Record,
    file: File,
    folders: Folders,
}

impl Journal {
    /// Takes the pod's lock and writes its record. When this returns, both are safe against any
    /// crash, and things may be made.
    pub fn create(folders: &Folders, record: Record) -> Result<Self, JournalError> {
        let lock = acquire(&folders.lock(&record.pod))?;
        let folder = folders.pod_root(&record.pod);
        make_private(&folder)?;
        record.write(&folders.record(&record.pod))?;
        // The folder itself is new as well.
        durable::sync_folder_of(&folder)?;
        let path = folders.journal(&record.pod);
        let file = open(&path).map_err(|source| failed("open", &path, source))?;
        Ok(Self {
            lock,
            record,
            file,
            folders: folders.clone(),
        })
    }

    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Replaces the record, as when a pod that was prepared learns its task.
    pub fn replace(&mut self, record: Record) -> Result<(), JournalError> {
        record.write(&self.folders.record(&record.pod))?;
        self.record = record;
        Ok(())
    }

    /// Notes that a step is about to be done.
    ///
    /// A crash of ours loses nothing that was written. Only one of the host's does, and that takes
    /// most of what we make with it; so a line is put on the disk only if its thing outlives a boot
    /// and the record doesn't lead to it.
    pub fn intent(&self, step: &Step) -> Result<(), JournalError> {
        self.note(State::Intent, step)?;
        if step.outlives_the_boot() && !self.is_recorded(step) {
            self.file
                .sync_data()
                .map_err(|source| self.failed("sync", source))?;
        }
        Ok(())
    }

    /// Notes that a step was done. If this is lost, cleanup looks for the thing all the same.
    pub fn done(&self, step: &Step) -> Result<(), JournalError> {
        self.note(State::Done, step)
    }

    /// Notes that nothing of a step is left.
    pub fn undone(&self, step: &Step) -> Result<(), JournalError> {
        self.note(State::Undone, step)
    }

    /// Ends the pod's account: everything that was made is gone. The record goes first, so that a
    /// lock without one is known to have nothing behind it.
    pub fn finish(self) -> Result<(), JournalError> {
        forget(&self.folders, &self.record.pod)?;
        Ok(self.lock.remove()?)
    }

    fn note(&self, state: State, step: &Step) -> Result<(), JournalError> {
        let at = u64::try_from(now().as_millis()).unwrap_or(u64::MAX);
        let step = step.clone();
        let line = Entry { at, state, step }.line();
        // One write of the whole line, at the end of the file: lines of tasks that run side by
        // side don't mix.
        (&self.file)
            .write_all(&line)
            .map_err(|source| self.failed("write", source))
    }

    fn is_recorded(&self, step: &Step) -> bool {
        match step {
            Step::Lease => true,
            Step::Container { id } | Step::Sandbox { id } | Step::Snapshot { key: id } => {
                self.record.containers().any(|container| container == id)
            }
            Step::Folder { path } => path.starts_with(self.folders.pod_state(&self.record.pod)),
            _ => false,
        }
    }

    fn failed(&self, attempt: &'static str, source: io::Error) -> JournalError {
        let path = self.folders.journal(&self.record.pod);
        failed(attempt, &path, source).into()
    }
}

fn acquire(path: &Path) -> Result<PodLock, LockError> {
    for _ in 1..LOCK_TRIES {
        match PodLock::acquire(path) {
            Err(LockError::Held(_)) => thread::sleep(LOCK_PAUSE),
            result => return result,
        }
    }
    PodLock::acquire(path)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
}

/// Removes a pod's record and journal. The record last: it leads to the rest.
pub(super) fn forget(folders: &Folders, pod: &crate::pod::names::PodId) -> Result<(), PathError> {
    let folder = folders.pod_root(pod);
    for path in [folders.journal(pod), folders.record(pod)] {
        match fs::remove_file(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            result => result.map_err(|source| failed("remove", &path, source))?,
        }
    }
    crate::sys::tree::remove(&folder)
}

#[cfg(test)]
mod tests {
    use super::super::record::{Stored, example};
    use super::*;
    use crate::pod::names::PodId;

    fn pod() -> PodId {
        PodId::try_from("0123456789ab").unwrap()
    }

    fn folders(base: &Path) -> Folders {
        let folders = Folders::new(base.join("root"), base.join("state"));
        folders.ensure().unwrap();
        folders
    }

    #[test]
    fn record_and_lock_are_there_as_long_as_the_pod() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let journal = Journal::create(&folders, example(&pod())).unwrap();
        assert!(PodLock::is_held(&folders.lock(&pod())).unwrap());
        let stored = Record::read(&folders.record(&pod()), &pod()).unwrap();
        assert_eq!(stored, Some(Stored::Known(Box::new(example(&pod())))));
        journal.finish().unwrap();
        assert_eq!(folders.all_pods().unwrap(), []);
    }

    #[test]
    fn a_pod_has_one_owner() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let _first = Journal::create(&folders, example(&pod())).unwrap();
        let second = Journal::create(&folders, example(&pod()));
        assert!(matches!(
            second,
            Err(JournalError::Lock(LockError::Held(_)))
        ));
    }

    #[test]
    fn steps_are_found_after_a_crash() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let journal = Journal::create(&folders, example(&pod())).unwrap();
        let image = Step::Image {
            name: "sandbox/web:1".to_owned(),
        };
        for step in [&Step::Lease, &image, &Step::Cgroup] {
            journal.intent(step).unwrap();
        }
        journal.done(&image).unwrap();
        journal.undone(&Step::Cgroup).unwrap();
        drop(journal);
        let text = fs::read(folders.journal(&pod())).unwrap();
        let outstanding = Entry::outstanding(&Entry::parse_all(&text));
        assert_eq!(outstanding, [Step::Lease, image]);
    }

    #[test]
    fn what_the_record_leads_to_needs_no_sync() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let journal = Journal::create(&folders, example(&pod())).unwrap();
        let snapshot = |key: &str| Step::Snapshot {
            key: key.to_owned(),
        };
        assert!(journal.is_recorded(&snapshot("web-42-0123456789ab.web")));
        assert!(!journal.is_recorded(&snapshot("another")));
        let folder = |path| Step::Folder { path };
        assert!(journal.is_recorded(&folder(folders.pod_state(&pod()).join("io"))));
        assert!(!journal.is_recorded(&folder("/srv/volume".into())));
    }
}
