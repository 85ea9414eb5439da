//! Byte sizes, durations and numbers, as Docker Compose reads and writes them.

use std::time::Duration;

/// Why a text is no size or no duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    #[error("`{0}` is no size; a size is a number and b, k, m, g, t or p, as in 64m")]
    Size(String),
    #[error("`{0}` is no unit of sizes; they are b, k, m, g, t and p, all by 1024")]
    SizeUnit(String),
    #[error("`{0}` is no duration; a duration is numbers with units, as in 1m30s")]
    Duration(String),
    #[error("`{0}` lacks a unit; they are us, ms, s, m, h, d and w")]
    NoUnit(String),
    #[error("`{0}` is no unit of durations; they are us, ms, s, m, h, d and w")]
    DurationUnit(String),
}

/// A size in bytes; beyond what 64 bits hold it is `None`.
pub fn bytes(text: &str) -> Result<Option<i64>, UnitError> {
    let (number, unit) = if let Some(parts) = text.split_once(' ') {
        parts
    } else {
        let end = text
            .rfind(|c: char| c.is_ascii_digit() || c == '.')
            .ok_or_else(|| UnitError::Size(text.to_owned()))?;
        text.split_at(end + 1)
    };
    let number: f64 = float(number).ok_or_else(|| UnitError::Size(text.to_owned()))?;
    if number < 0.0 || number.is_infinite() {
        return Err(UnitError::Size(text.to_owned()));
    }
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        "p" | "pb" | "pib" => 50,
        _ => return Err(UnitError::SizeUnit(unit.to_owned())),
    };
    #[allow(clippy::cast_precision_loss, reason = "a power of two is exact")]
    let size = number * (1_u64 << shift) as f64;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "compared with the bound first; fractions of a byte are dropped"
    )]
    Ok((size < i64::MAX as f64).then_some(size as i64))
}

/// A decimal number: without the words that Rust takes for one too, with `_` between digits.
pub fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    if !text.contains('_') {
        return text.parse().ok();
    }
    let between_digits = |(at, _): (usize, &str)| {
        let digit = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_digit);
        at > 0 && digit(text.as_bytes().get(at - 1)) && digit(text.as_bytes().get(at + 1))
    };
    let sound = text.match_indices('_').all(between_digits);
    sound.then(|| text.replace('_', "").parse().ok()).flatten()
}

const UNITS: [(&str, i64); 9] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("μs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];
const WEEK: i64 = 7 * 86_400_000_000_000;

/// A duration in nanoseconds, which may be negative.
pub fn duration(text: &str) -> Result<i64, UnitError> {
    let whole = || UnitError::Duration(text.to_owned());
    let (negative, mut rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(whole());
    }
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let number_end = rest
            .find(|c: char| !(c.is_ascii_digit() || c == '.'))
            .ok_or_else(|| UnitError::NoUnit(text.to_owned()))?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        if number.is_empty() {
            return Err(whole());
        }
        let scale = UNITS
            .iter()
            .find(|(name, _)| *name == unit)
            .map(|(_, scale)| *scale)
            .or((unit == "w").then_some(WEEK))
            .ok_or_else(|| UnitError::DurationUnit(unit.to_owned()))?;
        let amount = scaled(number, scale).ok_or_else(whole)?;
        total = total.checked_add(amount).ok_or_else(whole)?;
        rest = behind;
    }
    Ok(if negative { -total } else { total })
}

/// A decimal number times a scale, without the error of a float.
fn scaled(number: &str, scale: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole: i64 = if whole.is_empty() {
        0
    } else {
        whole.parse().ok()?
    };
    let mut amount = whole.checked_mul(scale)?;
    let mut unit = i128::from(scale) * 1_000_000_000_000;
    let mut part: i128 = 0;
    for digit in fraction.bytes() {
        unit /= 10;
        part += i128::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * unit;
    }
    amount = amount.checked_add(i64::try_from(part / 1_000_000_000_000).ok()?)?;
    Some(amount)
}

