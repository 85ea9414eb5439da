//! Durations as Mesos writes them in variables and flags: `250ms`, `5secs`, `1.5mins`.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("its number can't be read")]
    Number,
    #[error("its unit is none of ns, us, ms, secs, mins, hrs, days, weeks")]
    Unit,
    #[error("it is negative")]
    Negative,
    #[error("it is too long")]
    TooLong,
}

/// A decimal number, whole or fractional, and its unit without a blank between.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1.0, digits),
        None => (1.0, text),
    };
    let unit = digits
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .ok_or(DurationError::Unit)?;
    let (number, unit) = digits.split_at(unit);
    let number: f64 = number.parse().map_err(|_| DurationError::Number)?;
    let unit = match unit {
        "ns" => 1e-9,
        "us" => 1e-6,
        "ms" => 1e-3,
        "secs" => 1.0,
        "mins" => 60.0,
        "hrs" => 3600.0,
        "days" => 86_400.0,
        "weeks" => 604_800.0,
        _ => return Err(DurationError::Unit),
    };
    let seconds = sign * number * unit;
    if seconds < 0.0 {
        return Err(DurationError::Negative);
    }
    Duration::try_from_secs_f64(seconds.abs()).map_err(|_| DurationError::TooLong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_unit_is_understood() {
        for (text, expected) in [
            ("7ns", Duration::from_nanos(7)),
            ("7us", Duration::from_micros(7)),
            ("250ms", Duration::from_millis(250)),
            ("5secs", Duration::from_secs(5)),
            ("15mins", Duration::from_mins(15)),
            ("2hrs", Duration::from_hours(2)),
            ("1days", Duration::from_hours(24)),
            ("1weeks", Duration::from_hours(168)),
            ("1.5mins", Duration::from_secs(90)),
            ("0.25secs", Duration::from_millis(250)),
            ("0ns", Duration::ZERO),
            ("-0secs", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_text_that_is_no_duration_is_told_why() {
        for (text, expected) in [
            ("", DurationError::Unit),
            ("5", DurationError::Unit),
            ("5s", DurationError::Unit),
            ("5 secs", DurationError::Unit),
            ("5secs ", DurationError::Unit),
            ("secs", DurationError::Number),
            (".secs", DurationError::Number),
            ("1.2.3secs", DurationError::Number),
            ("--1secs", DurationError::Number),
            ("-1secs", DurationError::Negative),
            ("99999999999999999999weeks", DurationError::TooLong),
        ] {
            assert_eq!(parse(text), Err(expected), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn whole_seconds_are_exact(seconds in 0u32..) {
            let parsed = parse(&format!("{seconds}secs"));
            prop_assert_eq!(parsed, Ok(Duration::from_secs(seconds.into())));
        }
    }
}
