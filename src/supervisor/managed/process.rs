//! The daemon's process: started until it is ready, found again by who did not start it, ended.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::{ManagedError, PROGRAM, config};
use crate::journal::Folders;
use crate::supervisor::managed::Managed;
use crate::supervisor::teardown::blocking;
use crate::sys::process::{Identity, PidFd};
use crate::sys::signal::Signal;
use crate::sys::{PathError, session};

/// How long it may take until it is ready; an emulated machine takes ten seconds.
const READY: Duration = Duration::from_mins(1);
/// How long it may take to end in order.
const END: Duration = Duration::from_secs(20);
/// How long the kernel may take to end it.
const KILLED: Duration = Duration::from_secs(10);
/// How many of its last lines explain a failure.
const LAST_LINES: usize = 5;

/// A containerd that is our child.
#[derive(Debug)]
pub(super) struct Daemon(Child);

impl Daemon {
    /// Starts it and waits until it says that it is ready (`sd_notify(3)`). It is the caller's turn.
    pub(super) async fn start(
        folders: &Folders,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, ManagedError> {
        let state = folders.managed_state();
        let socket = Managed::socket(folders);
        let (conf, log) = (state.join("config.toml"), state.join("log"));
        write(
            &conf,
            &config::text(&folders.managed_root(), &state, &socket),
        )?;
        let output = File::create(&log).map_err(|source| PathError::new("create", &log, source))?;
        let errors = output.try_clone().map_err(ManagedError::Start)?;
        let notices = Notices::bind(&state.join("notify.sock"))?;

        let mut command = std::process::Command::new(PROGRAM);
        command
            .arg("--config")
            .arg(&conf)
            .env_clear()
            .envs(environment.iter().cloned())
            .env("NOTIFY_SOCKET", &notices.path)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors);
        session::of_its_own(&mut command);
        let mut child = Command::from(command)
            .spawn()
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => ManagedError::Missing,
                _ => ManagedError::Start(source),
            })?;
        if let Some(pid) = child.id() {
            remember(&state, pid)?;
        }
        let ready = tokio::select! {
            said = notices.ready() => said.map_err(ManagedError::Start),
            ended = child.wait() => Err(ManagedError::Ended {
                status: ended.map_err(ManagedError::Start)?.to_string(),
                log: last_lines(&log),
            }),
            () = sleep(READY) => Err(ManagedError::Silent { limit: READY, log: last_lines(&log) }),
        };
        if let Err(error) = ready {
            // It may have ended by itself.
            let _ = child.kill().await;
            return Err(error);
        }
        Ok(Self(child))
    }

    /// Takes note of its end, if it has ended; else it is somebody else's from now on.
    pub(super) fn reap(mut self) {
        // Whether it is there still or how it ended is nothing to act on.
        let _ = self.0.try_wait();
    }
}

/// What the daemon says to the one that started it.
struct Notices {
    path: PathBuf,
    socket: UnixDatagram,
}

impl Notices {
    fn bind(path: &Path) -> Result<Self, PathError> {
        let failed = |source| PathError::new("listen at", path, source);
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        Ok(Self {
            path: path.to_owned(),
            socket: UnixDatagram::bind(path).map_err(failed)?,
        })
    }

    async fn ready(&self) -> io::Result<()> {
        let mut buffer = [0; 512];
        loop {
            let length = self.socket.recv(&mut buffer).await?;
            let mut lines = buffer[..length].split(|byte| *byte == b'\n');
            if lines.any(|line| line == b"READY=1") {
                return Ok(());
            }
        }
    }
}

/// Ends the daemon that was last started in a folder, if it is still that process.
pub(super) async fn end_recorded(state: &Path) -> Result<(), ManagedError> {
    let Some(identity) = recorded(state) else {
        return Ok(());
    };
    let ended = blocking(move || {
        let process = match PidFd::open(identity.pid) {
            Err(error) if error.is_gone() => return Ok(()),
            process => process?,
        };
        if !identity.is_alive() {
            return Ok(());
        }
        for (signal, within) in [(Signal::TERM, END), (Signal::KILL, KILLED)] {
            match process.signal(signal) {
                Err(error) if error.is_gone() => return Ok(()),
                sent => sent?,
            }
            if process.wait(within)? {
                break;
            }
        }
        Ok(())
    });
    ended.await.map_err(ManagedError::End)
}

/// Whoever ends it may be another than who started it.
fn remember(state: &Path, pid: u32) -> Result<(), ManagedError> {
    // It may have ended already; who waits for it will tell.
    let Ok(identity) = Identity::of(pid) else {
        return Ok(());
    };
    write(
        &pid_file(state),
        &format!("{} {}\n", identity.pid, identity.start_time),
    )?;
    Ok(())
}

fn recorded(state: &Path) -> Option<Identity> {
    let text = fs::read_to_string(pid_file(state)).ok()?;
    let (pid, start_time) = text.trim().split_once(' ')?;
    Some(Identity {
        pid: pid.parse().ok()?,
        start_time: start_time.parse().ok()?,
    })
}

fn pid_file(state: &Path) -> PathBuf {
    state.join("pid")
}

fn write(path: &Path, text: &str) -> Result<(), PathError> {
    fs::write(path, text).map_err(|source| PathError::new("write", path, source))
}

fn last_lines(log: &Path) -> String {
    let bytes = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_runtime<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    #[test]
    fn a_process_is_found_again_and_ended() {
        let state = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        remember(state.path(), child.id()).unwrap();
        assert_eq!(recorded(state.path()), Identity::of(child.id()).ok());
        on_runtime(end_recorded(state.path())).unwrap();
        assert!(child.try_wait().unwrap().is_some());
        // Gone, and no error.
        on_runtime(end_recorded(state.path())).unwrap();
    }

    #[test]
    fn another_process_of_that_number_is_spared() {
        let state = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        write(&pid_file(state.path()), &format!("{} 1\n", child.id())).unwrap();
        on_runtime(end_recorded(state.path())).unwrap();
        assert!(child.try_wait().unwrap().is_none());
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn readiness_is_one_line_among_others() {
        let folder = tempfile::tempdir().unwrap();
        on_runtime(async {
            let notices = Notices::bind(&folder.path().join("notify")).unwrap();
            let other = UnixDatagram::unbound().unwrap();
            for words in ["STATUS=READY", "MAINPID=1\nREADY=1"] {
                other
                    .send_to(words.as_bytes(), &notices.path)
                    .await
                    .unwrap();
            }
            notices.ready().await.unwrap();
        });
    }

    #[test]
    fn a_failure_is_explained_by_the_last_lines() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(last_lines(&log), "");
        fs::write(&log, "1\n2\n3\n4\n5\n6\n").unwrap();
        assert_eq!(last_lines(&log), "2\n3\n4\n5\n6");
    }
}
