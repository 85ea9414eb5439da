//! Platforms: the operating system and processor that an image is for.

use std::fmt;

use serde::Deserialize;

/// A platform, in the words of Go's `GOOS` and `GOARCH`, as images have it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    /// `v7` of an arm, `v8` of an arm64; empty where it does not matter.
    pub variant: String,
}

/// As documents have it, with their liberties.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct RawPlatform {
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    variant: String,
}

impl Platform {
    /// The host's, as far as this program was built for it.
    pub fn host() -> Self {
        Self::new("linux", std::env::consts::ARCH, "")
    }

    /// With the names that some tools use put right: `x86_64` is `amd64`, and so on.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let architecture = architecture.to_ascii_lowercase();
        let (architecture, variant) = match (architecture.as_str(), variant) {
            ("x86_64" | "x86-64" | "amd64", _) => ("amd64", ""),
            ("aarch64" | "arm64", "" | "8" | "v8") => ("arm64", ""),
            ("i386" | "x86" | "386", _) => ("386", ""),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) => ("arm", "v6"),
            ("powerpc64le", variant) => ("ppc64le", variant),
            (other, variant) => (other, variant),
        };
        Self {
            os: os.to_ascii_lowercase(),
            architecture: architecture.to_owned(),
            variant: variant.to_owned(),
        }
    }

    /// Whether it is a platform at all: attestations, which builders put beside images, are for
    /// `unknown/unknown`.
    pub(super) fn is_known(&self) -> bool {
        self.os != "unknown" && self.architecture != "unknown"
    }
}

impl From<RawPlatform> for Platform {
    fn from(raw: RawPlatform) -> Self {
        Self::new(&raw.os, &raw.architecture, &raw.variant)
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match self.variant.as_str() {
            "" => Ok(()),
            variant => write!(f, "/{variant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_platform_has_one_name() {
        assert_eq!(
            Platform::new("Linux", "x86_64", ""),
            Platform::new("linux", "amd64", "")
        );
        assert_eq!(
            Platform::new("linux", "aarch64", "v8").to_string(),
            "linux/arm64"
        );
        assert_eq!(
            Platform::new("linux", "arm", "").to_string(),
            "linux/arm/v7"
        );
        assert_eq!(
            Platform::new("linux", "riscv64", "").to_string(),
            "linux/riscv64"
        );
    }
}
