//! The way from the top of a file to a value: `services.web.ports[1]`.
//!
//! Rules say which values they are for with a slice pattern over [`Path::parts`], in which an item
//! of a list is `"[]"`.

use std::fmt;

/// Deeper than any rule looks, and deep enough to tell a reader where a value is.
const PARTS: usize = 12;

/// A path, made anew for each step down; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    parts: [&'a str; PARTS],
    /// Which item an `"[]"` is.
    items: [u32; PARTS],
    len: usize,
}

impl Default for Path<'_> {
    fn default() -> Self {
        Self {
            parts: [""; PARTS],
            items: [0; PARTS],
            len: 0,
        }
    }
}

impl<'a> Path<'a> {
    /// The path with these keys.
    pub fn of(parts: &[&'a str]) -> Self {
        parts
            .iter()
            .fold(Self::default(), |path, part| path.key(part))
    }

    /// One key down.
    #[must_use]
    pub fn key(mut self, key: &'a str) -> Self {
        if self.len < PARTS {
            self.parts[self.len] = key;
        }
        self.len += 1;
        self
    }

    /// One item down.
    #[must_use]
    pub fn item(self, index: usize) -> Self {
        let mut next = self.key("[]");
        if self.len < PARTS {
            next.items[self.len] = u32::try_from(index).unwrap_or(u32::MAX);
        }
        next
    }

    /// What rules match on; empty for a path too deep for any rule.
    pub fn parts(&self) -> &[&'a str] {
        if self.len <= PARTS {
            &self.parts[..self.len]
        } else {
            &[]
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.len.min(PARTS);
        for (rank, (part, item)) in self.parts[..shown].iter().zip(&self.items).enumerate() {
            match (*part, rank) {
                ("[]", _) => write!(f, "[{item}]")?,
                (key, 0) => f.write_str(key)?,
                (key, _) => write!(f, ".{key}")?,
            }
        }
        if self.len > PARTS {
            f.write_str("…")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let path = Path::of(&["services", "web", "ports"])
            .item(1)
            .key("target");
        assert_eq!(path.to_string(), "services.web.ports[1].target");
        assert!(matches!(
            path.parts(),
            ["services", _, "ports", "[]", "target"]
        ));
    }

    #[test]
    fn a_path_too_deep_for_rules_matches_none() {
        let path = (0..20).fold(Path::default(), |path, _| path.key("x"));
        assert!(path.parts().is_empty());
        assert!(path.to_string().ends_with('…'));
    }
}
