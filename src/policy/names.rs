//! Lists of what a service may name: capabilities, sysctls, images, devices, ulimits.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Names, in which `*` stands for any characters; `@baseline` for what the profile baseline has.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Names(Vec<String>);

/// The list that `@baseline` stands for, where the field has one.
const BASELINE: &str = "@baseline";

impl Names {
    pub(super) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| (*name).to_owned()).collect())
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| matches(pattern, name))
    }

    /// As [`Names::has`], where `@baseline` may stand in the list.
    pub fn has_with(&self, baseline: &[&str], name: &str) -> bool {
        self.has(name) || (self.0.iter().any(|it| it == BASELINE) && baseline.contains(&name))
    }

    /// Whatever there may be.
    pub fn has_all(&self) -> bool {
        self.0.iter().any(|pattern| pattern == "*")
    }
}

/// Whether a name is what a pattern says; `*` stands for any characters, none and `/` too.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(head) else {
        return false;
    };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().expect("a split has a last part");
    let mut left = name;
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// Devices of the host, each with what may be done to it: `/dev/fuse:rw`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Devices(Vec<DeviceRule>);

#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct DeviceRule {
    /// `*` is every device.
    path: String,
    access: String,
}

impl TryFrom<String> for DeviceRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (path, access) = text.split_once(':').unwrap_or((&text, "rwm"));
        let sound = (path == "*" || path.starts_with("/dev/"))
            && !path.split('/').any(|part| part == "..")
            && !access.is_empty()
            && access.chars().all(|c| "rwm".contains(c));
        if !sound {
            return Err(format!(
                "\"{text}\" is no device: expected one as \"/dev/fuse:rw\", or \"*\""
            ));
        }
        Ok(Self {
            path: path.to_owned(),
            access: access.to_owned(),
        })
    }
}

impl From<DeviceRule> for String {
    fn from(rule: DeviceRule) -> Self {
        format!("{}:{}", rule.path, rule.access)
    }
}

impl Devices {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn all() -> Self {
        Self(vec![DeviceRule {
            path: "*".to_owned(),
            access: "rwm".to_owned(),
        }])
    }

    /// Whether a service may have a device with this access, of the letters `r`, `w` and `m`.
    pub fn allow(&self, path: &str, access: &str) -> bool {
        self.0.iter().any(|rule| {
            (rule.path == "*" || rule.path == path)
                && access.chars().all(|letter| rule.access.contains(letter))
        })
    }
}

/// The most that a service may set of each; what is not named is not limited.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "BTreeMap<String, u64>")]
pub struct Ulimits(BTreeMap<String, u64>);

/// setrlimit(2)
const ULIMITS: [&str; 16] = [
    "as",
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

impl TryFrom<BTreeMap<String, u64>> for Ulimits {
    type Error = String;

    fn try_from(most: BTreeMap<String, u64>) -> Result<Self, String> {
        match most.keys().find(|name| !ULIMITS.contains(&name.as_str())) {
            Some(name) => Err(format!("there is no ulimit \"{name}\"")),
            None => Ok(Self(most)),
        }
    }
}

impl Ulimits {
    pub(super) fn of(most: &[(&str, u64)]) -> Self {
        let entry = |(name, most): &(&str, u64)| ((*name).to_owned(), *most);
        Self(most.iter().map(entry).collect())
    }

    /// The most that a ulimit may be set to; none where that is not limited.
    pub fn most(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, name, same) in [
            ("*", "", true),
            ("*", "a/b", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("registry.example/*", "registry.example/team/app", true),
            ("registry.example/*", "registry.example.evil/app", false),
            ("*.example/a*c", "x.example/abbc", true),
            ("*.example/a*c", "x.example/abbcd", false),
            ("a*a", "a", false),
            ("a*b*b", "ab", false),
            ("net.*", "kernel.net.x", false),
        ] {
            assert_eq!(matches(pattern, name), same, "{pattern} {name}");
        }
    }

    #[test]
    fn baseline_in_a_list_stands_for_its_names() {
        let names = Names::of(&["@baseline", "SYS_PTRACE"]);
        assert!(names.has_with(&["CHOWN"], "CHOWN"));
        assert!(names.has_with(&["CHOWN"], "SYS_PTRACE"));
        assert!(!names.has_with(&["CHOWN"], "SYS_ADMIN"));
        assert!(!Names::of(&[]).has_with(&["CHOWN"], "CHOWN"));
    }

    #[test]
    fn a_device_is_allowed_with_its_letters_at_most() {
        let devices: Devices = serde_json::from_str(r#"["/dev/fuse:rw", "/dev/kvm"]"#).unwrap();
        assert!(devices.allow("/dev/fuse", "r"));
        assert!(!devices.allow("/dev/fuse", "rwm"));
        assert!(devices.allow("/dev/kvm", "rwm"));
        assert!(!devices.allow("/dev/sda", "r"));
        for wrong in [r#"["fuse"]"#, r#"["/dev/fuse:x"]"#, r#"["/dev/../etc:r"]"#] {
            assert!(serde_json::from_str::<Devices>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_ulimit_that_does_not_exist_limits_nothing_and_is_refused() {
        assert!(serde_json::from_str::<Ulimits>(r#"{"nofiles": 1}"#).is_err());
        let ulimits: Ulimits = serde_json::from_str(r#"{"nofile": 1}"#).unwrap();
        assert_eq!(ulimits.most("nofile"), Some(1));
        assert_eq!(ulimits.most("memlock"), None);
    }
}
