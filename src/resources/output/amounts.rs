//! Amounts as people and frameworks read them.

use serde_json::{Number, Value};

use crate::compose::model::ByteSize;
use crate::resources::amount::MilliCpus;

const MIB: u64 = 1 << 20;

/// `0.61`, as a JSON number.
pub(super) fn cpus(cpus: MilliCpus) -> Value {
    if cpus.0.is_multiple_of(1000) {
        return Value::from(cpus.0 / 1000);
    }
    let text = cpus.to_string();
    let number = text.parse().ok().and_then(Number::from_f64);
    Value::Number(number.expect("a decimal number is a finite float"))
}

/// Mebibytes, as Mesos counts memory and disk.
pub(super) fn mebibytes(size: ByteSize) -> u64 {
    size.0.div_ceil(MIB)
}

/// For people: mebibytes with a unit, and bytes where there are no whole ones.
pub(super) fn size(size: ByteSize) -> String {
    if size.0.is_multiple_of(MIB) {
        format!("{} MiB", size.0 / MIB)
    } else {
        format!("{} B", size.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_numbers_of_three_decimals_at_most() {
        for (milli, text) in [(1, "0.001"), (610, "0.61"), (2000, "2"), (333, "0.333")] {
            assert_eq!(cpus(MilliCpus(milli)).to_string(), text);
        }
    }

    #[test]
    fn mebibytes_are_rounded_up() {
        assert_eq!(mebibytes(ByteSize(MIB + 1)), 2);
        assert_eq!(size(ByteSize(MIB + 1)), "1048577 B");
    }
}
