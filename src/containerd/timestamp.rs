//! Times as containerd sends them.

use std::time::SystemTime;

use prost_types::Timestamp;

/// The time, if there is one: Go's zero time (the year 1) stands for "not yet".
pub(super) fn time(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    timestamp
        .filter(|timestamp| timestamp.seconds > 0)
        .and_then(|timestamp| SystemTime::try_from(timestamp).ok())
}

/// A time as RFC 3339 has it, in UTC.
pub fn rfc3339(time: SystemTime) -> String {
    Timestamp::from(time).to_string()
}

/// The time that an RFC 3339 text tells; none if it is no such text.
pub fn parse_rfc3339(text: &str) -> Option<SystemTime> {
    let timestamp: Timestamp = text.parse().ok()?;
    SystemTime::try_from(timestamp).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_time_is_read_as_it_was_written() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(rfc3339(time), "2023-11-14T22:13:20.123Z");
        assert_eq!(parse_rfc3339("2023-11-14T22:13:20.123Z"), Some(time));
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.123+01:00"), Some(time));
        assert_eq!(parse_rfc3339("yesterday"), None);
    }

    #[test]
    fn the_zero_time_of_go_is_no_time() {
        let zero = Timestamp {
            seconds: -62_135_596_800,
            nanos: 0,
        };
        assert_eq!(time(Some(zero)), None);
        assert_eq!(time(None), None);
        let some = Timestamp {
            seconds: 5,
            nanos: 7,
        };
        assert_eq!(
            time(Some(some)),
            Some(SystemTime::UNIX_EPOCH + Duration::new(5, 7))
        );
    }
}
