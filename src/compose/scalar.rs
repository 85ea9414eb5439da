//! What a scalar of a file is: a boolean, a number, a date, or a string.
//!
//! YAML 1.2's core schema, with what Docker Compose's reader keeps of YAML 1.1: octal numbers with
//! a leading zero, underscores in numbers, unquoted dates. `yes`, `no`, `on` and `off` are strings,
//! and so are `22:22` and `1:30`.

use super::node::Value;

/// The value of a plain (unquoted) scalar.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Value::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    match text.as_bytes()[0] {
        b'+' | b'-' | b'.' | b'0'..=b'9' => {}
        _ => return Value::String(text.to_owned()),
    }
    if is_date(text) {
        return Value::Date(text.to_owned());
    }
    number(text).unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value of a scalar with one of YAML's own tags (`!!int`); none if the text is no such value.
pub(super) fn tagged(kind: &str, text: &str) -> Option<Value> {
    match kind {
        "binary" => Some(Value::String(binary(text)?)),
        "null" => Some(Value::Null).filter(|_| matches!(plain(text), Value::Null)),
        "bool" => Some(plain(text)).filter(|value| matches!(value, Value::Bool(_))),
        "int" => {
            Some(plain(text)).filter(|value| matches!(value, Value::Int(_) | Value::Unsigned(_)))
        }
        "float" => match plain(text) {
            #[allow(
                clippy::cast_precision_loss,
                reason = "the tag asks for a float, whatever it loses"
            )]
            Value::Int(number) => Some(Value::Float(number as f64)),
            value @ Value::Float(_) => Some(value),
            _ => None,
        },
        "timestamp" => Some(Value::Date(text.to_owned())).filter(|_| is_date(text)),
        // `!!str`, and what is no scalar's tag.
        _ => Some(Value::String(text.to_owned())),
    }
}

fn number(text: &str) -> Option<Value> {
    // What begins with a point is a number as it is written, or none.
    if text.starts_with('.') && text.contains('_') {
        return None;
    }
    let plain = text.replace('_', "");
    if let Some(value) = integer(&plain) {
        return Some(value);
    }
    if !is_decimal(&plain) {
        return None;
    }
    let float: f64 = plain.parse().ok()?;
    // A number that no float holds stays the text it was.
    float.is_finite().then_some(Value::Float(float))
}

fn integer(text: &str) -> Option<Value> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let prefixed = digits.get(..2).map(str::to_ascii_lowercase);
    let (radix, digits) = match prefixed.as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    if negative {
        return 0_i64.checked_sub_unsigned(magnitude).map(Value::Int);
    }
    Some(i64::try_from(magnitude).map_or(Value::Unsigned(magnitude), Value::Int))
}

/// `[-+]? ( . digits | digits [. digits*] ) [ e [-+]? digits ]`.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_holds = exponent.is_none_or(|exponent| {
        let unsigned = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !unsigned.is_empty() && digits(unsigned)
    });
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent_holds
}

/// `2001-02-03`, with or without a time, as YAML 1.1 has it.
fn is_date(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(split) => (&text[..split], Some(&text[split + 1..])),
        None => (text, None),
    };
    let mut parts = date.split('-');
    let mut number = |digits: std::ops::RangeInclusive<usize>| {
        parts
            .next()
            .filter(|part| digits.contains(&part.len()))
            .filter(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|part| part.parse::<u32>().ok())
    };
    let (Some(year), Some(month), Some(day)) = (number(4..=4), number(1..=2), number(1..=2)) else {
        return false;
    };
    let days = match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    };
    parts.next().is_none()
        && (1..=12).contains(&month)
        && (1..=days).contains(&day)
        && time.is_none_or(|time| is_time(time, text.contains(' ')))
}

/// `15:04:05.999Z`; without a zone behind a blank.
fn is_time(text: &str, behind_blank: bool) -> bool {
    let (clock, zone) = match text.find(['Z', '+', '-']) {
        Some(split) => text.split_at(split),
        None => (text, ""),
    };
    if behind_blank != zone.is_empty() {
        return false;
    }
    let two = |text: &str, limit: u32| {
        (1..=2).contains(&text.len()) && text.parse::<u32>().is_ok_and(|number| number < limit)
    };
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let parts: Vec<&str> = clock.split(':').collect();
    let clock_holds = matches!(parts[..], [h, m, s] if two(h, 24) && two(m, 60) && two(s, 60));
    let zone_holds = match zone.strip_prefix(['+', '-']) {
        Some(offset) => offset
            .split_once(':')
            .is_some_and(|(hours, minutes)| two(hours, 24) && two(minutes, 60)),
        None => zone.is_empty() || zone == "Z",
    };
    clock_holds && zone_holds && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

/// The bytes that base64 stands for, if they are text.
fn binary(text: &str) -> Option<String> {
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for byte in text.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).expect("masked to a byte"));
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_yaml_1_1_are_strings() {
        for text in [
            "yes", "no", "on", "off", "y", "N", "22:22", "1:30", "=", "1.2.3", "1e400",
        ] {
            assert_eq!(plain(text), Value::String(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn integers_have_five_notations() {
        for (text, value) in [
            ("12", 12),
            ("+1", 1),
            ("-0", 0),
            ("0123", 83),
            ("0o17", 15),
            ("0x1F", 31),
            ("0b11", 3),
            ("1_000", 1000),
            ("-0x10", -16),
        ] {
            assert_eq!(plain(text), Value::Int(value), "{text}");
        }
        let large = 12_345_678_901_234_567_890;
        assert_eq!(plain("12345678901234567890"), Value::Unsigned(large));
    }

    #[test]
    fn what_is_no_octal_number_is_a_decimal_one() {
        assert_eq!(plain("08"), Value::Float(8.0));
        assert_eq!(plain("1e3"), Value::Float(1000.0));
        assert_eq!(plain(".5"), Value::Float(0.5));
        assert_eq!(plain("."), Value::String(".".to_owned()));
        assert_eq!(plain("-"), Value::String("-".to_owned()));
        assert_eq!(plain("0x"), Value::String("0x".to_owned()));
    }

    #[test]
    fn dates_are_told_from_versions_and_addresses() {
        for text in [
            "2020-01-01",
            "2020-1-1",
            "2020-01-01T00:00:00Z",
            "2020-01-01 10:20:30.5",
        ] {
            assert_eq!(plain(text), Value::Date(text.to_owned()), "{text}");
        }
        for text in [
            "2020-13-01",
            "2021-02-29",
            "2020-01",
            "10.0.0.1",
            "2020-01-01-alpine",
        ] {
            assert_eq!(plain(text), Value::String(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn tags_of_yaml_are_honoured() {
        assert_eq!(tagged("str", "123"), Some(Value::String("123".to_owned())));
        assert_eq!(tagged("int", "5"), Some(Value::Int(5)));
        assert_eq!(tagged("int", "x"), None);
        assert_eq!(
            tagged("binary", "aGk="),
            Some(Value::String("hi".to_owned()))
        );
    }
}
