//! The two folders that are ours on a host, and where in them is what.
//!
//! `--root` outlives a reboot:
//!
//! ```text
//! <root>/pods/<pod>/record.json   what the pod is, written before anything is made for it
//! <root>/pods/<pod>/journal       what was made since, a line each
//! <root>/pods/<pod>/logs/         what its services wrote, where it has no sandbox
//! <root>/ended/<pod>/             what is kept of pods of `up -d` that are over
//! <root>/volumes/                 named volumes of `up`
//! <root>/containerd/              the root of a containerd of our own, if there ever was one
//! ```
//!
//! `--state` need not, and is mostly in memory:
//!
//! ```text
//! <state>/locks/<pod>             held by the pod's owner
//! <state>/managed/                a containerd of our own: its socket, its state, who uses it
//! <state>/pods/<pod>/netns        its network namespace, mounted
//! <state>/pods/<pod>/view.json    what its owner knows of its services, where there is any
//! <state>/pods/<pod>/…            its /dev/shm and pinned files, mounted; its FIFOs, hosts files
//! ```

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::pod::names::PodId;
use crate::sys::{PathError, host};

/// Where pods' records and state are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    root: PathBuf,
    state: PathBuf,
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FoldersError {
    #[error("{} is not a folder", .0.display())]
    NotFolder(PathBuf),
    #[error("{} belongs to user {owner}, not to the one this runs as", path.display())]
    Owner { path: PathBuf, owner: u32 },
    #[error("{} can be written by others (mode {mode:04o})", path.display())]
    Writable { path: PathBuf, mode: u32 },
    #[error(transparent)]
    Path(#[from] PathError),
}

impl Default for Folders {
    fn default() -> Self {
        Self::new("/var/lib/compose-executor", "/run/compose-executor")
    }
}

impl Folders {
    pub fn new(root: impl Into<PathBuf>, state: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            state: state.into(),
        }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn state(&self) -> &Path {
        &self.state
    }

    /// Makes what is missing, for its owner alone, and checks what is there: whoever could write
    /// in these folders could have root remove what he likes.
    pub fn ensure(&self) -> Result<(), FoldersError> {
        let own = [
            self.root.clone(),
            self.state.clone(),
            self.pods(),
            self.locks(),
            self.state.join("pods"),
        ];
        own.iter().try_for_each(|folder| {
            make_private(folder)?;
            check(folder)
        })
    }

    /// What labels our objects in containerd: a hash over this installation and `--root`. A sweep
    /// touches only what carries it, so that tests and copies of a machine leave each other alone.
    pub fn mark(&self) -> String {
        let machine = host::machine_id().unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update((machine.len() as u64).to_be_bytes());
        hash.update(machine);
        hash.update(self.root.as_os_str().as_bytes());
        let digest = hash.finalize();
        let hex = digest.iter().take(8).map(|byte| format!("{byte:02x}"));
        hex.collect::<Vec<_>>().concat()
    }

    pub(super) fn pods(&self) -> PathBuf {
        self.root.join("pods")
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.state.join("locks")
    }

    pub fn lock(&self, pod: &PodId) -> PathBuf {
        self.locks().join(pod.as_str())
    }

    /// The folder of a pod's record and journal.
    pub fn pod_root(&self, pod: &PodId) -> PathBuf {
        self.pods().join(pod.as_str())
    }

    pub fn record(&self, pod: &PodId) -> PathBuf {
        self.pod_root(pod).join("record.json")
    }

    pub fn journal(&self, pod: &PodId) -> PathBuf {
        self.pod_root(pod).join("journal")
    }

    /// The folder of a pod's mounts and pipes.
    pub fn pod_state(&self, pod: &PodId) -> PathBuf {
        self.state.join("pods").join(pod.as_str())
    }

    pub fn netns(&self, pod: &PodId) -> PathBuf {
        self.pod_state(pod).join("netns")
    }

    /// What a pod's owner lets others see of its services.
    pub fn view(&self, pod: &PodId) -> PathBuf {
        self.pod_state(pod).join("view.json")
    }

    /// The folder of a pod's logs, where there is no sandbox for them. It goes with the pod, or to
    /// [`super::EndedPod`].
    pub fn logs(&self, pod: &PodId) -> PathBuf {
        self.pod_root(pod).join("logs")
    }

    /// What is kept of a pod that is over, where nobody saw what it wrote.
    pub(super) fn ended(&self, pod: &PodId) -> PathBuf {
        self.all_ended().join(pod.as_str())
    }

    pub(super) fn all_ended(&self) -> PathBuf {
        self.root.join("ended")
    }

    /// What a containerd of our own keeps: images, and what it knows of containers.
    pub fn managed_root(&self) -> PathBuf {
        self.root.join("containerd")
    }

    /// What is there as long as a containerd of our own runs.
    pub fn managed_state(&self) -> PathBuf {
        self.state.join("managed")
    }

    /// Named volumes that outlive their pods.
    pub fn volumes(&self) -> PathBuf {
        self.root.join("volumes")
    }

    /// The pods that have a record, in the order of their ids.
    pub fn recorded(&self) -> Result<Vec<PodId>, PathError> {
        pods_in(&self.pods())
    }

    /// The pods of which there is anything: a record, a lock, a folder.
    pub(super) fn all_pods(&self) -> Result<Vec<PodId>, PathError> {
        let mut pods = self.recorded()?;
        pods.extend(pods_in(&self.locks())?);
        pods.extend(pods_in(&self.state.join("pods"))?);
        pods.sort();
        pods.dedup();
        Ok(pods)
    }
}

/// The names in a folder that are pods' ids; anything else is not ours.
pub(super) fn pods_in(folder: &Path) -> Result<Vec<PodId>, PathError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.map_err(|source| failed("read", folder, source))?,
    };
    let mut pods: Vec<PodId> = entries
        .flatten()
        .filter_map(|entry| PodId::try_from(entry.file_name().to_str()?).ok())
        .collect();
    pods.sort();
    Ok(pods)
}

