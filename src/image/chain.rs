//! Chains of layers: the names of the snapshots that layers are unpacked into.
//!
//! See the OCI image specification, config.md, "Layer `ChainID`".

use std::fmt;

use super::digest::Digest;

/// The name of a layer with all that are below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChainId(Digest);

impl ChainId {
    /// The chain of a layer on what is below it, if anything is.
    pub fn of(parent: Option<Self>, diff_id: Digest) -> Self {
        Self(match parent {
            Some(parent) => Digest::of(format!("{parent} {diff_id}").as_bytes()),
            None => diff_id,
        })
    }

    /// The chain of all layers of an image, from the bottom; none of an image without.
    pub fn of_all(diff_ids: &[Digest]) -> Option<Self> {
        let mut layers = diff_ids.iter();
        let bottom = Self::of(None, *layers.next()?);
        Some(layers.fold(bottom, |below, layer| Self::of(Some(below), *layer)))
    }

    /// The digest that it is written as.
    pub fn digest(&self) -> Digest {
        self.0
    }
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_the_digest_of_its_parent_and_its_own_layer() {
        let (first, second) = (Digest::of(b"1"), Digest::of(b"2"));
        let bottom = ChainId::of(None, first);
        assert_eq!(bottom.to_string(), first.to_string());
        let expected = Digest::of(format!("{first} {second}").as_bytes());
        assert_eq!(ChainId::of(Some(bottom), second).digest(), expected);
        assert_eq!(
            ChainId::of_all(&[first, second]).unwrap().digest(),
            expected
        );
        assert_eq!(ChainId::of_all(&[]), None);
    }
}
