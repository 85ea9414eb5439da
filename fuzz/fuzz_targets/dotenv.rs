//! An env file is read or refused, and the place of a mistake is within it.

#![no_main]

use compose_executor::compose::Limits;
use compose_executor::compose::dotenv::{parse, parse_raw};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let lookup = |name: &str| (name.len() % 2 == 0).then(|| name.to_owned());
    for result in [
        parse(text, &|_| None, &lookup, &Limits::default()),
        parse_raw(text, &lookup),
    ] {
        if let Err(error) = result {
            assert!(error.at <= text.len());
        }
    }
});
