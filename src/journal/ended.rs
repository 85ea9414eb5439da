//! What stays of a pod that ran without a terminal when it is over: what its services wrote, and how
//! it ended. Nobody has seen either.
//!
//! ```text
//! <root>/ended/<pod>/record.json   as it was, but for the place of its logs
//! <root>/ended/<pod>/logs/         what its services wrote
//! <root>/ended/<pod>/up.log        what happened to it
//! <root>/ended/<pod>/end.json      when and how it ended; without it there is nothing yet
//! ```
//!
//! It stays until `down`, until the next pod of the same project in the same folder has ended, or
//! until too many others have.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folders::{Folders, failed, make_private, pods_in};
use super::lock::PodLock;
use super::record::{Record, Stored, now};
use crate::pod::names::PodId;
use crate::sys::{PathError, tree};

const SCHEMA: u32 = 1;
/// So many ended pods are kept at most.
const KEPT_MAX: usize = 20;
/// What is taken over from a pod's own folder.
const TAKEN: [&str; 2] = ["logs", "up.log"];

/// A pod that is over, and of which something is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedPod {
    pub record: Record,
    pub end: End,
}

/// How a pod ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    schema: u32,
    /// Seconds since 1970.
    pub at: u64,
    /// As it is told to people.
    pub message: String,
}

impl EndedPod {
    /// Takes over what a pod wrote, which has a record still: its owner is about to take it away.
    /// A pod that wrote nothing leaves nothing. Whoever still writes does so where it is then.
    pub fn keep(folders: &Folders, pod: &PodId, message: &str) -> Result<(), PathError> {
        let Some(record) = read(&folders.record(pod), pod) else {
            return Ok(());
        };
        let is_ours = record.logs.as_deref() == Some(&folders.logs(pod));
        if !is_ours || is_empty(&folders.logs(pod)) {
            return Ok(());
        }
        let (from, to) = (folders.pod_root(pod), folders.ended(pod));
        make_private(&to)?;
        for name in TAKEN {
            match fs::rename(from.join(name), to.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                result => result.map_err(|source| failed("keep", &from.join(name), source))?,
            }
        }
        let record = Record {
            logs: Some(to.join("logs")),
            ..record
        };
        record.write(&to.join("record.json"))?;
        let end = End {
            schema: SCHEMA,
            at: now().as_secs(),
            message: message.to_owned(),
        };
        end.write(&to)?;
        prune(folders, &record)
    }

    /// All of which something is kept, the one that ended last first.
    pub fn all(folders: &Folders) -> Result<Vec<Self>, PathError> {
        let pods = pods_in(&folders.all_ended())?;
        let mut all: Vec<Self> = pods
            .iter()
            .filter_map(|pod| {
                let folder = folders.ended(pod);
                let end = End::read(&folder)?;
                let record = read(&folder.join("record.json"), pod)?;
                Some(Self { record, end })
            })
            .collect();
        let key = |pod: &Self| (pod.end.at, pod.record.created);
        all.sort_by_key(|pod| std::cmp::Reverse(key(pod)));
        Ok(all)
    }

    /// Takes away what is kept of a pod; false if that is nothing.
    pub fn forget(folders: &Folders, pod: &PodId) -> Result<bool, PathError> {
        let folder = folders.ended(pod);
        if !folder.exists() {
            return Ok(false);
        }
        tree::remove(&folder)?;
        Ok(true)
    }
}

impl End {
    fn write(&self, folder: &Path) -> Result<(), PathError> {
        let path = folder.join("end.json");
        let text = serde_json::to_vec(self).expect("it is plain data");
        let new = folder.join("end.new");
        fs::write(&new, text).map_err(|source| failed("write", &new, source))?;
        fs::rename(&new, &path).map_err(|source| failed("replace", &path, source))
    }

    fn read(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join("end.json")).ok()?;
        let end: Self = serde_json::from_slice(&text).ok()?;
        (end.schema == SCHEMA).then_some(end)
    }
}

/// None where there is none that this version understands.
fn read(path: &Path, pod: &PodId) -> Option<Record> {
    match Record::read(path, pod) {
        Ok(Some(Stored::Known(record))) => Some(*record),
        _ => None,
    }
}

