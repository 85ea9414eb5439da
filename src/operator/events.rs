//! What happens to the containers of pods, as containerd tells of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::pods::{self, HostPod, connect};
use crate::containerd::{self, Topic};
use crate::journal::Folders;

/// Events that wait to be shown.
const QUEUE: usize = 256;
/// Between two tries to reach a containerd.
const RETRY: Duration = Duration::from_secs(1);
const TOPICS: [Topic; 5] = [
    Topic::TaskCreate,
    Topic::TaskStart,
    Topic::TaskOom,
    Topic::TaskExit,
    Topic::TaskDelete,
];

/// Something that happened to a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodEvent {
    pub at: SystemTime,
    pub pod: String,
    pub task: String,
    pub project: String,
    /// None: the pause container, and with it the pod.
    pub service: Option<String>,
    pub what: What,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Created,
    Started,
    OutOfMemory,
    Exited { code: u32 },
    Removed,
}

impl What {
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Started => "start",
            Self::OutOfMemory => "oom",
            Self::Exited { .. } => "exit",
            Self::Removed => "remove",
        }
    }
}

/// Follows the events of these containerds, each with its namespace, for as long as it lives.
#[derive(Debug)]
pub struct Follower {
    folders: Folders,
    /// By container: pod, task, project and service.
    known: BTreeMap<String, Named>,
    events: mpsc::Receiver<containerd::Event>,
    _followers: JoinSet<()>,
}

#[derive(Clone, Debug)]
struct Named {
    pod: String,
    task: String,
    project: String,
    service: Option<String>,
}

impl Follower {
    /// Begins to follow. A containerd that can't be reached is tried again.
    pub fn start(folders: Folders, containerds: BTreeSet<(PathBuf, String)>) -> Self {
        let (to, events) = mpsc::channel(QUEUE);
        let mut followers = JoinSet::new();
        for (socket, namespace) in containerds {
            followers.spawn(follow(socket, namespace, to.clone()));
        }
        let mut this = Self {
            folders,
            known: BTreeMap::new(),
            events,
            _followers: followers,
        };
        this.learn();
        this
    }

    /// The next event of a pod of this host. May be dropped while it waits and called again.
    pub async fn next(&mut self) -> Option<PodEvent> {
        loop {
            let event = self.events.recv().await?;
            let (container, what, at) = match event {
                containerd::Event::TaskCreate { container, .. } => (container, What::Created, None),
                containerd::Event::TaskStart { container, .. } => (container, What::Started, None),
                containerd::Event::TaskOom { container } => (container, What::OutOfMemory, None),
                containerd::Event::TaskExit(exit) if exit.exec.is_none() => {
                    let code = exit.exit.status;
                    (exit.container, What::Exited { code }, exit.exit.at)
                }
                containerd::Event::TaskDelete(exit) if exit.exec.is_none() => {
                    (exit.container, What::Removed, None)
                }
                containerd::Event::TaskExit(_) | containerd::Event::TaskDelete(_) => continue,
            };
            if !self.known.contains_key(&container) {
                self.learn();
            }
            // What has no record is not ours.
            if let Some(named) = self.known.get(&container) {
                return Some(PodEvent {
                    at: at.unwrap_or_else(SystemTime::now),
                    pod: named.pod.clone(),
                    task: named.task.clone(),
                    project: named.project.clone(),
                    service: named.service.clone(),
                    what,
                });
            }
        }
    }

    /// Reads the records. Those of pods that are gone stay known: their last events come after.
    fn learn(&mut self) {
        match pods::all(&self.folders) {
            Ok((pods, _)) => pods.iter().for_each(|pod| self.add(pod)),
            Err(error) => warn!(%error, "the records can't be read"),
        }
    }

    fn add(&mut self, pod: &HostPod) {
        let record = &pod.record;
        let named = |service: Option<&str>| Named {
            pod: record.pod.to_string(),
            task: record.task.clone(),
            project: record.project.clone(),
            service: service.map(str::to_owned),
        };
        self.known
            .insert(record.containerd.pause.clone(), named(None));
        for service in &record.services {
            let name = named(Some(&service.service));
            self.known.insert(service.container.clone(), name);
        }
    }
}

async fn follow(socket: PathBuf, namespace: String, to: mpsc::Sender<containerd::Event>) {
    loop {
        if let Ok(client) = connect(&socket, &namespace).await
            && let Ok(mut events) = client.events().subscribe(&TOPICS).await
        {
            loop {
                match events.next().await {
                    Ok(event) => {
                        if to.send(event).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        warn!(%error, socket = %socket.display(), "the events have stopped; asking again");
                        break;
                    }
                }
            }
        }
        debug!(socket = %socket.display(), "containerd does not answer yet");
        sleep(RETRY).await;
    }
}
