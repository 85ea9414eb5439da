//! Amounts: thousandths of a CPU, and the three that a task asks for together.

use std::fmt;
use std::str::FromStr;

use crate::compose::model::{ByteSize, Cpus};
use crate::compose::units;

/// Thousandths of a CPU: the finest that Mesos knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MilliCpus(pub u64);

/// Nothing is rounded down: a task that asks for too little is killed or starved.
impl From<Cpus> for MilliCpus {
    fn from(cpus: Cpus) -> Self {
        Self(cpus.nanos.div_ceil(1_000_000))
    }
}

impl fmt::Display for MilliCpus {
    /// In CPUs: `0.61`, `2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / 1000, self.0 % 1000);
        match rest {
            0 => write!(f, "{whole}"),
            rest => {
                let digits = format!("{rest:03}");
                write!(f, "{whole}.{}", digits.trim_end_matches('0'))
            }
        }
    }
}

/// Why a text is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    #[error("`{0}` is no number of CPUs, as in 0.5")]
    Cpus(String),
    #[error("`{0}` is no size: a number and b, k, m, g or t, as in 128m")]
    Size(String),
}

impl FromStr for MilliCpus {
    type Err = AmountError;

    /// A decimal number of CPUs, rounded up to thousandths.
    fn from_str(text: &str) -> Result<Self, AmountError> {
        let wrong = || AmountError::Cpus(text.to_owned());
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(wrong());
        }
        let number = |part: &str| match part {
            "" => Ok(0),
            part => part.parse::<u64>().map_err(|_| wrong()),
        };
        let (thousandths, finer) = fraction.split_at(fraction.len().min(3));
        let thousandths = number(&format!("{thousandths:0<3}"))?;
        let up = u64::from(finer.bytes().any(|digit| digit != b'0'));
        let whole = number(whole)?.checked_mul(1000).ok_or_else(wrong)?;
        let total = whole.checked_add(thousandths + up).ok_or_else(wrong)?;
        Ok(Self(total))
    }
}

/// A size as Compose files have it, for flags.
pub fn parse_size(text: &str) -> Result<ByteSize, AmountError> {
    let bytes = units::bytes(text).ok().flatten();
    bytes
        .and_then(|bytes| u64::try_from(bytes).ok())
        .map(ByteSize)
        .ok_or_else(|| AmountError::Size(text.to_owned()))
}

/// What can be added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub cpus: MilliCpus,
    pub mem: ByteSize,
    pub disk: ByteSize,
}

impl Amounts {
    /// None beyond what 64 bits hold.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Some(Self {
            cpus: MilliCpus(self.cpus.0.checked_add(other.cpus.0)?),
            mem: ByteSize(self.mem.0.checked_add(other.mem.0)?),
            disk: ByteSize(self.disk.0.checked_add(other.disk.0)?),
        })
    }

    /// So many times; none beyond what 64 bits hold.
    pub fn checked_mul(self, times: u64) -> Option<Self> {
        Some(Self {
            cpus: MilliCpus(self.cpus.0.checked_mul(times)?),
            mem: ByteSize(self.mem.0.checked_mul(times)?),
            disk: ByteSize(self.disk.0.checked_mul(times)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_rounded_up_to_thousandths() {
        for (text, milli) in [
            ("0.5", 500),
            (".25", 250),
            ("2", 2000),
            ("0.0001", 1),
            ("1.0010", 1001),
            ("0", 0),
        ] {
            assert_eq!(text.parse(), Ok(MilliCpus(milli)), "{text}");
        }
        assert_eq!(MilliCpus::from(Cpus { nanos: 1_000_001 }), MilliCpus(2));
    }

    #[test]
    fn what_is_no_number_of_cpus_is_refused() {
        for text in [
            "",
            ".",
            "-1",
            "0,5",
            "1e3",
            "100m",
            "99999999999999999999",
            "+1",
        ] {
            assert!(text.parse::<MilliCpus>().is_err(), "{text}");
        }
    }

    #[test]
    fn cpus_are_written_without_a_float() {
        for (milli, text) in [(0, "0"), (1, "0.001"), (610, "0.61"), (12_000, "12")] {
            assert_eq!(MilliCpus(milli).to_string(), text);
        }
    }

    #[test]
    fn sizes_are_those_of_compose_files() {
        assert_eq!(parse_size("1.5g"), Ok(ByteSize(1_610_612_736)));
        for text in ["64Mi", "-1", "0,5g", "9999999999g", ""] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
