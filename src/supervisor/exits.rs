//! The ends of containers, as containerd tells of them: one stream of events for all pods.
//!
//! Events are hints. Whenever the stream is new, every listener is told to look for itself, so that
//! an exit is never missed and a broken stream is never taken for one. An event that does not come
//! is missed by the kernel's word: see [`super::untold`].

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::{AbortHandle, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, warn};

use super::life::unpanicked;
use super::untold::{self, Watched};
use crate::containerd::{Client, Event, RpcError, TaskExit, Topic};

/// A shim tells of the end of a task once more when it is deleted: what containerd does itself, when
/// it comes back and finds that a task has ended.
const TOPICS: [Topic; 2] = [Topic::TaskExit, Topic::TaskDelete];
/// More exits at once than this, and a listener is told to look for itself.
const QUEUE: usize = 1024;
/// Between two tries to subscribe again.
const RETRY: Duration = Duration::from_millis(250);

/// What a listener is told.
#[derive(Clone, Debug)]
pub(super) enum ExitNews {
    /// A container's first process has ended; of any pod.
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

/// Follows containerd's events for as long as it lives.
#[derive(Debug)]
pub(super) struct ExitWatcher {
    client: Client,
    lost_after: Duration,
    news: broadcast::Sender<ExitNews>,
    follower: JoinHandle<()>,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
}

/// One pod's ear.
#[derive(Debug)]
pub(super) struct Exits {
    client: Client,
    lost_after: Duration,
    news: broadcast::Receiver<ExitNews>,
    /// Waits for the kernel's word on each process; what has been heard of is let go.
    kernel: JoinSet<ExitNews>,
    watches: HashMap<String, AbortHandle>,
}

impl ExitWatcher {
    /// Subscribes. What happens after this has returned is told.
    pub(super) async fn start(client: Client, lost_after: Duration) -> Result<Self, RpcError> {
        let stream = client.events().subscribe(&TOPICS).await?;
        let (news, _) = broadcast::channel(QUEUE);
        let stop = CancellationToken::new();
        let follow = follow(client.clone(), stream, news.clone(), lost_after);
        let stopped = stop.clone();
        let follower = tokio::spawn(async move {
            tokio::select! {
                () = follow => {}
                () = stopped.cancelled() => {}
            }
        });
        Ok(Self {
            client,
            lost_after,
            news,
            follower,
            _stop_on_drop: stop.clone().drop_guard(),
            stop,
        })
    }

    pub(super) fn listen(&self) -> Exits {
        Exits {
            client: self.client.clone(),
            lost_after: self.lost_after,
            news: self.news.subscribe(),
            kernel: JoinSet::new(),
            watches: HashMap::new(),
        }
    }

    /// Ends the stream.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.follower.await {
            warn!(%error, "the follower of containerd's events did not end well");
        }
    }
}

impl Exits {
    /// The next news, however long it takes. May be dropped while it waits and called again.
    pub(super) async fn next(&mut self) -> ExitNews {
        loop {
            tokio::select! {
                news = self.news.recv() => return match news {
                    Ok(news) => news,
                    Err(broadcast::error::RecvError::Lagged(_)) => ExitNews::LookAgain,
                    // The watcher is gone, and with it whoever could tell.
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
}

/// A pod that nobody listens for is no error: sends may fail.
async fn follow(
    client: Client,
    stream: crate::containerd::EventStream,
    news: broadcast::Sender<ExitNews>,
    lost_after: Duration,
) {
    let mut stream = Some(stream);
    let mut lost_since: Option<Instant> = None;
    loop {
        if let Some(events) = &mut stream {
            match events.next().await {
                Ok(Event::TaskExit(exit) | Event::TaskDelete(exit)) if exit.exec.is_none() => {
                    let _ = news.send(ExitNews::Exited(exit));
                }
                Ok(_) => {}
                Err(error) => {
                    warn!(%error, "containerd's events have stopped; asking again");
                    stream = None;
                    lost_since = Some(Instant::now());
                }
            }
            continue;
        }
        match client.events().subscribe(&TOPICS).await {
            Ok(events) => {
                stream = Some(events);
                lost_since = None;
                let _ = news.send(ExitNews::LookAgain);
            }
            Err(error) => {
                debug!(%error, "containerd does not answer yet");
                if lost_since.is_some_and(|since| since.elapsed() > lost_after) {
                    lost_since = None;
                    let _ = news.send(ExitNews::Lost);
                }
                sleep(RETRY).await;
            }
        }
    }
}
