//! Folders in which files are put in each other's place, watched by inotify(7).

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::PathError;

/// Tells when a file was moved into one of some folders, as whoever replaces one as a whole does.
#[derive(Debug)]
pub struct FolderWatch {
    kernel: AsyncFd<Descriptor>,
    folders: HashMap<WatchDescriptor, PathBuf>,
    /// Told by the kernel, and not by us yet.
    told: Vec<(PathBuf, OsString)>,
}

#[derive(Debug)]
struct Descriptor(Inotify);

impl AsRawFd for Descriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl FolderWatch {
    /// Within a tokio runtime.
    pub fn new() -> io::Result<Self> {
        let kernel = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        // SAFETY: what is registered owns the descriptor, which stays open and the same until it
        // is dropped with its registration.
        let kernel = unsafe { AsyncFd::register(Descriptor(kernel)) }?;
        Ok(Self {
            kernel,
            folders: HashMap::new(),
            told: Vec::new(),
        })
    }

    /// Heeds this folder too, for as long as it is there.
    pub fn add(&mut self, folder: &Path) -> Result<(), PathError> {
        let what = AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR;
        let added = self.kernel.get_ref().0.add_watch(folder, what);
        let watch = added.map_err(|errno| PathError::new("watch", folder, errno))?;
        self.folders.insert(watch, folder.to_owned());
        Ok(())
    }

    /// The next file that was moved into a folder: the folder, and the file's name. May be dropped
    /// while it waits and called again.
    pub async fn next(&mut self) -> io::Result<(PathBuf, OsString)> {
        loop {
            if !self.told.is_empty() {
                return Ok(self.told.remove(0));
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
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    // It is gone.
                    self.folders.remove(&event.wd);
                } else if let (Some(folder), Some(name)) = (self.folders.get(&event.wd), event.name)
                {
                    self.told.push((folder.clone(), name));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[tokio::test]
    async fn what_takes_a_files_place_is_told_and_nothing_else() {
        let base = tempfile::tempdir().unwrap();
        let mut watch = FolderWatch::new().unwrap();
        assert!(watch.add(&base.path().join("nowhere")).is_err());
        let [one, other] = ["one", "other"].map(|name| base.path().join(name));
        for folder in [&one, &other] {
            fs::create_dir(folder).unwrap();
            watch.add(folder).unwrap();
        }
        for folder in [&one, &other] {
            fs::write(folder.join("new"), "x").unwrap();
            fs::rename(folder.join("new"), folder.join("view")).unwrap();
        }
        for folder in [&one, &other] {
            assert_eq!(watch.next().await.unwrap(), (folder.clone(), "view".into()));
        }
        fs::remove_dir_all(&one).unwrap();
        fs::write(other.join("new"), "x").unwrap();
        fs::rename(other.join("new"), other.join("last")).unwrap();
        assert_eq!(watch.next().await.unwrap(), (other, "last".into()));
        assert_eq!(watch.folders.len(), 1, "what is gone is forgotten");
    }
}
