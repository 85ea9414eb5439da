//! Sizes and durations are read or refused, and a duration that was written reads back.

#![no_main]

use compose_executor::compose::units::{bytes, duration, float, write_duration, write_float};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let _ = bytes(text);
    if let Ok(nanoseconds) = duration(text) {
        assert_eq!(duration(&write_duration(nanoseconds)), Ok(nanoseconds));
    }
    if let Some(number) = float(text) {
        let _ = write_float(number);
    }
});
