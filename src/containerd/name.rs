//! Names that travel in headers: namespaces and leases.
//!
//! containerd checks identifiers when it creates an object; a header is sent with every call, so
//! what goes into one is checked here first, by the same rule.

use std::fmt;
use std::str::FromStr;

use containerd_client::tonic::metadata::{Ascii, MetadataValue};

/// As many characters as containerd takes in an identifier.
const MAX_LENGTH: usize = 76;

/// A containerd namespace: a world of its own for containers, images, snapshots and leases.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(String);

/// A lease: it holds what was made under it until it is deleted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId(String);

/// A text that is no containerd identifier: letters and digits, single `.`, `_` or `-` between
/// them, at most 76 characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a containerd identifier")]
pub struct InvalidName(pub String);

fn checked(text: &str) -> Result<String, InvalidName> {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric());
    if text.len() <= MAX_LENGTH && text.split(['.', '_', '-']).all(part) {
        Ok(text.to_owned())
    } else {
        Err(InvalidName(text.to_owned()))
    }
}

/// A checked name as a header's value.
pub(super) fn header(name: &str) -> MetadataValue<Ascii> {
    MetadataValue::from_str(name).expect("an identifier is ASCII")
}

impl FromStr for Namespace {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        checked(text).map(Self)
    }
}

impl FromStr for LeaseId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        checked(text).map(Self)
    }
}

impl Namespace {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl LeaseId {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_letters_and_digits_with_single_separators() {
        for good in ["compose-executor", "a", "pod-0123456789ab", "a.b_c-D9"] {
            assert_eq!(good.parse::<Namespace>().unwrap().as_str(), good);
        }
        let long = "a".repeat(77);
        for bad in ["", "-a", "a-", "a--b", "a/b", "a b", "a\n", "ä", &long] {
            assert!(bad.parse::<LeaseId>().is_err(), "{bad:?}");
        }
    }
}
