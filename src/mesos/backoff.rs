//! Waits between attempts, spread so that an agent's executors don't come all at once.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Waits that double, up to the longest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Backoff {
    next: Duration,
    longest: Duration,
}

impl Backoff {
    pub(super) const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            next: first,
            longest,
        }
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.longest);
        spread(wait)
    }
}

/// Somewhere between half of the wait and one and a half.
pub(super) fn spread(wait: Duration) -> Duration {
    // Nothing secret comes of it: the seed that the standard library gives its hash maps will do.
    let random = u32::try_from(RandomState::new().hash_one(()) >> 32).unwrap_or_default();
    wait / 2 + wait.mul_f64(f64::from(random) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_spread_around_its_length() {
        let wait = Duration::from_millis(200);
        let waits: Vec<Duration> = (0..100).map(|_| spread(wait)).collect();
        let (low, high) = (Duration::from_millis(100), Duration::from_millis(300));
        assert!(waits.iter().all(|wait| (low..=high).contains(wait)));
        assert!(waits.iter().any(|other| *other != waits[0]));
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let second = Duration::from_secs(1);
        let mut backoff = Backoff::new(second, 4 * second);
        for expected in [1, 2, 4, 4] {
            let wait = backoff.next();
            assert!(wait >= second * expected / 2 && wait <= second * expected * 3 / 2);
        }
    }
}
