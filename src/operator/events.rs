//! What happens to the containers of pods, as containerd tells of it, and to their health, as the
//! pods' owners show it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{debug, warn};

use super::pods::{self, HostPod, connect};
use crate::containerd::{self, Topic};
use crate::journal::{Folders, HealthView, PodView};
use crate::pod::names::PodId;
use crate::sys::watch::{Change, FolderWatch, Heed};

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
    Exited {
        code: u32,
    },
    Removed,
    /// What its probes say of it is another than before.
    Health(HealthView),
}

impl What {
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "create",
            Self::Started => "start",
            Self::OutOfMemory => "oom",
            Self::Exited { .. } => "exit",
            Self::Removed => "remove",
            Self::Health(_) => "health",
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
    /// The folders in which owners show what they know of their pods.
    watch: FolderWatch,
    /// By its folder, what was shown last of each pod that is not gone.
    views: BTreeMap<PathBuf, (PodId, PodView)>,
    /// Pods whose pause container's task is gone, which goes last; their records may not be yet.
    over: BTreeSet<String>,
    /// Health that is to be told.
    health: VecDeque<PodEvent>,
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
    ///
    /// # Errors
    /// If the kernel watches no more folders for us.
    pub fn start(folders: Folders, containerds: BTreeSet<(PathBuf, String)>) -> io::Result<Self> {
        let (to, events) = mpsc::channel(QUEUE);
        let mut followers = JoinSet::new();
        for (socket, namespace) in containerds {
            followers.spawn(follow(socket, namespace, to.clone()));
        }
        let mut this = Self {
            folders,
            known: BTreeMap::new(),
            events,
            watch: FolderWatch::new()?,
            views: BTreeMap::new(),
            over: BTreeSet::new(),
            health: VecDeque::new(),
            _followers: followers,
        };
        this.learn();
        // How it is with those that are here already is no news.
        this.health.clear();
        Ok(this)
    }

    /// The next event of a pod of this host. May be dropped while it waits and called again.
    pub async fn next(&mut self) -> Option<PodEvent> {
        loop {
            if let Some(event) = self.health.pop_front() {
                return Some(event);
            }
            let event = tokio::select! {
                event = self.events.recv() => event?,
                change = self.watch.next() => {
                    match change.inspect_err(|error| warn!(%error, "health can't be followed")).ok()? {
                        Change::In(folder) => self.look(&folder),
                        Change::Anywhere => self.look_at_all(),
                    }
                    continue;
                }
            };
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
                let event = named.event(at.unwrap_or_else(SystemTime::now), what);
                if what == What::Removed && event.service.is_none() {
                    self.over.insert(event.pod.clone());
                }
                return Some(event);
            }
        }
    }

    /// Reads the records. Those of pods that are gone stay known until their last event, which comes after.
    fn learn(&mut self) {
        match pods::all(&self.folders) {
            Ok((pods, _)) => {
                self.forget(&pods);
                for pod in &pods {
                    self.add(pod);
                }
            }
            Err(error) => warn!(%error, "the records can't be read"),
        }
    }

    /// Of what is over and has no record any more nothing will be heard.
    fn forget(&mut self, there: &[HostPod]) {
        let gone = self.over.extract_if(.., |over| {
            !there.iter().any(|pod| pod.record.pod.as_str() == over)
        });
        let gone: BTreeSet<String> = gone.collect();
        self.known.retain(|_, named| !gone.contains(&named.pod));
        self.views
            .retain(|_, (pod, _)| !gone.contains(pod.as_str()));
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
        let folder = self.folders.pod_state(&record.pod);
        if self.views.contains_key(&folder) {
            return;
        }
        match self.watch.add(&folder, Heed::Replaced) {
            Ok(()) => {
                let nothing = PodView::of([]);
                self.views
                    .insert(folder.clone(), (record.pod.clone(), nothing));
                self.look(&folder);
            }
            // It is going.
            Err(error) => debug!(%error, "the pod's health is not followed"),
        }
    }

    fn look_at_all(&mut self) {
        let folders: Vec<_> = self.views.keys().cloned().collect();
        for folder in folders {
            self.look(&folder);
        }
    }

    /// Looks at what the owner of a pod shows now.
    fn look(&mut self, folder: &Path) {
        let Some((pod, before)) = self.views.get_mut(folder) else {
            return;
        };
        let view = match PodView::read(&self.folders.view(pod)) {
            Ok(view) => view,
            Err(error) => {
                warn!(%error, "the pod's health can't be told");
                return;
            }
        };
        let pod = pod.to_string();
        let changed = changes(before, &view).into_iter();
        let events: Vec<_> = changed
            .filter_map(|(service, health)| {
                let is_it = |it: &&Named| it.pod == pod && it.service.as_ref() == Some(&service);
                let named = self.known.values().find(is_it)?;
                Some(named.event(SystemTime::now(), What::Health(health)))
            })
            .collect();
        self.health.extend(events);
        *before = view;
    }
}

