//! The lines of a `.times` file.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// One of a container's two streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    Stdout,
    Stderr,
}

/// From `offset` on, what follows was read from `side` at that time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) offset: u64,
    pub(super) at: SystemTime,
    pub(super) side: Side,
}

impl Stamp {
    /// The longest that one can be: two numbers of 20 digits.
    pub(super) const MAX: usize = 44;

    pub(super) fn line(&self) -> String {
        let side = match self.side {
            Side::Stdout => 'o',
            Side::Stderr => 'e',
        };
        format!("{} {} {side}\n", self.offset, self.milliseconds())
    }

    /// None for what is no stamp, as a line that was torn.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (offset, milliseconds) = (number()?, number()?);
        let side = match words.next()? {
            "o" => Side::Stdout,
            "e" => Side::Stderr,
            _ => return None,
        };
        let at = UNIX_EPOCH.checked_add(Duration::from_millis(milliseconds))?;
        words.next().is_none().then_some(Self { offset, at, side })
    }

    pub(super) fn milliseconds(&self) -> u128 {
        self.at
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp {
            offset: 4096,
            at: UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
            side: Side::Stderr,
        };
        assert_eq!(stamp.line(), "4096 1700000000123 e\n");
        assert_eq!(Stamp::parse(stamp.line().trim_end()), Some(stamp));
    }

    #[test]
    fn what_is_no_stamp_is_passed_over() {
        for line in ["", "40", "4096 17", "1 2 x", "1 2 o more", "-1 2 o"] {
            assert_eq!(Stamp::parse(line), None, "{line}");
        }
        assert!(Stamp::MAX > format!("{} {} o\n", u64::MAX, u64::MAX).len() - 1);
    }
}
