//! The policy as the operator wrote it, and whom it is for.

use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::fields::{Policy, WrittenOverride, WrittenPolicy};
use super::profile::Profile;
use super::setting::{Origin, Place, Setting};

/// `[policy]` of a configuration; without one, the profile baseline.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct PolicyFile {
    written: WrittenPolicy,
    #[serde(skip)]
    source: Source,
}

/// Where `[policy]` was written, so that a value's line can be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Source {
    path: PathBuf,
    /// The byte that each line begins with.
    lines: Vec<usize>,
}

/// Who asks, by the agent's word. A task's labels and environment are its user's and say nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whom {
    /// As whom the framework authenticated; none where the master does not ask.
    pub principal: Option<String>,
    /// The role that the task's resources are allocated to.
    pub role: Option<String>,
}

pub(super) type Override = WrittenOverride;

/// `match`: all that is given must be the same.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenWhose")]
pub(super) struct Whose {
    principal: Option<String>,
    role: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWhose {
    framework_principal: Option<String>,
    role: Option<String>,
}

impl TryFrom<WrittenWhose> for Whose {
    type Error = &'static str;

    /// An empty match would be everybody's, and hardly meant.
    fn try_from(written: WrittenWhose) -> Result<Self, Self::Error> {
        if written.framework_principal.is_none() && written.role.is_none() {
            return Err("a match needs framework_principal or role");
        }
        Ok(Self {
            principal: written.framework_principal,
            role: written.role,
        })
    }
}

impl Whose {
    fn is(&self, whom: &Whom) -> bool {
        let same = |wanted: &Option<String>, told: &Option<String>| {
            wanted.is_none() || wanted.as_ref() == told.as_ref()
        };
        same(&self.principal, &whom.principal) && same(&self.role, &whom.role)
    }
}

impl PolicyFile {
    /// A profile and no more.
    pub fn profile(profile: Profile) -> Policy {
        Policy::of(profile, &Origin::Profile(profile, None))
    }

    /// Tells the text that this was read from.
    pub fn locate(&mut self, path: &Path, text: &str) {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        self.source = Source {
            path: path.to_owned(),
            lines: std::iter::once(0).chain(ends).collect(),
        };
    }

    /// The file that this was read from; none where there is none.
    pub fn path(&self) -> Option<&Path> {
        Some(self.source.path.as_path()).filter(|path| !path.as_os_str().is_empty())
    }

