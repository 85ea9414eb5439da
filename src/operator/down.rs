//! Ending pods that other processes run.
//!
//! Whoever runs a pod takes it down as it does upon Ctrl-C or `kill`: it is sent SIGTERM, and a
//! second one when the time is up. It is known by its number, its start and the boot, so that nobody
//! else gets the signal. What a dead owner left is cleaned up.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::time::Duration;

use tokio::time::Instant;

use super::end::PodEnd;
use super::pods::HostPod;
use crate::journal::Folders;
use crate::journal::cleanup::{self, Options};
use crate::supervisor::leftovers::Leftovers;
use crate::sys::PathError;
use crate::sys::process::{self, PidFd};
use crate::sys::signal::Signal;

/// How long a pod may take to go after it was killed.
const KILLED: Duration = Duration::from_secs(30);

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
    #[error("it can't be told whether the pod {pod} is over")]
    Look { pod: String, source: PathError },
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
        let owner = pod.hold_owner().map_err(|source| failed(pod, source))?;
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

/// Until the pod is over.
async fn wait(
    pod: &HostPod,
    owner: &PidFd,
    folders: &Folders,
    kill_at: Option<Instant>,
) -> Result<Down, DownError> {
    let looked = |source| DownError::Look {
        pod: pod.title(),
        source,
    };
    let mut end = PodEnd::of(pod, folders);
    if !end.by(kill_at).await.map_err(looked)? {
        tell(pod, owner)?;
        let give_up_at = Instant::now() + KILLED;
        if !end.by(Some(give_up_at)).await.map_err(looked)? {
            return Ok(Down::Left);
        }
    }
    // What has a record was not taken away.
    Ok(if folders.record(&pod.record.pod).exists() {
        clean(pod, folders).await
    } else {
        Down::Ended
    })
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
