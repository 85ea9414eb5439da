//! `security_opt`: what one entry says.
//!
//! Read in one place: were it read twice, by who forbids and by who does, what the two understand
//! differently would be a way past the first.

/// One entry of `security_opt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecurityOption<'a> {
    /// `no-new-privileges`, with or without `true` or `false`.
    NoNewPrivileges(bool),
    /// `seccomp=builtin`: the default filter.
    SeccompDefault,
    /// `seccomp=unconfined`.
    SeccompUnconfined,
    /// `seccomp=FILE`.
    SeccompFile(&'a str),
    /// `apparmor=PROFILE`; `unconfined` is one.
    AppArmor(&'a str),
    /// `label=disable`.
    LabelDisable,
    /// `label=PART:VALUE`.
    Label { part: &'a str, value: &'a str },
    /// `systempaths=unconfined`.
    UnmaskedPaths,
    /// None of Docker's.
    Unknown,
}

impl<'a> SecurityOption<'a> {
    /// `NAME=VALUE`; without an equals sign `NAME:VALUE`, which is older; or `NAME` alone. As Docker's
    /// client reads it.
    pub fn parse(text: &'a str) -> Self {
        let (name, value) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .unwrap_or((text, ""));
        match (name, value) {
            ("no-new-privileges", "" | "true") => Self::NoNewPrivileges(true),
            ("no-new-privileges", "false") => Self::NoNewPrivileges(false),
            ("seccomp", "builtin") => Self::SeccompDefault,
            ("seccomp", "unconfined") => Self::SeccompUnconfined,
            ("seccomp", file) if !file.is_empty() => Self::SeccompFile(file),
            ("apparmor", profile) if !profile.is_empty() => Self::AppArmor(profile),
            ("label", "disable") => Self::LabelDisable,
            ("label", label) => match label.split_once(':') {
                Some((part, value)) => Self::Label { part, value },
                None => Self::Unknown,
            },
            ("systempaths", "unconfined") => Self::UnmaskedPaths,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SecurityOption::{self, *};

    #[test]
    fn an_entry_has_either_sign_and_the_first_equals_sign_counts() {
        for (text, option) in [
            ("no-new-privileges", NoNewPrivileges(true)),
            ("no-new-privileges:false", NoNewPrivileges(false)),
            ("no-new-privileges=true", NoNewPrivileges(true)),
            ("seccomp=unconfined", SeccompUnconfined),
            ("seccomp:builtin", SeccompDefault),
            // A file like any other: Docker knows no such word.
            ("seccomp=default", SeccompFile("default")),
            ("seccomp=a:b", SeccompFile("a:b")),
            ("seccomp:a=b", Unknown),
            ("apparmor:mine", AppArmor("mine")),
            ("label:disable", LabelDisable),
            (
                "label:level:s0:c1",
                Label {
                    part: "level",
                    value: "s0:c1",
                },
            ),
            ("label=type", Unknown),
            ("systempaths=unconfined", UnmaskedPaths),
            ("systempaths", Unknown),
            (" seccomp=unconfined", Unknown),
            ("", Unknown),
            ("=", Unknown),
        ] {
            assert_eq!(SecurityOption::parse(text), option, "{text:?}");
        }
    }
}
