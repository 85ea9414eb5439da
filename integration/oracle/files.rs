//! L8, L9, L10, L13, L15 and L18: files, folders and sockets.

use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use crate::lab::containerd::Containerd;

/// What the executor means to keep below `--root` and `--state`: the folders of the programs that it
/// brings, what it remembers of the runtime, and the images of a containerd of its own.
const KEPT: [&str; 4] = ["pause", "shim", "runtime", "containerd"];

/// The folders that containerd has for each container, below its root and its state.
pub(super) fn bundles(containerd: &Containerd) -> Vec<String> {
    let mut found = Vec::new();
    for top in [containerd.root(), containerd.state()] {
        for namespace in list(&top.join("io.containerd.runtime.v2.task")) {
            found.extend(list(&namespace));
        }
    }
    shown(found)
}

/// Where a shim listens that serves this group of containers: as containerd's runtime v2 has named
/// its sockets since 1.4.
pub(crate) fn shim_socket(containerd: &Containerd, namespace: &str, group: &str) -> PathBuf {
    let name = containerd.socket().join(namespace).join(group);
    let mut path = String::from("/run/containerd/s/");
    for byte in Sha256::digest(name.as_os_str().as_bytes()) {
        write!(path, "{byte:02x}").expect("a string takes all that is written");
    }
    path.into()
}

/// Sockets of shims that are no more.
pub(crate) fn dead_sockets(containerd: &Containerd) -> Vec<String> {
    let ever = containerd.containers_ever();
    let sockets = ever
        .iter()
        .map(|(namespace, name)| shim_socket(containerd, namespace, name));
    let dead = |path: &PathBuf| {
        UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    };
    shown(sockets.filter(dead))
}

/// FIFOs and sockets of containers.
pub(super) fn pipes(state: &Path) -> Vec<String> {
    let mut found = list(Path::new("/run/containerd/fifo"));
    found.extend(below(state).into_iter().filter(|path| is_pipe(path)));
    shown(found)
}

/// Every other file or folder of ours that is not meant to stay.
pub(super) fn records(root: &Path, state: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for top in [root, state] {
        for path in list(top) {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if !KEPT.iter().any(|kept| name.starts_with(kept)) {
                found.extend(below(&path));
            }
        }
    }
    found.retain(|path| !is_pipe(path) && !path.is_dir());
    shown(found)
}

/// What the runtimes keep, whichever was chosen: crun has no folder for each namespace.
pub(crate) fn runtime_state(containerd: &Containerd) -> Vec<String> {
    let ever = containerd.containers_ever();
    let places = ever.iter().flat_map(|(namespace, name)| {
        [
            format!("/run/containerd/runc/{namespace}/{name}"),
            format!("/run/containerd/crun/{namespace}/{name}"),
            format!("/run/runc/{name}"),
            format!("/run/crun/{name}"),
        ]
    });
    places.filter(|place| Path::new(place).exists()).collect()
}

/// What CNI itself and host-local remember.
pub(super) fn cni_caches() -> Vec<String> {
    let mut found = list(Path::new("/var/lib/cni/results"));
    found.extend(
        below(Path::new("/var/lib/cni/networks"))
            .into_iter()
            .filter(|path| path.is_file()),
    );
    shown(found)
}

/// Everything in a tree, itself included; links are not followed.
fn below(path: &Path) -> Vec<PathBuf> {
    let mut found = vec![path.to_owned()];
    if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir()) {
        found.extend(list(path).iter().flat_map(|child| below(child)));
    }
    found
}

fn is_pipe(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .is_ok_and(|meta| meta.file_type().is_fifo() || meta.file_type().is_socket())
}

/// Empty if there is no such folder.
fn list(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

fn shown(paths: impl IntoIterator<Item = PathBuf>) -> Vec<String> {
    paths
        .into_iter()
        .map(|path| path.display().to_string())
        .collect()
}