/// A duration as a `Duration`; none for a negative one.
pub fn positive(nanoseconds: i64) -> Option<Duration> {
    u64::try_from(nanoseconds).ok().map(Duration::from_nanos)
}

/// A duration as Docker Compose writes it: `1h0m0s`, `1.5s`, `100ms`.
pub fn write_duration(nanoseconds: i64) -> String {
    let magnitude = nanoseconds.unsigned_abs();
    let sign = if nanoseconds < 0 { "-" } else { "" };
    let text = match magnitude {
        0 => "0s".to_owned(),
        1..1_000 => format!("{magnitude}ns"),
        1_000..1_000_000 => format!("{}µs", fraction(magnitude, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", fraction(magnitude, 1_000_000)),
        _ => {
            let minutes = magnitude / 60_000_000_000;
            let seconds = fraction(magnitude % 60_000_000_000, 1_000_000_000);
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{seconds}s"),
                (0, minutes) => format!("{minutes}m{seconds}s"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}s"),
            }
        }
    };
    format!("{sign}{text}")
}

fn fraction(amount: u64, unit: u64) -> String {
    let rest = amount % unit;
    if rest == 0 {
        return (amount / unit).to_string();
    }
    let width = unit.ilog10() as usize;
    let digits = format!("{rest:0width$}");
    format!("{}.{}", amount / unit, digits.trim_end_matches('0'))
}

/// A number as text, as Docker Compose makes text of it: the shortest that reads back the same, with
/// an exponent from a million on and below a ten-thousandth.
///
/// # Panics
/// Never: the standard library's scientific notation has an exponent.
pub fn write_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific
        .split_once('e')
        .expect("this format has an exponent");
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    if number != 0.0 && !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_by_1024_in_every_spelling() {
        for text in [
            "64m",
            "64M",
            "64mb",
            "64MiB",
            "64 m",
            "67108864",
            "67108864b",
        ] {
            assert_eq!(bytes(text), Ok(Some(64 << 20)), "{text}");
        }
        assert_eq!(bytes("1.5g"), Ok(Some(1_610_612_736)));
        assert_eq!(bytes("1_024"), Ok(Some(1024)));
        assert_eq!(bytes("9999999999g"), Ok(None));
    }

    #[test]
    fn what_is_no_size_is_told() {
        for text in ["", "x", "1,5g", " 64m", "-1", "1e", "1_", "1e400"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert_eq!(bytes("64Mi"), Err(UnitError::SizeUnit("Mi".to_owned())));
    }

    #[test]
    fn floats_are_written_with_an_exponent_from_a_million_on() {
        for (number, written) in [
            (1.5, "1.5"),
            (8.0, "8"),
            (100_000.0, "100000"),
            (1e6, "1e+06"),
            (123_456_789.5, "1.234567895e+08"),
            (0.00001, "1e-05"),
            (0.0, "0"),
            (f64::INFINITY, "+Inf"),
        ] {
            assert_eq!(write_float(number), written);
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, written) in [
            ("10s", "10s"),
            ("1h", "1h0m0s"),
            ("1m30s", "1m30s"),
            ("1.5s", "1.5s"),
            ("100ms", "100ms"),
            ("1d", "24h0m0s"),
            ("1w", "168h0m0s"),
            ("-1s", "-1s"),
            ("0", "0s"),
            ("1.5us", "1.5µs"),
            (".5s", "500ms"),
        ] {
            assert_eq!(write_duration(duration(text).unwrap()), written, "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_told() {
        assert_eq!(duration("10"), Err(UnitError::NoUnit("10".to_owned())));
        assert_eq!(duration("1y"), Err(UnitError::DurationUnit("y".to_owned())));
        for text in ["", "1m 30s", "s", "-", ".s", "99999999999h", "1..5s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_written_duration_reads_back(nanoseconds in -(1_i64 << 60)..1 << 60) {
            proptest::prop_assert_eq!(duration(&write_duration(nanoseconds)), Ok(nanoseconds));
        }

        #[test]
        fn no_text_makes_it_panic(text in "[0-9.smhdkgµ +-]{0,20}") {
            let _ = (bytes(&text), duration(&text));
        }
    }
}
