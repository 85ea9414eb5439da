//! Interpolation ends, within its limits, whatever the text.

#![no_main]

use compose_executor::compose::Limits;
use compose_executor::compose::interpolate::Template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| name.repeat(3));
    let limits = Limits::default();
    if let Ok(value) = Template::new(&lookup, &limits).substitute(text) {
        assert!(value.len() <= limits.interpolation_bytes);
    }
});
