//! Names of images, as Docker reads them.
//!
//! `nginx` is short for `docker.io/library/nginx:latest`. The grammar and the way short names are
//! filled up are those of the distribution project's `reference` package, which Docker, Compose and
//! containerd's tools share: who types a name here means what it means there.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;

const DOCKER_HUB: &str = "docker.io";
/// Of the repository alone, as Docker counts.
const MAX_PATH: usize = 255;
const MAX_TAG: usize = 128;

/// The name of an image, in full.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ImageRef {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is no name of an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("image {text:?}: {fault}")]
pub struct InvalidReference {
    pub text: String,
    pub fault: Fault,
}

/// What is wrong with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    #[error("the name is empty")]
    Empty,
    #[error("a repository's name must be in lower case")]
    UpperCase,
    #[error("64 hexadecimal digits are an image's id, not its name")]
    Id,
    #[error("a repository's name has at most 255 characters")]
    TooLong,
    #[error("the registry's name is not a host name with an optional port")]
    Domain,
    #[error(
        "a repository's name is parts of lower-case letters and digits, joined by '/', '.', '_', '__' or dashes"
    )]
    Path,
    #[error(
        "a tag is letters, digits, '_', '.' and '-', at most 128, and begins with none of the last two"
    )]
    Tag,
    #[error("only sha256 digests are understood, with 64 digits in lower case")]
    Digest,
}

impl ImageRef {
    /// The registry: `docker.io`, `localhost:5000`.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository within the registry: `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// None only where there is a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Registry and repository, without tag and digest.
    pub fn repository(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Whether both name images of the same repository.
    pub fn same_repository(&self, other: &Self) -> bool {
        self.domain == other.domain && self.path == other.path
    }

    /// The name in containerd's store: with a digest, the tag is but a comment.
    pub fn stored_name(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => format!("{}/{}@{digest}", self.domain, self.path),
            (None, Some(tag)) => format!("{}/{}:{tag}", self.domain, self.path),
            (None, None) => self.repository(),
        }
    }

    /// As people write it: without what they may leave out.
    pub fn familiar(&self) -> String {
        let short = match self.path.strip_prefix("library/") {
            Some(path) if !path.contains('/') => path,
            _ => &self.path,
        };
        // A repository of Docker Hub may look as if it began with a registry.
        let mut name = if self.domain == DOCKER_HUB && split_domain(short).0 == DOCKER_HUB {
            short.to_owned()
        } else {
            self.repository()
        };
        if let Some(tag) = &self.tag {
            name = format!("{name}:{tag}");
        }
        if let Some(digest) = &self.digest {
            name = format!("{name}@{digest}");
        }
        name
    }
}

/// In full, with everything there is.
impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.domain, self.path)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for ImageRef {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        parse(text).map_err(|fault| InvalidReference {
            text: text.to_owned(),
            fault,
        })
    }
}

fn parse(text: &str) -> Result<ImageRef, Fault> {
    if text.is_empty() {
        return Err(Fault::Empty);
    }
    if text.len() == 64 && text.bytes().all(is_lower_hex) {
        return Err(Fault::Id);
    }
    let (domain, rest) = split_domain(text);
    let (rest, digest) = match rest.split_once('@') {
        Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| Fault::Digest)?)),
        None => (rest, None),
    };
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    let path = if domain == DOCKER_HUB && !path.contains('/') {
        format!("library/{path}")
    } else {
        path.to_owned()
    };
    if path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(Fault::UpperCase);
    }
    if !is_domain(domain) {
        return Err(Fault::Domain);
    }
    if !path.split('/').all(is_path_component) {
        return Err(Fault::Path);
    }
    if path.len() > MAX_PATH {
        return Err(Fault::TooLong);
    }
    if !tag.is_none_or(is_tag) {
        return Err(Fault::Tag);
    }
    let tag = match (tag, digest) {
        (None, None) => Some("latest"),
        (tag, _) => tag,
    };
    Ok(ImageRef {
        domain: domain.to_owned(),
        path,
        tag: tag.map(str::to_owned),
        digest,
    })
}

/// Registry and the rest. A first part is a registry if it could not be a part of a path: it has a
/// dot or a colon, or capitals, or is `localhost`.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some(("index.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((first, rest))
            if first.contains(['.', ':'])
                || first == "localhost"
                || first.chars().any(char::is_uppercase) =>
        {
            (first, rest)
        }
        _ => (DOCKER_HUB, text),
    }
}

/// A host name, an IPv4 address, or an IPv6 address in brackets, and perhaps a port.
fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, "")) => (Err(address), None),
            Some((address, rest)) => match rest.strip_prefix(':') {
                Some(port) => (Err(address), Some(port)),
                None => return false,
            },
            None => return false,
        },
        None => match domain.split_once(':') {
            Some((host, port)) => (Ok(host), Some(port)),
            None => (Ok(domain), None),
        },
    };
    let host = match host {
        Ok(name) => name.split('.').all(is_domain_component),
        Err(v6) => !v6.is_empty() && v6.bytes().all(|it| it.is_ascii_hexdigit() || it == b':'),
    };
    host && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|it| it.is_ascii_digit()))
}

