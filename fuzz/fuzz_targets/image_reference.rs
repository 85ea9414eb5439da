//! An image reference is read or refused, and one that was read is read again from what it is stored as.

#![no_main]

use compose_executor::image::ImageRef;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(reference) = text.parse::<ImageRef>() {
        let stored = reference.stored_name();
        let again: ImageRef = stored.parse().expect("a stored name is a reference");
        assert_eq!(again.stored_name(), stored);
    }
});
