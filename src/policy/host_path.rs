//! Which of the host's files may be bound into a container.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Places that give a container power over the host: the kernel's own file systems, and the sockets
/// and folders of programs that do as they are told. An entry for a folder above them does not open
/// them; one of their own does.
const GUARDED: [&str; 17] = [
    "/boot",
    "/dev",
    "/etc",
    "/proc",
    "/root",
    "/run/compose-executor",
    "/run/containerd",
    "/run/crio",
    "/run/dbus",
    "/run/docker",
    "/run/docker.sock",
    "/run/podman",
    "/run/systemd",
    "/sys",
    "/var/lib/compose-executor",
    "/var/lib/containerd",
    "/var/lib/docker",
];

/// `"any"`, or folders and files below which all may be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HostPaths {
    Any,
    Listed(Vec<HostPath>),
}

/// One place of the host's.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HostPath {
    #[serde(deserialize_with = "absolute")]
    pub path: PathBuf,
    /// It may only be bound read-only. True where it is not said.
    #[serde(default = "read_only")]
    pub read_only: bool,
}

/// What a policy says of one bind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    /// Only with `read_only: true`.
    ReadOnly,
    NotListed,
    /// Some entry is above it, but this place wants one of its own.
    Guarded,
}

impl HostPaths {
    /// The places below which something may be bound, by each of their names;
    /// [`check`](super::check()) says what.
    pub fn places(&self) -> Vec<PathBuf> {
        let Self::Listed(listed) = self else {
            return vec!["/".into()];
        };
        let mut places = Vec::new();
        for place in listed {
            let path = plain(&place.path);
            if let Ok(rest) = path.strip_prefix("/run") {
                places.push(Path::new("/var/run").join(rest));
            }
            places.push(path);
        }
        places
    }

    /// `ours` are further places that want an entry of their own.
    pub(super) fn verdict(&self, source: &Path, read_only: bool, ours: &[PathBuf]) -> Verdict {
        let Self::Listed(listed) = self else {
            return Verdict::Allowed;
        };
        let source = plain(source);
        let above = |place: &HostPath| source.starts_with(plain(&place.path));
        let mut found: Vec<&HostPath> = listed.iter().filter(|place| above(place)).collect();
        if found.is_empty() {
            return Verdict::NotListed;
        }
        let guarded = GUARDED.iter().map(|it| PathBuf::from(*it));
        for guarded in guarded.chain(ours.iter().map(|it| plain(it))) {
            if source.starts_with(&guarded) || guarded.starts_with(&source) {
                found.retain(|place| plain(&place.path).starts_with(&guarded));
            }
        }
        if found.is_empty() {
            Verdict::Guarded
        } else if read_only || found.iter().any(|place| !place.read_only) {
            Verdict::Allowed
        } else {
            Verdict::ReadOnly
        }
    }
}

/// Without `.`, `..` and the old name of `/run`. By its text: who opens it follows no link.
pub(super) fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::Normal(name) => out.push(name),
            _ => {}
        }
    }
    match out.strip_prefix("/var/run") {
        Ok(rest) => Path::new("/run").join(rest),
        Err(_) => out,
    }
}

pub(super) fn read_only() -> bool {
    true
}

pub(super) fn absolute<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let path = PathBuf::deserialize(deserializer)?;
    let sound = path.is_absolute()
        && !path
            .components()
            .any(|part| matches!(part, Component::ParentDir));
    if sound {
        return Ok(path);
    }
    let text = format!("\"{}\" is no absolute path without \"..\"", path.display());
    Err(de::Error::custom(text))
}

impl<'de> Deserialize<'de> for HostPaths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Paths;

        impl<'de> Visitor<'de> for Paths {
            type Value = HostPaths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"any\" or a list as [{ path = \"/data\", read_only = true }]")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<HostPaths, E> {
                match text {
                    "any" => Ok(HostPaths::Any),
                    other => Err(E::invalid_value(de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<HostPaths, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(HostPaths::Listed)
            }
        }

        deserializer.deserialize_any(Paths)
    }
}

impl Serialize for HostPaths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("any"),
            Self::Listed(listed) => listed.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(entry: &str, source: &str) -> Verdict {
        let paths = HostPaths::Listed(vec![HostPath {
            path: entry.into(),
            read_only: false,
        }]);
        paths.verdict(Path::new(source), false, &[PathBuf::from("/var/lib/mesos")])
    }

    #[test]
    fn an_entry_opens_what_lies_below_it() {
        assert_eq!(verdict("/data", "/data"), Verdict::Allowed);
        assert_eq!(verdict("/data", "/data/a/b"), Verdict::Allowed);
        assert_eq!(verdict("/data", "/database"), Verdict::NotListed);
        assert_eq!(verdict("/data", "/data/../etc/shadow"), Verdict::NotListed);
        assert_eq!(verdict("/data", "/"), Verdict::NotListed);
    }

    #[test]
    fn a_guarded_place_wants_an_entry_of_its_own() {
        for source in [
            "/",
            "/run",
            "/var/run/docker.sock",
            "/run/containerd/containerd.sock",
            "/proc/sys",
            "/var",
            "/var/lib/mesos/slaves",
        ] {
            assert_eq!(verdict("/", source), Verdict::Guarded, "{source}");
        }
        assert_eq!(verdict("/", "/srv"), Verdict::Allowed);
        assert_eq!(verdict("/run", "/run/app"), Verdict::Allowed);
        assert_eq!(
            verdict("/var/run/docker.sock", "/run/docker.sock"),
            Verdict::Allowed
        );
        assert_eq!(
            verdict("/etc/localtime", "/etc/localtime"),
            Verdict::Allowed
        );
        assert_eq!(verdict("/etc/localtime", "/etc/shadow"), Verdict::NotListed);
    }

    #[test]
    fn an_entry_is_read_only_unless_it_says_otherwise() {
        let paths: HostPaths = serde_json::from_str(r#"[{"path": "/data"}]"#).unwrap();
        let ask = |read_only| paths.verdict(Path::new("/data/x"), read_only, &[]);
        assert_eq!(ask(true), Verdict::Allowed);
        assert_eq!(ask(false), Verdict::ReadOnly);
    }

    #[test]
    fn run_has_two_names() {
        let paths: HostPaths =
            serde_json::from_str(r#"[{"path": "/run/app.sock"}, {"path": "/srv/./x"}]"#).unwrap();
        let places = paths.places();
        for place in ["/run/app.sock", "/var/run/app.sock", "/srv/x"] {
            assert!(places.contains(&PathBuf::from(place)), "{place}");
        }
    }

    #[test]
    fn entries_are_absolute_and_have_no_other_keys() {
        for wrong in [
            r#"[{"path": "data"}]"#,
            r#"[{"path": "/data/../etc"}]"#,
            r#"[{"path": "/data", "ro": true}]"#,
            r#""all""#,
            r#"["/data"]"#,
        ] {
            assert!(serde_json::from_str::<HostPaths>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            serde_json::from_str::<HostPaths>(r#""any""#).unwrap(),
            HostPaths::Any
        );
    }
}