fn is_domain_component(part: &str) -> bool {
    !part.is_empty()
        && !part.starts_with('-')
        && !part.ends_with('-')
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// Letters and digits, with one dot, one or two underscores, or any number of dashes between them.
fn is_path_component(part: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = part.as_bytes();
    loop {
        let word = rest.iter().take_while(|byte| alphanumeric(**byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        let separator = match rest {
            [] => return true,
            [b'_', b'_', ..] => 2,
            [b'.' | b'_', ..] => 1,
            [b'-', ..] => rest.iter().take_while(|byte| **byte == b'-').count(),
            _ => return false,
        };
        rest = &rest[separator..];
    }
}

fn is_tag(tag: &str) -> bool {
    !tag.is_empty()
        && tag.len() <= MAX_TAG
        && !tag.starts_with(['.', '-'])
        && tag
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'))
}

fn is_lower_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DIGEST: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    fn full(text: &str) -> String {
        match text.parse::<ImageRef>() {
            Ok(name) => name.to_string(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn short_names_are_filled_up_as_docker_does() {
        for (short, long) in [
            ("nginx", "docker.io/library/nginx:latest"),
            ("nginx:1.27", "docker.io/library/nginx:1.27"),
            ("library/nginx", "docker.io/library/nginx:latest"),
            ("docker.io/nginx", "docker.io/library/nginx:latest"),
            ("index.docker.io/nginx", "docker.io/library/nginx:latest"),
            ("me/app", "docker.io/me/app:latest"),
            ("a/b/c:1", "docker.io/a/b/c:1"),
            ("localhost/app", "localhost/app:latest"),
            ("localhost:5000/app:1", "localhost:5000/app:1"),
            ("LOCALHOST/app", "LOCALHOST/app:latest"),
            ("ghcr.io/me/app", "ghcr.io/me/app:latest"),
            ("[::1]:5000/app", "[::1]:5000/app:latest"),
            ("a__b/c---d.e_f", "docker.io/a__b/c---d.e_f:latest"),
            ("xn--n3h.com/app", "xn--n3h.com/app:latest"),
        ] {
            assert_eq!(full(short), long);
        }
    }

    #[test]
    fn a_digest_stands_instead_of_latest_and_beside_a_tag() {
        let pinned: ImageRef = format!("nginx@{DIGEST}").parse().unwrap();
        assert_eq!(pinned.tag(), None);
        assert_eq!(
            pinned.stored_name(),
            format!("docker.io/library/nginx@{DIGEST}")
        );
        let both: ImageRef = format!("nginx:1.27@{DIGEST}").parse().unwrap();
        assert_eq!(both.tag(), Some("1.27"));
        assert_eq!(both.stored_name(), pinned.stored_name());
        assert_eq!(both.familiar(), format!("nginx:1.27@{DIGEST}"));
        assert!(both.same_repository(&pinned));
    }

    #[test]
    fn what_docker_refuses_is_refused_with_the_reason() {
        for (text, fault) in [
            ("", Fault::Empty),
            ("Nginx", Fault::UpperCase),
            ("me/App", Fault::UpperCase),
            (&DIGEST["sha256:".len()..], Fault::Id),
            ("nginx:", Fault::Tag),
            ("nginx:-a", Fault::Tag),
            ("nginx:a b", Fault::Tag),
            ("nginx@sha256:00", Fault::Digest),
            ("nginx@md5:00112233445566778899aabbccddeeff", Fault::Digest),
            ("-nginx", Fault::Path),
            ("a//b", Fault::Path),
            ("a___b", Fault::Path),
            ("a..b", Fault::Path),
            ("nginx/", Fault::Path),
            ("/nginx", Fault::Path),
            (" nginx", Fault::Path),
            ("../../etc/passwd", Fault::Domain),
            ("-a.b/nginx", Fault::Domain),
            ("a.b:x/nginx", Fault::Domain),
            ("[::1/nginx", Fault::Domain),
            ("http://a/b", Fault::Domain),
        ] {
            assert_eq!(
                text.parse::<ImageRef>().unwrap_err().fault,
                fault,
                "{text:?}"
            );
        }
        assert_eq!(parse(&"a".repeat(300)), Err(Fault::TooLong));
        assert_eq!(parse(&format!("a:{}", "b".repeat(129))), Err(Fault::Tag));
    }

    #[test]
    fn people_see_the_short_form() {
        for name in ["nginx:1.27", "me/app:1", "localhost:5000/app:1"] {
            assert_eq!(name.parse::<ImageRef>().unwrap().familiar(), name);
        }
        assert_eq!(
            "docker.io/library/a/b"
                .parse::<ImageRef>()
                .unwrap()
                .familiar(),
            "library/a/b:latest"
        );
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "\\PC*") {
            let _ = text.parse::<ImageRef>();
        }

        #[test]
        fn both_forms_of_a_name_mean_the_same(
            text in "([a-z]{1,5}(\\.[a-z]{2})?(:[0-9]{1,5})?/)?([a-z0-9._-]{1,8}/){0,2}[a-zA-Z0-9._-]{1,10}(:[A-Za-z0-9._-]{1,8})?"
        ) {
            if let Ok(name) = text.parse::<ImageRef>() {
                prop_assert_eq!(&name.to_string().parse::<ImageRef>().unwrap(), &name);
                prop_assert_eq!(&name.familiar().parse::<ImageRef>().unwrap(), &name);
            }
        }
    }
}
