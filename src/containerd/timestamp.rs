//! Times as containerd sends them.

use std::time::SystemTime;

use prost_types::Timestamp;

/// The time, if there is one: Go's zero time (the year 1) stands for "not yet".
pub(super) fn time(timestamp: Option<Timestamp>) -> Option<SystemTime> {
    timestamp
        .filter(|timestamp| timestamp.seconds > 0)
        .and_then(|timestamp| SystemTime::try_from(timestamp).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

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