impl Named {
    fn event(&self, at: SystemTime, what: What) -> PodEvent {
        PodEvent {
            at,
            pod: self.pod.clone(),
            task: self.task.clone(),
            project: self.project.clone(),
            service: self.service.clone(),
            what,
        }
    }
}

/// The services whose health is another now. One that begins anew is told by its start.
fn changes(before: &PodView, now: &PodView) -> Vec<(String, HealthView)> {
    let changed = now.services().filter_map(|(service, view)| {
        let health = view.health?;
        let is_news = health != HealthView::Starting;
        (is_news && before.service(service).health != Some(health))
            .then(|| (service.to_owned(), health))
    });
    changed.collect()
}

async fn follow(socket: PathBuf, namespace: String, to: mpsc::Sender<containerd::Event>) {
    loop {
        if let Ok(client) = connect(&socket, &namespace).await
            && let Ok(mut events) = client.events().subscribe(&TOPICS, None).await
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::{Journal, ServiceView, example_record};

    fn view(services: &[(&str, Option<HealthView>)]) -> PodView {
        PodView::of(services.iter().map(|(name, health)| {
            let view = ServiceView {
                health: *health,
                restarts: 1,
            };
            ((*name).to_owned(), view)
        }))
    }

    #[tokio::test]
    async fn what_is_over_and_gone_is_forgotten() {
        let base = tempfile::tempdir().unwrap();
        let folders = Folders::new(base.path().join("root"), base.path().join("state"));
        folders.ensure().unwrap();
        let id = PodId::try_from("0123456789ab").unwrap();
        let journal = Journal::create(&folders, example_record(&id)).unwrap();
        std::fs::create_dir(folders.pod_state(&id)).unwrap();
        let mut follower = Follower::start(folders, BTreeSet::new()).unwrap();
        let known = follower.known.len();
        assert!(known > 1 && follower.views.len() == 1);
        follower.over.insert(id.to_string());
        follower.learn();
        assert_eq!(follower.known.len(), known, "it has a record still");
        journal.finish().unwrap();
        follower.learn();
        assert_eq!((follower.known.len(), follower.views.len()), (0, 0));
        assert!(follower.over.is_empty());
    }

    #[test]
    fn only_new_health_is_told() {
        use HealthView::{Healthy, Starting, Unhealthy};
        let before = view(&[
            ("a", Some(Starting)),
            ("b", Some(Healthy)),
            ("c", Some(Healthy)),
            ("d", None),
        ]);
        let now = view(&[
            ("a", Some(Healthy)),
            ("b", Some(Healthy)),
            ("c", Some(Starting)),
            ("d", None),
            ("e", Some(Unhealthy)),
        ]);
        let told = [("a".to_owned(), Healthy), ("e".to_owned(), Unhealthy)];
        assert_eq!(changes(&before, &now), told);
        assert_eq!(changes(&now, &now), []);
    }
}