    /// What is in force for `whom`: the profile, the file's own fields over it, and those of the
    /// first override that matches. An override that names a profile begins anew from that: fields
    /// for everybody do not reach into it.
    pub fn in_force(&self, whom: &Whom) -> Policy {
        let written = &self.written;
        let place = |span| self.source.place(span);
        let found = written
            .overrides
            .iter()
            .enumerate()
            .find(|(_, it)| it.whose.is(whom));
        let chosen = found.and_then(|(_, it)| it.profile.as_ref());
        let mut policy = match chosen.or(written.profile.as_ref()) {
            Some(profile) => {
                let named = Some(place(profile.span()));
                let profile = *profile.get_ref();
                Policy::of(profile, &Origin::Profile(profile, named))
            }
            None => Self::profile(Profile::default()),
        };
        if let Some(up) = &written.up {
            policy.up = Setting::new("up", *up.get_ref(), Origin::File(place(up.span())));
        }
        if chosen.is_none() {
            policy.lay(written, &|span| Origin::File(place(span)));
        }
        if let Some((index, it)) = found {
            let number = index + 1;
            policy.lay_override(it, &|span| Origin::Override(number, place(span)));
        }
        policy
    }
}

impl Source {
    fn place(&self, span: Range<usize>) -> Place {
        Place {
            file: self.path.clone(),
            line: self.lines.partition_point(|begin| *begin <= span.start),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
profile = "restricted"

[privileges]
devices = ["/dev/fuse:rw"]

[[overrides]]
match = { framework_principal = "infra", role = "system" }
profile = "privileged"
[overrides.namespaces]
host_pid = false

[[overrides]]
match = { framework_principal = "infra" }
[overrides.privileges]
root = true
"#;

    fn parse(text: &str) -> Result<PolicyFile, String> {
        let mut file: PolicyFile = toml::from_str(text).map_err(|error| error.to_string())?;
        file.locate(Path::new("config.toml"), text);
        Ok(file)
    }

    fn whom(principal: &str, role: &str) -> Whom {
        Whom {
            principal: Some(principal.to_owned()),
            role: Some(role.to_owned()),
        }
    }

    fn shown(policy: &Policy, field: &str) -> String {
        let rows = policy.rows();
        let row = rows.iter().find(|row| row.field == field).unwrap();
        format!("{} ({})", row.value, row.origin)
    }

    #[test]
    fn nothing_written_is_the_profile_baseline() {
        let policy = parse("").unwrap().in_force(&Whom::default());
        assert_eq!(
            shown(&policy, "privileges.privileged"),
            "false (profile baseline, the default)"
        );
        assert_eq!(parse("").unwrap().written, PolicyFile::default().written);
    }

    #[test]
    fn each_field_knows_the_line_that_decides() {
        let policy = parse(FILE).unwrap().in_force(&whom("web", "*"));
        assert_eq!(
            shown(&policy, "privileges.root"),
            "false (profile restricted, config.toml:2)"
        );
        assert_eq!(
            shown(&policy, "privileges.devices"),
            r#"["/dev/fuse:rw"] (config.toml:5)"#
        );
    }

    #[test]
    fn an_override_with_a_profile_begins_anew() {
        let policy = parse(FILE).unwrap().in_force(&whom("infra", "system"));
        assert_eq!(
            shown(&policy, "privileges.devices"),
            r#"["*:rwm"] (profile privileged, config.toml:9)"#
        );
        assert_eq!(
            shown(&policy, "namespaces.host_pid"),
            "false (override 1, config.toml:11)"
        );
    }

    #[test]
    fn an_override_without_a_profile_goes_over_what_holds_for_all() {
        let policy = parse(FILE).unwrap().in_force(&whom("infra", "batch"));
        assert_eq!(
            shown(&policy, "privileges.root"),
            "true (override 2, config.toml:16)"
        );
        assert_eq!(
            shown(&policy, "privileges.devices"),
            r#"["/dev/fuse:rw"] (config.toml:5)"#
        );
        assert_eq!(
            shown(&policy, "profile"),
            r#""restricted" (profile restricted, config.toml:2)"#
        );
    }

    #[test]
    fn who_is_not_known_matches_nobody() {
        let nobody = Whom::default();
        let file = parse(FILE).unwrap();
        assert!(!*file.in_force(&nobody).privileges.privileged);
        let role_only = Whom {
            role: Some("system".to_owned()),
            ..nobody
        };
        assert!(!*file.in_force(&role_only).privileges.privileged);
    }

    #[test]
    fn what_is_not_understood_refuses() {
        for wrong in [
            "profle = \"baseline\"",
            "profile = \"Baseline\"",
            "up = true",
            "[privileges]\nprivilegd = true",
            "[privileges]\nprivileged = \"yes\"",
            "[privileges]\ncap_add = \"*\"",
            "[namespace]\nhost_pid = true",
            "[mounts]\nshm_max = \"lots\"",
            "[resources]\nulimits = { nofiles = 1 }",
            "[[overrides]]\nprofile = \"privileged\"",
            "[[overrides]]\nmatch = {}\nprofile = \"privileged\"",
            "[[overrides]]\nmatch = { task = \"x\" }\nprofile = \"privileged\"",
            "[[overrides]]\nmatch = { role = \"x\" }\nup = \"off\"",
            "profile = \"baseline\"\nprofile = \"privileged\"",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_example_is_understood() {
        #[derive(Deserialize)]
        struct Example {
            policy: PolicyFile,
        }
        let text = include_str!("../../examples/policy/config.toml");
        let mut file = toml::from_str::<Example>(text).unwrap().policy;
        file.locate(Path::new("config.toml"), text);

        let everybody = file.in_force(&whom("web", "*"));
        assert!(*everybody.privileges.root && !*everybody.images.archives);
        let infra = file.in_force(&whom("infra", "system"));
        assert!(*infra.privileges.privileged && !*infra.images.archives);
        assert!(!*infra.resources.mem_limit);
        let guests = file.in_force(&whom("web", "guests"));
        assert!(!*guests.privileges.root && *guests.images.digest);
        assert_eq!(*guests.profile, Profile::Restricted);
    }
}
