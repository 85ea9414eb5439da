//! A container started again: a new task of the same container, on the same root, as Docker does.

use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::silence;
use crate::containerd::{Client, Code, NewTask, Process, RpcError, TaskStatus};
use crate::pod::plan::Signal;
use crate::sys::{PathError, fifo};

/// How long what is left of a task may take to end.
const GONE: Duration = Duration::from_secs(10);
/// Between two tries while containerd is away, and how many: pods are given up sooner.
const AWAY: Duration = Duration::from_secs(1);
const TRIES: u32 = 180;

/// Starts the process of a task, which has this pid. Where the answer is lost with the connection, the task itself
/// tells whether it was started. A shim or runtime that hangs while containerd answers is not waited
/// for any longer.
pub(super) async fn start(client: &Client, container: &str, pid: u32) -> Result<(), RpcError> {
    let process = Process::init(container);
    let tasks = client.tasks();
    let mut tries = TRIES;
    loop {
        let error = match tasks.start(process).await {
            Ok(_) => return Ok(()),
            Err(error) if was_away(&error) && tries > 0 => error,
            Err(error) => return Err(error),
        };
        tries -= 1;
        sleep(AWAY).await;
        match tasks.get(process).await {
            // Unknown: the shim does not tell containerd.
            Ok(None) => return Err(error),
            // It was started, has ended, and was made again meanwhile.
            Ok(Some(task)) if task.status == TaskStatus::Created && task.pid != pid => {
                return Ok(());
            }
            Ok(Some(task)) => match task.status {
                TaskStatus::Created if error.code != Code::DeadlineExceeded => {}
                TaskStatus::Created | TaskStatus::Unknown => return Err(error),
                _ => return Ok(()),
            },
            Err(_) => {}
        }
    }
}

/// Why a task was not made again.
#[derive(Debug)]
pub(super) enum NotMade {
    /// containerd was away: it may be tried again.
    Away(RpcError),
    /// It can't be made, or its shim or runtime hangs.
    Failed(RpcError),
}

/// Puts a new task in the place of the one that has ended, and gives the pid of its first process,
/// which waits to be started. May be repeated after an error.
///
/// As at a start, who hangs while containerd answers is not waited for any longer.
pub(super) async fn make_again(client: &Client, task: NewTask) -> Result<u32, NotMade> {
    let container = task.container.clone();
    let error = match try_again(client, task).await {
        Ok(pid) => return Ok(pid),
        Err(error) => error,
    };
    let hangs = error.code == Code::DeadlineExceeded && silence::answers(client, &container).await;
    Err(if was_away(&error) && !hangs {
        NotMade::Away(error)
    } else {
        NotMade::Failed(error)
    })
}

async fn try_again(client: &Client, task: NewTask) -> Result<u32, RpcError> {
    let tasks = client.tasks();
    let process = Process::init(&task.container);
    if tasks.delete(process).await.is_err() {
        // Made by a try before this one whose answer was lost, it waits to be started.
        discard(client, &task.container).await?;
        tasks.delete(process).await?;
    }
    tasks.create(task.clone()).await
}

/// Ends the process of a task that waits to be started, and is not to be any more.
pub(super) async fn discard(client: &Client, container: &str) -> Result<(), RpcError> {
    let process = Process::init(container);
    let tasks = client.tasks();
    tasks.kill(process, Signal::KILL.0.unsigned_abs()).await?;
    tasks.wait(process, GONE).await.map(drop).or_else(gone)
}

fn gone(error: RpcError) -> Result<(), RpcError> {
    if error.is_not_found() {
        Ok(())
    } else {
        Err(error)
    }
}

/// Whether containerd was away, so that nothing is known of what it would have done.
fn was_away(error: &RpcError) -> bool {
    matches!(
        error.code,
        Code::Disconnected | Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled
    )
}

/// A new FIFO in the place of another: whoever still reads the old one reads nothing of this one.
pub(super) fn renew(path: &Path) -> Result<(), PathError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(PathError {
            attempt: "remove the FIFO",
            path: path.to_owned(),
            source,
        }),
        _ => fifo::create(path),
    }
}