/// Log files come with their first line.
fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none())
}

/// Takes away those whose place the new one takes, the oldest of too many, and what one left that
/// died over it.
fn prune(folders: &Folders, new: &Record) -> Result<(), PathError> {
    let all = EndedPod::all(folders)?;
    let before = |pod: &&EndedPod| {
        let old = &pod.record;
        old.pod != new.pod && old.project == new.project && old.sandbox == new.sandbox
    };
    let mut stale: Vec<PodId> = all
        .iter()
        .filter(before)
        .chain(all.iter().skip(KEPT_MAX))
        .map(|pod| pod.record.pod.clone())
        .collect();
    for pod in pods_in(&folders.all_ended())? {
        let is_whole = all.iter().any(|it| it.record.pod == pod);
        if !is_whole && !PodLock::is_held(&folders.lock(&pod))? {
            stale.push(pod);
        }
    }
    stale
        .iter()
        .try_for_each(|pod| EndedPod::forget(folders, pod).map(drop))
}

#[cfg(test)]
mod tests {
    use super::super::record::example;
    use super::super::writer::Journal;
    use super::*;

    fn folders(base: &Path) -> Folders {
        let folders = Folders::new(base.join("root"), base.join("state"));
        folders.ensure().unwrap();
        folders
    }

    /// A pod of the project that wrote this, and is over.
    fn run(folders: &Folders, unique: &str, project: &str, wrote: Option<&str>) -> PodId {
        let id = PodId::of_project(project, "/srv", unique);
        let mut record = example(&id);
        project.clone_into(&mut record.project);
        record.logs = Some(folders.logs(&id));
        let journal = Journal::create(folders, record).unwrap();
        fs::create_dir(folders.logs(&id)).unwrap();
        if let Some(wrote) = wrote {
            fs::write(folders.logs(&id).join("web.log"), wrote).unwrap();
        }
        EndedPod::keep(folders, &id, &format!("CE-EXIT: {unique}")).unwrap();
        journal.finish().unwrap();
        id
    }

    #[test]
    fn what_a_pod_wrote_outlives_its_record() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let id = run(&folders, "1", "app", Some("last words\n"));
        assert_eq!(folders.recorded().unwrap(), []);
        let [kept] = &EndedPod::all(&folders).unwrap()[..] else {
            panic!("one is kept");
        };
        assert_eq!(
            (&kept.record.pod, kept.end.message.as_str()),
            (&id, "CE-EXIT: 1")
        );
        let logs = kept.record.logs.as_ref().unwrap();
        assert_eq!(
            fs::read_to_string(logs.join("web.log")).unwrap(),
            "last words\n"
        );
        assert!(EndedPod::forget(&folders, &id).unwrap());
        assert!(!EndedPod::forget(&folders, &id).unwrap());
        assert_eq!(EndedPod::all(&folders).unwrap(), []);
    }

    #[test]
    fn the_next_of_a_project_takes_its_place_and_silent_ones_leave_nothing() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        run(&folders, "1", "app", Some("one\n"));
        let other = run(&folders, "2", "other", Some("two\n"));
        let last = run(&folders, "3", "app", Some("three\n"));
        run(&folders, "4", "app", None);
        let mut kept: Vec<PodId> = EndedPod::all(&folders)
            .unwrap()
            .into_iter()
            .map(|pod| pod.record.pod)
            .collect();
        kept.sort();
        let mut expected = vec![other, last];
        expected.sort();
        assert_eq!(kept, expected);
    }

    #[test]
    fn there_are_never_too_many_and_torn_ones_go() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        let torn = PodId::of_project("torn", "/srv", "1");
        fs::create_dir_all(folders.ended(&torn).join("logs")).unwrap();
        for n in 0..KEPT_MAX + 3 {
            run(&folders, "1", &format!("p{n}"), Some("x\n"));
        }
        assert_eq!(EndedPod::all(&folders).unwrap().len(), KEPT_MAX);
        assert_eq!(pods_in(&folders.all_ended()).unwrap().len(), KEPT_MAX);
    }
}
