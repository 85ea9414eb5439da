//! A containerd of our own, for hosts where none runs: `--containerd managed`.
//!
//! It is started by who needs it first, in a session of its own, so that a Ctrl-C at the terminal is
//! for the pod and not for the daemon; shared by all who need it meanwhile (`claim`); and ended by
//! the last of them. Its images stay in `<root>/containerd`, all else is in `<state>/managed` and goes
//! with it. What a kill -9 left is ended by `cleanup`, or used by who comes next.

mod claim;
mod config;
mod process;

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::timeout;

use crate::journal::{Folders, FoldersError, Record, Stored};
use crate::pod::names::PodId;
use crate::supervisor::teardown::blocking;
use crate::sys::{self, mount};
use claim::{Turn, Usage};
use process::Daemon;

/// The program.
const PROGRAM: &str = "containerd";
/// How long somebody else may take to start or end it.
const TURN: Duration = Duration::from_mins(2);

/// A managed containerd, in use as long as this is.
#[derive(Debug)]
pub struct Managed {
    folders: Folders,
    usage: Usage,
    /// Our own child, if we have started it.
    daemon: Option<Daemon>,
}

/// Why there is no containerd of our own.
#[derive(Debug, thiserror::Error)]
pub enum ManagedError {
    #[error("only root can start a containerd")]
    NotRoot,
    #[error(
        "there is no program containerd on the PATH: install containerd 1.6 or later and runc or crun (Debian: apt-get install containerd), or name one that runs with --containerd SOCKET"
    )]
    Missing,
    #[error(transparent)]
    Folders(#[from] FoldersError),
    #[error(transparent)]
    Path(#[from] sys::PathError),
    #[error(
        "another compose-executor starts or ends the private containerd, and does not come to an end"
    )]
    Turn,
    #[error("the private containerd can't be started")]
    Start(#[source] io::Error),
    #[error("the private containerd ended at once ({status}); its last words:\n{log}")]
    Ended { status: String, log: String },
    #[error("the private containerd is not ready after {} s; its last words:\n{log}", limit.as_secs())]
    Silent { limit: Duration, log: String },
    #[error("the private containerd can't be ended")]
    End(#[source] sys::process::Error),
}

impl Managed {
    /// Where a managed containerd of these folders listens.
    pub fn socket(folders: &Folders) -> PathBuf {
        folders.managed_state().join("containerd.sock")
    }

    /// Uses the one that runs, or starts one with these variables in its environment: `PATH`, and
    /// what else it is to have.
    pub async fn open(
        folders: &Folders,
        environment: &[(OsString, OsString)],
    ) -> Result<Self, ManagedError> {
        if !sys::host::is_root() {
            return Err(ManagedError::NotRoot);
        }
        folders.ensure()?;
        let state = folders.managed_state();
        let turn = take_turn(&state).await?;
        let usage = Usage::begin(&turn, &state)?;
        let daemon = match ensure_running(folders, environment).await {
            Ok(daemon) => daemon,
            Err(error) => {
                drop(usage);
                end_unused(folders, turn).await?;
                return Err(error);
            }
        };
        Ok(Self {
            folders: folders.clone(),
            usage,
            daemon,
        })
    }

    /// Ends it, if nobody else uses it.
    pub async fn close(self) -> Result<(), ManagedError> {
        let Self {
            folders,
            usage,
            daemon,
        } = self;
        let turn = take_turn(&folders.managed_state()).await?;
        drop(usage);
        end_unused(&folders, turn).await?;
        if let Some(daemon) = daemon {
            daemon.reap();
        }
        Ok(())
    }
}

/// What there is of a managed containerd.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Nothing.
    Absent,
    /// Somebody uses it.
    Used,
    /// It, or what it left, is there for nobody.
    Abandoned,
}

/// Looks for a managed containerd; the answer may be another the moment after.
pub fn presence(folders: &Folders) -> Result<Presence, ManagedError> {
    let state = folders.managed_state();
    if !state.exists() {
        return Ok(Presence::Absent);
    }
    Ok(if claim::is_used(&state)? {
        Presence::Used
    } else {
        Presence::Abandoned
    })
}

/// Whether there are pods, alive or dead, in a managed containerd, or anything else of one.
pub fn is_wanted(folders: &Folders) -> bool {
    let socket = Managed::socket(folders);
    let names_it = |pod: &PodId| {
        matches!(
            Record::read(&folders.record(pod), pod),
            Ok(Some(Stored::Known(record))) if record.containerd.socket == socket
        )
    };
    // Records that can't be listed are the cleanup's to tell of.
    folders.managed_state().exists() || folders.recorded().unwrap_or_default().iter().any(names_it)
}

/// Ends a managed containerd that nobody uses, and takes away what is left of one.
pub async fn end_abandoned(folders: &Folders) -> Result<(), ManagedError> {
    let state = folders.managed_state();
    if !state.exists() {
        return Ok(());
    }
    let turn = take_turn(&state).await?;
    end_unused(folders, turn).await
}

/// Our child, if it was us who had to start it.
async fn ensure_running(
    folders: &Folders,
    environment: &[(OsString, OsString)],
) -> Result<Option<Daemon>, ManagedError> {
    if UnixStream::connect(Managed::socket(folders)).is_ok() {
        return Ok(None);
    }
    // One whose starter died in the middle of it.
    process::end_recorded(&folders.managed_state()).await?;
    Daemon::start(folders, environment).await.map(Some)
}

async fn take_turn(folder: &Path) -> Result<Turn, ManagedError> {
    let folder = folder.to_owned();
    // The thread that waits is left behind when the time is over: it holds nothing then.
    let taken = timeout(TURN, blocking(move || Turn::take(&folder))).await;
    Ok(taken.map_err(|_| ManagedError::Turn)??)
}

/// With the turn, which ends with the folder that it is a lock in.
async fn end_unused(folders: &Folders, turn: Turn) -> Result<(), ManagedError> {
    let state = folders.managed_state();
    if Usage::is_any(&turn, &state)? {
        return Ok(());
    }
    process::end_recorded(&state).await?;
    let root = folders.managed_root();
    blocking(move || {
        // Roots of containers whose shims were killed, and what was mounted to unpack an image.
        mount::unmount_all(&state)?;
        mount::unmount_all(&root)?;
        turn.end(&state)
    })
    .await?;
    Ok(())
}
