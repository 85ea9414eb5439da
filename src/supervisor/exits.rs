//! What containerd tells of a pod's containers: one stream of events for each pod.
//!
//! Events are hints. Whenever the stream is new, the pod is told to look for itself, so that an exit
//! is never missed and a broken stream is never taken for one. An event that does not come is missed
//! by the kernel's word: see [`super::untold`].
//!
//! containerd is asked for the pod's own events alone: where many pods come and go, or probe their
//! health, nobody is woken by another's.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use super::life::unpanicked;
use super::untold::{self, Watched};
use crate::containerd::{Client, Event, EventStream, RpcError, TaskExit, Topic};
use crate::pod::names::PodId;

/// A shim tells of the end of a task once more when it is deleted: what containerd does itself, when
/// it comes back and finds that a task has ended.
const TOPICS: [Topic; 3] = [Topic::TaskCreate, Topic::TaskExit, Topic::TaskDelete];
/// More exits at once than this, and the pod is told to look for itself.
const QUEUE: usize = 1024;
/// Between two tries to subscribe again.
const RETRY: Duration = Duration::from_millis(250);

/// What a pod is told.
#[derive(Clone, Debug)]
pub(super) enum ExitNews {
    /// A container's first process has ended.
    Exited(TaskExit),
    /// A container's first process has ended, and containerd does not know its task any more, nor
    /// has its shim told how.
    Forgotten { container: String, pid: u32 },
    /// A container's first process has ended, and its shim does not answer how.
    Withheld { container: String, pid: u32 },
    /// Something may have been missed: look at each container.
    LookAgain,
    /// containerd has not answered for as long as it may.
    Lost,
}

/// A task has been made, and waits to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Created {
    pub(super) container: String,
    pub(super) pid: u32,
}

/// One pod's ear. Its events are followed for as long as it lives.
#[derive(Debug)]
pub(super) struct Exits {
    client: Client,
    lost_after: Duration,
    news: broadcast::Receiver<ExitNews>,
    /// For the launch; none when that has taken it.
    created: Option<mpsc::UnboundedReceiver<Created>>,
    subscribed: Option<oneshot::Receiver<Result<(), RpcError>>>,
    follower: JoinHandle<()>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
    /// Waits for the kernel's word on each process; what has been heard of is let go.
    kernel: JoinSet<ExitNews>,
    watches: HashMap<String, AbortHandle>,
}

impl Exits {
    /// Begins to follow a pod's events: see [`Exits::subscribed`].
    pub(super) fn follow(client: Client, lost_after: Duration, pod: &PodId) -> Self {
        let (news, heard) = broadcast::channel(QUEUE);
        let (tell_created, created) = mpsc::unbounded_channel();
        let (tell_subscribed, subscribed) = oneshot::channel();
        let follower = Follower {
            client: client.clone(),
            // Each id of a pod's containers has the pod's.
            containers: pod.to_string(),
            lost_after,
            news,
            created: tell_created,
        };
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let follower = tokio::spawn(async move {
            tokio::select! {
                () = follower.follow(tell_subscribed) => {}
                () = stopped.cancelled() => {}
            }
        });
        Self {
            client,
            lost_after,
            news: heard,
            created: Some(created),
            subscribed: Some(subscribed),
            follower,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
            kernel: JoinSet::new(),
            watches: HashMap::new(),
        }
    }

    /// Waits until whatever happens is told, or could not be for the first time.
    pub(super) async fn subscribed(&mut self) -> Result<(), RpcError> {
        match self.subscribed.take() {
            // The follower tells before it does anything else; or it has panicked, and is missed.
            Some(first) => first.await.unwrap_or(Ok(())),
            None => Ok(()),
        }
    }

    /// Tells when tasks have been made; once.
    pub(super) fn created(&mut self) -> mpsc::UnboundedReceiver<Created> {
        let none = || mpsc::unbounded_channel().1;
        self.created.take().unwrap_or_else(none)
    }

    /// The next news, however long it takes. May be dropped while it waits and called again.
    pub(super) async fn next(&mut self) -> ExitNews {
        loop {
            tokio::select! {
                news = self.news.recv() => return match news {
                    Ok(news) => news,
                    Err(broadcast::error::RecvError::Lagged(_)) => ExitNews::LookAgain,
                    // The follower is gone, and with it whoever could tell.
                    Err(broadcast::error::RecvError::Closed) => ExitNews::Lost,
                },
                Some(news) = self.kernel.join_next() => match news {
                    Err(error) if error.is_cancelled() => {}
                    news => return unpanicked(news),
                },
            }
        }
    }

    /// Has the kernel tell of the end of this process, too.
    pub(super) fn watch(&mut self, watched: Watched) {
        let container = watched.container.clone();
        self.heard(&container);
        let follow = untold::follow(self.client.clone(), self.lost_after, watched);
        self.watches.insert(container, self.kernel.spawn(follow));
    }

    /// The end of this container is known.
    pub(super) fn heard(&mut self, container: &str) {
        if let Some(watch) = self.watches.remove(container) {
            watch.abort();
        }
    }

    /// Ends the stream.
    pub(super) async fn close(self) {
        self.stop.cancel();
        if let Err(error) = self.follower.await {
            warn!(%error, "the follower of containerd's events did not end well");
        }
    }
}

/// Who hears containerd.
struct Follower {
    client: Client,
    /// Which containers are heard of, as a regular expression.
    containers: String,
    lost_after: Duration,
    news: broadcast::Sender<ExitNews>,
    created: mpsc::UnboundedSender<Created>,
}

impl Follower {
    /// A pod that does not listen any more is no error: sends may fail.
    async fn follow(self, first: oneshot::Sender<Result<(), RpcError>>) {
        let (answer, mut stream) = match self.subscribe().await {
            Ok(events) => (Ok(()), Some(events)),
            Err(error) => (Err(error), None),
        };
        let mut lost_since = answer.is_err().then(Instant::now);
        let _ = first.send(answer);
        loop {
            if let Some(events) = &mut stream {
                match events.next().await {
                    Ok(event) => self.tell(event),
                    Err(error) => {
                        warn!(%error, "containerd's events have stopped; asking again");
                        stream = None;
                        lost_since = Some(Instant::now());
                    }
                }
                continue;
            }
            match self.subscribe().await {
                Ok(events) => {
                    stream = Some(events);
                    lost_since = None;
                    let _ = self.news.send(ExitNews::LookAgain);
                }
                Err(error) => {
                    debug!(%error, "containerd does not answer yet");
                    if lost_since.is_some_and(|since| since.elapsed() > self.lost_after) {
                        lost_since = None;
                        let _ = self.news.send(ExitNews::Lost);
                    }
                    sleep(RETRY).await;
                }
            }
        }
    }

    async fn subscribe(&self) -> Result<EventStream, RpcError> {
        let events = self.client.events();
        events.subscribe(&TOPICS, Some(&self.containers)).await
    }

    fn tell(&self, event: Event) {
        match event {
            Event::TaskExit(exit) | Event::TaskDelete(exit) if exit.exec.is_none() => {
                let _ = self.news.send(ExitNews::Exited(exit));
            }
            Event::TaskCreate { container, pid } => {
                let _ = self.created.send(Created { container, pid });
            }
            _ => {}
        }
    }
}
