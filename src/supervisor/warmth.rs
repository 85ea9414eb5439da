//! Moves of processes into cgroups, kept quick while containers are made.
//!
//! The first move after a pause waits for the kernel's readers, some 9 ms on an idle machine, and the
//! pause need not be long: containers of one pod are further apart. What keeps the kernel from
//! forgetting is a move of our own, to where we are, every few milliseconds. It waits instead of the
//! runtime, beside the calls to containerd. One executor does it for all of a host: moves exclude
//! each other, and fifty pods that come at once would only wait for each other's.

use std::convert::Infallible;
use std::fs::File;
use std::future::{Future, pending};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::debug;

use super::host::Host;
use super::teardown::blocking;

/// Well below the time after which the kernel forgets: a grace period of its readers.
const AGAIN: Duration = Duration::from_millis(4);
/// How often one looks whether another still does it.
const TURN: Duration = Duration::from_millis(20);

/// Waits for `making`, with cgroups that are quick to move into.
pub(super) async fn beside<T>(host: &Arc<Host>, making: impl Future<Output = T>) -> T {
    tokio::select! {
        made = making => made,
        never = keep(host) => match never {},
    }
}

async fn keep(host: &Arc<Host>) -> Infallible {
    let Ok(turn) = File::open(host.folders.state()) else {
        return pending().await;
    };
    // A lock on the folder, which the kernel lets go with us.
    while turn.try_lock().is_err() {
        sleep(TURN).await;
    }
    loop {
        let host = Arc::clone(host);
        match blocking(move || host.cgroups.warm_up()).await {
            Ok(true) => sleep(AGAIN).await,
            Ok(false) => return pending().await,
            Err(error) => {
                debug!(%error, "cgroups can't be warmed up");
                return pending().await;
            }
        }
    }
}
