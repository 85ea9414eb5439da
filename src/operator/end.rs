//! The end of a pod that another process runs, heard of as it comes.
//!
//! A pod is over when nobody holds its lock ([`PodLock`]). Its owner removes the lock's file when
//! nothing of the pod is left, closes it where something is, and loses it when it ends: the kernel
//! tells of each. It tells of nothing where it is asked to watch too much, and of a file that is
//! closed the moment before the lock on it is free; so there is a look from time to time as well.

use std::future::pending;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;

use super::pods::HostPod;
use crate::journal::{Folders, PodLock};
use crate::sys::PathError;
use crate::sys::beneath::Folder;
use crate::sys::process::PidFd;
use crate::sys::watch::{FolderWatch, Heed};

/// Between two looks when nothing is heard.
const LOOK: Duration = Duration::from_secs(1);

/// What is heard of a pod until it is over.
#[derive(Debug)]
pub struct PodEnd {
    lock: PathBuf,
    /// None where the kernel watches no more for us.
    watch: Option<FolderWatch>,
    /// None once it has ended.
    owner: Option<PidFd>,
}

impl PodEnd {
    /// Begins to listen: what comes after this is news. Within a tokio runtime.
    pub fn of(pod: &HostPod, folders: &Folders) -> Self {
        let lock = folders.lock(&pod.record.pod);
        let mut watch = FolderWatch::new()
            .inspect_err(|error| debug!(%error, "nothing is heard of the pod"))
            .ok();
        if let (Some(watch), Some(locks)) = (&mut watch, lock.parent()) {
            heed(watch.add(locks, Heed::LetGo));
        }
        let owner = pod.hold_owner().ok().flatten();
        Self { lock, watch, owner }
    }

    /// What is written in this folder is news too.
    pub fn heed_written(&mut self, folder: &Folder) {
        if let Some(watch) = &mut self.watch {
            heed(watch.add_opened(folder, Heed::Written));
        }
    }

    /// Whether the pod is over.
    pub fn is_over(&self) -> Result<bool, PathError> {
        PodLock::is_held(&self.lock).map(|held| !held)
    }

    /// Waits until the pod is over; false when it is not by then.
    pub async fn by(&mut self, deadline: Option<Instant>) -> Result<bool, PathError> {
        while !self.is_over()? {
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return Ok(false),
                Some(deadline) => drop(timeout_at(deadline, self.news()).await),
                None => self.news().await,
            }
        }
        Ok(true)
    }

    /// Waits until it may be worth to look again. May be dropped while it waits.
    pub async fn news(&mut self) {
        // Without news the time is up, which is as good.
        let _ = timeout(LOOK, self.heard()).await;
    }

    async fn heard(&mut self) {
        let Self { watch, owner, .. } = self;
        let change = async {
            match watch {
                Some(watch) => watch.next().await,
                None => pending().await,
            }
        };
        let end = async {
            match owner {
                Some(owner) => owner.ended().await,
                None => pending().await,
            }
        };
        tokio::select! {
            change = change => if let Err(error) = change {
                debug!(%error, "nothing more is heard of the pod");
                self.watch = None;
            },
            end = end => {
                if let Err(error) = end {
                    debug!(%error, "the pod's owner can't be waited for");
                }
                self.owner = None;
            }
        }
    }
}

fn heed(added: Result<(), PathError>) {
    if let Err(error) = added {
        debug!(%error, "changes there are not heard of");
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::process::{Child, Command, Stdio};

    use futures_util::FutureExt as _;

    use super::super::pods::OwnerState;
    use super::*;
    use crate::journal::{Journal, Maker, example_record};
    use crate::logfile::{LogFile, Rotation};
    use crate::pod::names::PodId;
    use crate::sys::host;
    use crate::sys::process::Identity;

    /// A pod that this process keeps the account of, as if another ran it.
    struct Example {
        folders: Folders,
        pod: HostPod,
        journal: Journal,
        owner: Child,
        _base: tempfile::TempDir,
    }

    impl Example {
        fn new() -> Self {
            let base = tempfile::tempdir().unwrap();
            let folders = Folders::new(base.path().join("root"), base.path().join("state"));
            folders.ensure().unwrap();
            let mut owner = Command::new("cat");
            let owner = owner.stdin(Stdio::piped()).spawn().unwrap();
            let identity = Identity::of(owner.id()).unwrap();
            let mut record = example_record(&PodId::try_from("0123456789ab").unwrap());
            record.maker = Maker {
                boot: host::boot_id().unwrap(),
                pid: identity.pid,
                start_time: identity.start_time,
                ..record.maker
            };
            Self {
                journal: Journal::create(&folders, record.clone()).unwrap(),
                pod: HostPod {
                    record,
                    owner: OwnerState::Alive,
                },
                folders,
                owner,
                _base: base,
            }
        }
    }

    fn kill(mut owner: Child) {
        owner.kill().unwrap();
        owner.wait().unwrap();
    }

    #[tokio::test]
    async fn a_pod_is_over_when_its_owner_lets_go() {
        let example = Example::new();
        let mut end = PodEnd::of(&example.pod, &example.folders);
        assert!(!end.is_over().unwrap());
        assert!(!end.by(Some(Instant::now())).await.unwrap());
        assert_eq!(end.heard().now_or_never(), None);
        example.journal.finish().unwrap();
        end.heard().await;
        assert!(end.by(None).await.unwrap());
        kill(example.owner);
    }

    #[tokio::test]
    async fn the_owners_death_is_heard_of_once() {
        let example = Example::new();
        let mut end = PodEnd::of(&example.pod, &example.folders);
        kill(example.owner);
        end.heard().await;
        assert_eq!(end.heard().now_or_never(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn where_nothing_is_heard_there_is_a_look_all_the_same() {
        let example = Example::new();
        let mut end = PodEnd {
            lock: example.folders.lock(&example.pod.record.pod),
            watch: None,
            owner: None,
        };
        end.news().await;
        example.journal.finish().unwrap();
        assert!(end.by(None).await.unwrap());
        kill(example.owner);
    }

    #[tokio::test]
    async fn lines_are_heard_of() {
        let example = Example::new();
        let mut end = PodEnd::of(&example.pod, &example.folders);
        let logs = Folder::open(example.folders.root()).unwrap();
        end.heed_written(&logs);
        let rotation = Rotation {
            max_size: 1 << 20,
            max_files: 2,
        };
        let mut log = LogFile::new(logs.into(), "web", rotation);
        for _ in 0..2 {
            while end.heard().now_or_never().is_some() {}
            log.write_all(b"a line\n").unwrap();
            end.heard().await;
        }
        kill(example.owner);
    }
}
