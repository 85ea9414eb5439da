//! How far a start is, told now and then: each word costs the agent a write to its disk and the
//! framework an update.

use std::time::Duration;

use tokio::time::Instant;

/// A start that is quicker than this needs no words between its first and its last.
const FIRST: Duration = Duration::from_secs(3);
/// From one word to the next, twice as long each time.
const LONGEST: Duration = Duration::from_mins(1);
/// So many of one pod at most.
const MOST: u32 = 30;

/// What has been told of a start.
#[derive(Clone, Debug)]
pub(super) struct Progress {
    next: Instant,
    gap: Duration,
    left: u32,
    last: String,
}

impl Progress {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            next: now + FIRST,
            gap: FIRST,
            left: MOST,
            last: String::new(),
        }
    }

    /// Whether to tell this now. It then counts as told.
    pub(super) fn take(&mut self, text: &str, now: Instant) -> bool {
        if self.left == 0 || now < self.next || text == self.last {
            return false;
        }
        self.left -= 1;
        self.gap = (self.gap * 2).min(LONGEST);
        self.next = now + self.gap;
        text.clone_into(&mut self.last);
        true
    }

    /// When something may be told again; none when nothing is any more.
    pub(super) fn next(&self) -> Option<Instant> {
        (self.left > 0).then_some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quick_start_is_not_commented() {
        let now = Instant::now();
        let mut progress = Progress::new(now);
        assert!(!progress.take("starting", now + FIRST / 2));
        assert!(progress.take("starting", now + FIRST));
        assert!(!progress.take("starting", now + FIRST * 100), "nothing new");
    }

    #[test]
    fn a_start_that_takes_for_ever_is_commented_ever_more_seldom_and_not_for_ever() {
        let mut now = Instant::now();
        let mut progress = Progress::new(now);
        let mut told = 0;
        for n in 0..1_000_000_u32 {
            told += u32::from(progress.take(&n.to_string(), now));
            now += Duration::from_millis(100);
        }
        assert_eq!(told, MOST);
        assert_eq!(progress.next(), None);
    }
}
