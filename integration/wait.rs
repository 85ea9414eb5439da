//! Waiting for what comes when it comes: no test sleeps for a guessed time.

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must come. Generous, since machines may be emulated ones: it is
/// only ever used up by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

/// Between two looks at something that sends no event.
pub(crate) const INTERVAL: Duration = Duration::from_millis(20);

/// Looks until there is something to see.
///
/// # Panics
/// After `limit`; `what` tells what was waited for.
pub(crate) fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    within(limit, &mut look).unwrap_or_else(|| panic!("waited {limit:?} for {what}"))
}

/// Looks until there is something to see, or `limit` is over.
pub(crate) fn within<T>(limit: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + limit;
    loop {
        if let Some(seen) = look() {
            return Some(seen);
        }
        if Instant::now() >= end {
            return None;
        }
        thread::sleep(INTERVAL);
    }
}