pub(super) fn make_private(folder: &Path) -> Result<(), PathError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|source| failed("create", folder, source))
}

fn check(folder: &Path) -> Result<(), FoldersError> {
    let metadata =
        fs::symlink_metadata(folder).map_err(|source| failed("look at", folder, source))?;
    let path = folder.to_owned();
    if !metadata.is_dir() {
        return Err(FoldersError::NotFolder(path));
    }
    if metadata.uid() != host::effective_user() {
        let owner = metadata.uid();
        return Err(FoldersError::Owner { path, owner });
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if mode & 0o022 != 0 {
        return Err(FoldersError::Writable { path, mode });
    }
    Ok(())
}

pub(super) fn failed(attempt: &'static str, path: &Path, source: io::Error) -> PathError {
    PathError {
        attempt,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folders(base: &Path) -> Folders {
        Folders::new(base.join("root"), base.join("state"))
    }

    #[test]
    fn missing_folders_are_made_for_their_owner_alone() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        for _ in 0..2 {
            folders.ensure().unwrap();
        }
        for folder in [folders.root(), folders.state(), &folders.locks()] {
            let mode = folder.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{}", folder.display());
        }
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        folders.ensure().unwrap();
        fs::set_permissions(folders.pods(), fs::Permissions::from_mode(0o770)).unwrap();
        assert!(matches!(
            folders.ensure(),
            Err(FoldersError::Writable { mode: 0o770, .. })
        ));
    }

    #[test]
    fn a_link_in_a_folders_place_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        fs::create_dir(folders.root()).unwrap();
        symlink("/", folders.state()).unwrap();
        assert!(matches!(
            folders.ensure(),
            Err(FoldersError::NotFolder(path)) if path == folders.state()
        ));
    }

    #[test]
    fn only_ids_are_pods() {
        let base = tempfile::tempdir().unwrap();
        let folders = folders(base.path());
        assert_eq!(folders.all_pods().unwrap(), []);
        folders.ensure().unwrap();
        let one = PodId::of_project("p", "/", "1");
        let two = PodId::of_project("p", "/", "2");
        fs::create_dir(folders.pod_root(&one)).unwrap();
        fs::create_dir(folders.pods().join("lost+found")).unwrap();
        fs::write(folders.lock(&two), "").unwrap();
        fs::write(folders.lock(&one), "").unwrap();
        assert_eq!(folders.recorded().unwrap(), std::slice::from_ref(&one));
        let mut all = vec![one, two];
        all.sort();
        assert_eq!(folders.all_pods().unwrap(), all);
    }

    #[test]
    fn another_root_has_another_mark() {
        let one = Folders::new("/a", "/s");
        assert_eq!(one.mark(), Folders::new("/a", "/t").mark());
        assert_ne!(one.mark(), Folders::new("/b", "/s").mark());
        assert_eq!(one.mark().len(), 16);
    }
}
