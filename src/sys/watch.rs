//! Folders watched by inotify(7): what happens to the files in them.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::PathError;
use super::beneath::Folder;

/// Which changes of a folder are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heed {
    /// A file was moved into it, as whoever replaces one as a whole does.
    Replaced,
    /// There is something new to read: in a file that is there, or under a name.
    Written,
    /// A file is gone, or one that wrote to it has closed it.
    LetGo,
}

impl Heed {
    fn flags(self) -> AddWatchFlags {
        match self {
            Self::Replaced => AddWatchFlags::IN_MOVED_TO,
            Self::Written => {
                AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_MOVED_TO
            }
            Self::LetGo => AddWatchFlags::IN_DELETE | AddWatchFlags::IN_CLOSE_WRITE,
        }
    }
}

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Something in this folder.
    In(PathBuf),
    /// More than the kernel could keep for us: something in any of them.
    Anywhere,
}

/// Tells of changes in some folders.
#[derive(Debug)]
pub struct FolderWatch {
    kernel: AsyncFd<Descriptor>,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Told by the kernel, and not by us yet.
    told: VecDeque<Change>,
}

#[derive(Debug)]
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl FolderWatch {
    /// Within a tokio runtime. The kernel has a limit for each user.
    pub fn new() -> io::Result<Self> {
        let kernel = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        // SAFETY: what is registered owns the descriptor, which stays open and the same until it
        // is dropped with its registration.
        let kernel = unsafe { AsyncFd::register(Descriptor(kernel)) }?;
        Ok(Self {
            kernel,
            folders: HashMap::new(),
            told: VecDeque::new(),
        })
    }

    /// Heeds this folder too, for as long as it is there.
    pub fn add(&mut self, folder: &Path, heed: Heed) -> Result<(), PathError> {
        self.add_at(folder, folder, heed)
    }

    /// Heeds a folder that was opened, whatever has its name now.
    pub fn add_opened(&mut self, folder: &Folder, heed: Heed) -> Result<(), PathError> {
        let number = folder.as_fd().as_raw_fd();
        let at = PathBuf::from(format!("/proc/self/fd/{number}"));
        self.add_at(&at, folder.path(), heed)
    }

    fn add_at(&mut self, at: &Path, folder: &Path, heed: Heed) -> Result<(), PathError> {
        let what = heed.flags() | AddWatchFlags::IN_ONLYDIR;
        let added = self.kernel.get_ref().0.add_watch(at, what);
        let watch = added.map_err(|errno| PathError::new("watch", folder, errno))?;
        self.folders.insert(watch, folder.to_owned());
        Ok(())
    }

    /// The next change. May be dropped while it waits and called again.
    pub async fn next(&mut self) -> io::Result<Change> {
        loop {
            if let Some(change) = self.told.pop_front() {
                return Ok(change);
            }
            let mut ready = self.kernel.readable().await?;
            let events = match self.kernel.get_ref().0.read_events() {
                Err(Errno::EAGAIN) => {
                    ready.clear_ready();
                    continue;
                }
                events => events?,
            };
            for event in events {
                let change = self.change(&event);
                // One look is enough for all that has happened to a folder since the last one.
                if change.is_some() && change.as_ref() != self.told.back() {
                    self.told.extend(change);
                }
            }
        }
    }

    fn change(&mut self, event: &InotifyEvent) -> Option<Change> {
        if event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW) {
            return Some(Change::Anywhere);
        }
        if event.mask.contains(AddWatchFlags::IN_IGNORED) {
            // It is gone.
            self.folders.remove(&event.wd);
            return None;
        }
        self.folders.get(&event.wd).cloned().map(Change::In)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::io::Write;

    use futures_util::FutureExt as _;

    use super::*;

    /// What has been told so far.
    fn told(watch: &mut FolderWatch) -> Vec<Change> {
        let next = || watch.next().now_or_never();
        std::iter::from_fn(next).map(Result::unwrap).collect()
    }

    #[tokio::test]
    async fn what_takes_a_files_place_is_told_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::new().unwrap();
        let nowhere = base.path().join("nowhere");
        assert!(watch.add(&nowhere, Heed::Replaced).is_err());
        let [one, other] = ["one", "other"].map(|name| base.path().join(name));
        for folder in [&one, &other] {
            fs::create_dir(folder).unwrap();
            watch.add(folder, Heed::Replaced).unwrap();
        }
        for folder in [&one, &other] {
            fs::write(folder.join("new"), "x").unwrap();
            fs::rename(folder.join("new"), folder.join("view")).unwrap();
        }
        for folder in [&one, &other] {
            assert_eq!(watch.next().await.unwrap(), Change::In(folder.clone()));
        }
        fs::remove_dir_all(&one).unwrap();
        fs::write(other.join("new"), "x").unwrap();
        fs::rename(other.join("new"), other.join("last")).unwrap();
        assert_eq!(watch.next().await.unwrap(), Change::In(other));
        assert_eq!(watch.folders.len(), 1, "what is gone is forgotten");
    }

    #[tokio::test]
    async fn what_can_be_read_is_told_of_the_folder_that_was_opened() {
        let base = tempfile::tempdir().unwrap();
        let logs = base.path().join("logs");
        fs::create_dir(&logs).unwrap();
        let opened = Folder::open(&logs).unwrap();
        fs::rename(&logs, base.path().join("moved")).unwrap();
        fs::create_dir(&logs).unwrap();
        let mut watch = FolderWatch::new().unwrap();
        watch.add_opened(&opened, Heed::Written).unwrap();
        let moved = base.path().join("moved");
        let written = Change::In(logs.clone());

        fs::write(logs.join("web.log"), "of another folder").unwrap();
        assert_eq!(watch.next().now_or_never().map(Result::unwrap), None);
        let mut log = File::create(moved.join("web.log")).unwrap();
        assert_eq!(watch.next().await.unwrap(), written);
        log.write_all(b"one\n").unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(watch.next().await.unwrap(), written);
        fs::rename(moved.join("web.log"), moved.join("web.log.1")).unwrap();
        assert_eq!(watch.next().await.unwrap(), written);
        log.write_all(b"late\n").unwrap();
        assert_eq!(watch.next().await.unwrap(), written);
        fs::read(moved.join("web.log.1")).unwrap();
        assert_eq!(told(&mut watch), [], "reading is nobody's news");
    }

    #[tokio::test]
    async fn what_is_let_go_is_told_even_if_its_folder_goes_too() {
        let base = tempfile::tempdir().unwrap();
        let locks = base.path().join("locks");
        fs::create_dir(&locks).unwrap();
        let mut watch = FolderWatch::new().unwrap();
        watch.add(&locks, Heed::LetGo).unwrap();
        let lock = File::create(locks.join("pod")).unwrap();
        assert_eq!(told(&mut watch), []);
        drop(lock);
        assert_eq!(watch.next().await.unwrap(), Change::In(locks.clone()));
        fs::remove_dir_all(&locks).unwrap();
        assert_eq!(watch.next().await.unwrap(), Change::In(locks));
        assert!(told(&mut watch).is_empty() && watch.folders.is_empty());
    }
}
