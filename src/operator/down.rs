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

/// A pod whose owner lives and has been told to end it.
struct Ending<'a> {
    pod: &'a HostPod,
    owner: PidFd,
    end: PodEnd,
}

/// Ends these pods, side by side, and waits until they are gone. With a limit, what has not ended by
/// then is killed; without, each service has its own grace.
pub async fn down(
    pods: &[HostPod],
    folders: &Folders,
    limit: Option<Duration>,
) -> Result<Vec<Down>, DownError> {
    let mut endings = Vec::new();
    let mut told = BTreeSet::new();
    for pod in pods {
        let owner = pod.hold_owner().map_err(|source| failed(pod, source))?;
        // An executor with several tasks runs several pods.
        let is_new = told.insert((pod.record.maker.pid, pod.record.maker.start_time));
        if let Some(owner) = owner.as_ref().filter(|_| is_new) {
            tell(pod, owner)?;
        }
        endings.extend(owner.map(|owner| Ending {
            pod,
            owner,
            end: PodEnd::of(pod, folders),
        }));
    }
    let kill_at = limit.map(|limit| Instant::now() + limit);
    let late = still_there(endings, kill_at).await?;
    for ending in &late {
        tell(ending.pod, &ending.owner)?;
    }
    let late = still_there(late, Some(Instant::now() + KILLED)).await?;
    let mut results = Vec::new();
    for pod in pods {
        results.push(if late.iter().any(|ending| ending.pod == pod) {
            Down::Left
        } else if folders.record(&pod.record.pod).exists() {
            // What has a record was not taken away.
            clean(pod, folders).await
        } else {
            Down::Ended
        });
    }
    Ok(results)
}

/// Those that are not over by then. The time is the same for all, so that it is enough to wait for one
/// after the other.
async fn still_there(
    endings: Vec<Ending<'_>>,
    deadline: Option<Instant>,
) -> Result<Vec<Ending<'_>>, DownError> {
    let mut late = Vec::new();
    for mut ending in endings {
        let over = ending.end.by(deadline).await;
        let looked = |source| DownError::Look {
            pod: ending.pod.title(),
            source,
        };
        if !over.map_err(looked)? {
            late.push(ending);
        }
    }
    Ok(late)
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
