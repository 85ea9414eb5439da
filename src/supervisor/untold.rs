//! Ends of processes that containerd has not told of: the kernel tells that a container's process
//! has ended, and containerd is asked how.
//!
//! An event can be lost: with its connection, with a restart of containerd, with a shim that hangs.
//! From 1.7 on containerd forgets, when it comes back, the tasks that ended meanwhile; then only
//! their shim still tells.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::{debug, warn};

use super::exits::ExitNews;
use super::silence;
use crate::containerd::{Client, Code, Process, TaskExit};
use crate::sys::process::PidFd;

/// How long the event of an end may take.
const EVENT: Duration = Duration::from_secs(1);
/// Between two questions while containerd is away.
const AWAY: Duration = Duration::from_secs(1);
/// How long a shim may take to tell of an end that containerd has forgotten: shims try five times,
/// and wait for five seconds at most before they try again.
const LATE: Duration = Duration::from_secs(7);

/// A container's first process, whose end is waited for.
#[derive(Debug)]
pub(super) struct Watched {
    pub(super) container: String,
    pub(super) pid: u32,
    /// None for one that has ended already.
    pub(super) process: Option<PidFd>,
}

/// Waits for the end of a process, lets its event come first, and tells what containerd says of it.
pub(super) async fn follow(client: Client, lost_after: Duration, watched: Watched) -> ExitNews {
    let Watched {
        container,
        pid,
        process,
    } = watched;
    if let Some(process) = process
        && let Err(error) = process.ended().await
    {
        warn!(container, %error, "the end of a container can't be waited for; its event has to tell");
        return std::future::pending().await;
    }
    sleep(EVENT).await;
    debug!(container, "a container has ended, and no event tells of it");
    let asked = Instant::now();
    loop {
        let wait = client
            .tasks()
            .wait(Process::init(&container), client.deadlines().task);
        match wait.await {
            Ok(exit) => {
                return ExitNews::Exited(TaskExit {
                    container,
                    exec: None,
                    pid,
                    exit,
                });
            }
            Err(error) if error.is_not_found() => {
                sleep(LATE).await;
                return ExitNews::Forgotten { container, pid };
            }
            Err(error)
                if error.code == Code::DeadlineExceeded
                    && silence::answers(&client, &container).await =>
            {
                return ExitNews::Withheld { container, pid };
            }
            Err(error) => debug!(container, %error, "containerd can't tell yet how it ended"),
        }
        if asked.elapsed() > lost_after {
            return ExitNews::Lost;
        }
        sleep(AWAY).await;
    }
}
