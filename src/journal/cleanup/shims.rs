//! Shims that nobody talks to any more, and what they leave on the file system.
//!
//! containerd 1.6 loses a shim whose client went away while it was making a container: no task leads
//! to it, not even after a restart. Its command line does. A shim that was killed leaves its
//! socket, and sometimes the runtime's own state.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::journal::record::Record;
use crate::sys::process::{self, PidFd};
use crate::sys::signal::Signal;

const PROGRAM: &str = "containerd-shim";
/// How long the kernel may take to end a shim.
const GONE: Duration = Duration::from_secs(5);

/// The shims that serve one of these containers.
pub(super) fn find(namespace: &str, ids: &[String]) -> Vec<u32> {
    let serves =
        |pid: &u32| process::command_line(*pid).is_ok_and(|words| serves(&words, namespace, ids));
    let all = process::all().unwrap_or_default();
    all.into_iter().filter(serves).collect()
}

/// Kills a shim and waits for its end. The number may have gone to another process since it was
/// found, so the words are read again once the process is held.
pub(super) fn kill(pid: u32, namespace: &str, ids: &[String]) -> Result<(), process::Error> {
    let held = match PidFd::open(pid) {
        Err(error) if error.is_gone() => return Ok(()),
        held => held?,
    };
    let words = process::command_line(pid).unwrap_or_default();
    if !serves(&words, namespace, ids) {
        return Ok(());
    }
    match held.signal(Signal::KILL) {
        Err(error) if !error.is_gone() => Err(error),
        _ => held.wait(GONE).map(drop),
    }
}

/// `containerd-shim-runc-v2 -namespace NS -id ID -address SOCKET`.
fn serves(words: &[String], namespace: &str, ids: &[String]) -> bool {
    let value = |flag: &str| {
        let mut pairs = words.iter().zip(words.iter().skip(1));
        pairs
            .find(|(name, _)| *name == flag)
            .map(|(_, value)| value)
    };
    let name = words.first().and_then(|program| program.rsplit('/').next());
    name.is_some_and(|name| name.starts_with(PROGRAM))
        && value("-namespace").is_some_and(|given| given == namespace)
        && value("-id").is_some_and(|id| ids.contains(id))
}

/// The sockets of the pod's shims that are there and that nobody listens at.
///
/// containerd names one by a hash over its own address, the namespace and the shim's group: that is
/// the pause container's id, or a container's own where the server doesn't group.
pub(super) fn dead_sockets(shim_state: &Path, record: &Record) -> Vec<PathBuf> {
    let containerd = &record.containerd;
    let namespace = containerd.socket.join(&containerd.namespace);
    let socket = |id: &str| {
        let digest = Sha256::digest(namespace.join(id).as_os_str().as_bytes());
        let name: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        shim_state.join("s").join(name.concat())
    };
    let refused = |socket: &PathBuf| {
        UnixStream::connect(socket)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
    };
    record.containers().map(socket).filter(refused).collect()
}

/// What the runtime keeps of a container (`--root`), if it is there.
pub(super) fn runtime_state(shim_state: &Path, namespace: &str, id: &str) -> Option<PathBuf> {
    let folder = shim_state.join("runc").join(namespace).join(id);
    fs::symlink_metadata(&folder)
        .is_ok_and(|metadata| metadata.is_dir())
        .then_some(folder)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;
    use crate::journal::record::example;
    use crate::pod::names::PodId;

    fn words(line: &str) -> Vec<String> {
        line.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn a_shim_is_known_by_namespace_and_container() {
        let ids = [String::from("pod-1"), String::from("web-1")];
        let line = "/usr/bin/containerd-shim-runc-v2 -namespace ce -id web-1 -address /run/c.sock";
        assert!(serves(&words(line), "ce", &ids));
        for other in [
            line.replace("-namespace ce", "-namespace k8s.io"),
            line.replace("-id web-1", "-id web-10"),
            line.replace("containerd-shim-runc-v2", "vim"),
            line.replace("-id web-1", "-id"),
            String::new(),
        ] {
            assert!(!serves(&words(&other), "ce", &ids), "{other}");
        }
    }

    #[test]
    fn a_socket_is_dead_when_nobody_listens() {
        let state = tempfile::tempdir().unwrap();
        fs::create_dir(state.path().join("s")).unwrap();
        let pod = PodId::try_from("0123456789ab").unwrap();
        let record = example(&pod);
        assert!(dead_sockets(state.path(), &record).is_empty());
        // sha256 of /run/containerd/containerd.sock/compose-executor/pod-0123456789ab
        let socket = state
            .path()
            .join("s/ba2b8b4f43fc2c252bc67871e7d66161dbba20d84017d31de249f8c0641f96b9");
        let listener = UnixListener::bind(&socket).unwrap();
        assert!(dead_sockets(state.path(), &record).is_empty());
        drop(listener);
        assert_eq!(dead_sockets(state.path(), &record), [socket]);
    }

    #[test]
    fn the_runtimes_state_is_a_folder_for_each_container() {
        let state = tempfile::tempdir().unwrap();
        assert_eq!(runtime_state(state.path(), "ce", "web-1"), None);
        let folder = state.path().join("runc/ce/web-1");
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(runtime_state(state.path(), "ce", "web-1"), Some(folder));
    }

    #[test]
    fn a_process_that_is_no_shim_is_spared() {
        let mut bystander = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        kill(bystander.id(), "ce", &["sleep".to_owned()]).unwrap();
        assert!(bystander.try_wait().unwrap().is_none());
        bystander.kill().unwrap();
        bystander.wait().unwrap();
    }
}
