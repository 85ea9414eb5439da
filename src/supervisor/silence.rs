//! A containerd, or a pod's shim, that does not pass on what it is told: signals go straight to the
//! processes, their ends are the kernel's word, and a shim that does not answer is killed.
//!
//! Else the pod would have to wait for who may never wake up, and the shim would stay.

use std::time::Duration;

use futures_util::future::{join_all, pending};
use tokio::time::timeout;
use tracing::{info, warn};

use super::container::Running;
use super::life::{KILL_WAIT, NEWS_WAIT};
use super::pod::PodRun;
use super::teardown::blocking;
use super::untold::Watched;
use crate::containerd::{Client, Code, Process, RpcError};
use crate::pod::names::CgroupPath;
use crate::pod::plan::Signal;
use crate::sys;
use crate::sys::cgroup;
use crate::sys::process::{self, PidFd};

/// How long containerd may take to pass a signal on, and to say that it is there.
const SILENCE: Duration = Duration::from_secs(2);

/// How signals reach the containers of a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Through containerd and the shim, which tell of what follows.
    Containerd,
    /// By process id: one of the two was silent.
    Straight,
}

/// Why a container can't be signalled.
#[derive(Debug, thiserror::Error)]
pub(super) enum SignalError {
    #[error(transparent)]
    Containerd(#[from] RpcError),
    #[error(transparent)]
    Process(#[from] process::Error),
    #[error(transparent)]
    Cgroup(#[from] cgroup::Error),
    #[error(transparent)]
    Number(#[from] sys::signal::SignalError),
}

impl PodRun {
    /// Sends a service a signal, the way that is open.
    pub(super) async fn signal(&mut self, i: usize, signal: Signal) -> Result<(), SignalError> {
        let Some(container) = self.containers[i].as_ref() else {
            return Ok(());
        };
        let (id, pid) = (container.id.clone(), container.pid);
        let cgroup = self.plan.containers[i].cgroup.clone();
        self.pass_on(&id, pid, &cgroup, signal).await
    }

    /// Sends the pause container a signal, if it is there.
    pub(super) async fn signal_pause(&mut self, signal: Signal) -> Result<(), SignalError> {
        let Some(pause) = self.pause.as_ref().filter(|pause| pause.is_alive()) else {
            return Ok(());
        };
        let (id, pid) = (pause.id.clone(), pause.pid);
        let cgroup = self.plan.sandbox.cgroup.pause();
        self.pass_on(&id, pid, &cgroup, signal).await
    }

    /// Through containerd, unless it has been found silent; then straight to the container's first
    /// process, if it is still in this cgroup.
    async fn pass_on(
        &mut self,
        id: &str,
        pid: u32,
        cgroup: &CgroupPath,
        signal: Signal,
    ) -> Result<(), SignalError> {
        if self.way == Way::Containerd {
            let tasks = self.host.client.tasks();
            let kill = tasks.kill(Process::init(id), signal.0.unsigned_abs());
            match timeout(SILENCE, kill).await {
                Ok(Err(error)) if is_silence(error.code) => {}
                Ok(result) => return Ok(result.map(drop)?),
                Err(_) => {}
            }
            info!(container = id, "containerd does not pass a signal on");
            self.way = Way::Straight;
        }
        match self.hold(pid, cgroup)? {
            Some(held) => match held.signal(sys::signal::Signal::try_from(signal.0)?) {
                Err(error) if !error.is_gone() => Err(error.into()),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// A container's first process, if it lives. Held, its number can't be given to another while
    /// it is looked at.
    fn hold(&self, pid: u32, cgroup: &CgroupPath) -> Result<Option<PidFd>, SignalError> {
        let held = match PidFd::open(pid) {
            Err(error) if error.is_gone() => return Ok(None),
            held => held?,
        };
        let verified = self.host.cgroups.verify(pid, cgroup.as_str());
        // One that has ended is in no cgroup any more.
        if held.wait(Duration::ZERO)? {
            return Ok(None);
        }
        verified?;
        Ok(Some(held))
    }

    /// Has the kernel tell of the end of a service's process.
    pub(super) fn watch_service(&mut self, i: usize) {
        if let Some(container) = &self.containers[i] {
            let (id, pid) = (container.id.clone(), container.pid);
            let cgroup = self.plan.containers[i].cgroup.clone();
            self.watch(&id, pid, &cgroup);
        }
    }

    /// Has the kernel tell of the end of a container's first process, beside containerd's events.
    pub(super) fn watch(&mut self, container: &str, pid: u32, cgroup: &CgroupPath) {
        match self.hold(pid, cgroup) {
            Ok(process) => self.exits.watch(Watched {
                container: container.to_owned(),
                pid,
                process,
            }),
            Err(error) => {
                warn!(container, %error, "the container's process can't be watched; events have to tell of its end");
            }
        }
    }

    /// Ends when the kernel says that these services have ended, where nobody else does; never
    /// where containerd tells.
    pub(super) fn ends_unseen(&self, services: &[usize]) -> impl Future<Output = ()> + use<> {
        let held = (self.way == Way::Straight).then(|| {
            let running = services.iter().filter_map(|&i| {
                let container = self.containers[i].as_ref()?;
                let cgroup = &self.plan.containers[i].cgroup;
                // One that can't be held is not ours any more.
                self.hold(container.pid, cgroup).ok().flatten()
            });
            running.collect::<Vec<_>>()
        });
        async move {
            match held {
                // One that can't be waited for is left to its grace.
                Some(held) => {
                    if join_all(held.iter().map(PidFd::ended))
                        .await
                        .iter()
                        .any(Result::is_err)
                    {
                        pending::<()>().await;
                    }
                }
                None => pending().await,
            }
        }
    }

    /// For a pod whose processes are dead, while containerd has not told so: waits for that, looks,
    /// and kills the shim if it is what is silent.
    pub(super) async fn end_silence(&mut self) {
        if timeout(SILENCE, self.all_ended()).await.is_ok() {
            return;
        }
        if !answers(&self.host.client, self.plan.sandbox.id.as_str()).await {
            return;
        }
        // An event may have been lost.
        let _ = timeout(SILENCE, self.look_again()).await;
        if !self.is_anything_alive() {
            return;
        }
        self.kill_shim().await;
        if timeout(NEWS_WAIT, self.all_ended()).await.is_err() {
            warn!("containerd does not tell that the containers have ended");
        }
    }

    /// Kills the shim, and the runtime where it hangs. containerd sees it end, and forgets the
    /// containers that it served.
    pub(super) async fn kill_shim(&mut self) {
        warn!(pod = %self.plan.id, "the pod's shim does not answer; killing it");
        self.shim_hung = true;
        let (cgroups, shim) = (self.host.cgroups.clone(), self.plan.sandbox.cgroup.shim());
        let killed = blocking(move || cgroups.kill(shim.as_str(), KILL_WAIT)).await;
        if let Err(error) = killed {
            warn!(%error, "the shim can't be killed");
        }
    }

    pub(super) fn is_anything_alive(&self) -> bool {
        let mut all = self.pause.iter().chain(self.containers.iter().flatten());
        all.any(Running::is_alive)
    }
}

/// Whether containerd itself does: a container's object is asked of nobody else.
pub(super) async fn answers(client: &Client, container: &str) -> bool {
    let get = client.containers();
    let get = get.get(container);
    matches!(timeout(SILENCE, get).await, Ok(Ok(_)))
}

fn is_silence(code: Code) -> bool {
    matches!(
        code,
        Code::Disconnected | Code::DeadlineExceeded | Code::Unavailable
    )
}
