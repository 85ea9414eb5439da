//! Ending pods that other processes run.
//!
//! Whoever runs a pod takes it down as it does upon Ctrl-C or `kill`: it is sent SIGTERM, and a
//! second one when the time is up. It is known by its number, its start and the boot, so that nobody
//! else gets the signal. What a dead owner left is cleaned up.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::pods::{HostPod, OwnerState};
use crate::journal::cleanup::{self, Options};
use crate::journal::{Folders, Maker};
use crate::supervisor::leftovers::Leftovers;
use crate::sys::process::{self, Identity, PidFd};
use crate::sys::{host, signal::Signal};

/// How long a pod may take to go after it was killed.
const KILLED: Duration = Duration::from_secs(30);
/// Between two looks at whether a pod is gone whose owner goes on, as an executor with another task.
const LOOK: Duration = Duration::from_millis(50);

/// What became of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// Its owner has ended it.
    Ended,
    /// Its owner was dead; what was left is gone.
    CleanedUp,
    /// Something is left; `cleanup` tells what.
    Left,
}

/// Why an owner can't be told to end its pod.
#[derive(Debug, thiserror::Error)]
pub enum DownError {
    #[error("the process {pid} that runs the pod {pod} can't be told to end it")]
    Signal {
        pod: String,
        pid: u32,
        source: process::Error,
    },
}

/// Ends these pods, side by side, and waits until they are gone. With a limit, what has not ended by
/// then is killed; without, each service has its own grace.
pub async fn down(
    pods: &[HostPod],
    folders: &Folders,
    limit: Option<Duration>,
) -> Result<Vec<Down>, DownError> {
    let mut owners = Vec::new();
    let mut told = BTreeSet::new();
    for pod in pods {
        // An executor with several tasks runs several pods.
        let is_new = told.insert((pod.record.maker.pid, pod.record.maker.start_time));
        let owner = owner(pod)?;
        if let Some(owner) = owner.as_ref().filter(|_| is_new) {
            tell(pod, owner)?;
        }
        owners.push(owner);
    }
    let kill_at = limit.map(|limit| Instant::now() + limit);
    let mut results = Vec::new();
    for (pod, owner) in pods.iter().zip(owners) {
        results.push(match owner {
            Some(owner) => wait(pod, &owner, folders, kill_at).await?,
            None => clean(pod, folders).await,
        });
    }
    Ok(results)
}

/// The process that runs a pod; none if it is dead.
fn owner(pod: &HostPod) -> Result<Option<PidFd>, DownError> {
    if pod.owner != OwnerState::Alive {
        return Ok(None);
    }
    let maker = &pod.record.maker;
    let held = match PidFd::open(maker.pid) {
        Ok(held) => held,
        Err(error) if error.is_gone() => return Ok(None),
        Err(source) => return Err(failed(pod, source)),
    };
    // Looked at after the descriptor was taken: the number can't have been given to another since.
    Ok(is_same(maker).then_some(held))
}

fn is_same(maker: &Maker) -> bool {
    let identity = Identity {
        pid: maker.pid,
        start_time: maker.start_time,
    };
    host::boot_id().is_ok_and(|boot| boot == maker.boot) && identity.is_alive()
}

fn tell(pod: &HostPod, owner: &PidFd) -> Result<(), DownError> {
    let term = Signal::from_str("SIGTERM").expect("it is a signal");
    match owner.signal(term) {
        Err(error) if error.is_gone() => Ok(()),
        result => result.map_err(|source| failed(pod, source)),
    }
}

fn failed(pod: &HostPod, source: process::Error) -> DownError {
    DownError::Signal {
        pod: pod.title(),
        pid: pod.record.maker.pid,
        source,
    }
}

/// Until the pod's record is gone, or its owner.
async fn wait(
    pod: &HostPod,
    owner: &PidFd,
    folders: &Folders,
    kill_at: Option<Instant>,
) -> Result<Down, DownError> {
    let record = folders.record(&pod.record.pod);
    let mut give_up_at = None;
    loop {
        if !record.exists() {
            return Ok(Down::Ended);
        }
        if has_ended(owner) {
            return Ok(if record.exists() {
                clean(pod, folders).await
            } else {
                Down::Ended
            });
        }
        let now = Instant::now();
        if give_up_at.is_none() && kill_at.is_some_and(|at| now >= at) {
            tell(pod, owner)?;
            give_up_at = Some(now + KILLED);
        }
        if give_up_at.is_some_and(|at| now >= at) {
            return Ok(Down::Left);
        }
        sleep(LOOK).await;
    }
}

fn has_ended(owner: &PidFd) -> bool {
    // Ready at once or not at all: nothing is waited for.
    owner.wait(Duration::ZERO).unwrap_or(true)
}

/// What a dead owner left.
async fn clean(pod: &HostPod, folders: &Folders) -> Down {
    let options = Options {
        pods: vec![pod.record.pod.clone()],
        ..Options::new(folders.clone())
    };
    if cleanup::run(&options, &Leftovers).await.is_complete() {
        Down::CleanedUp
    } else {
        Down::Left
    }
}
