//! `security_opt`: what it would take away of a container's confinement.

use super::super::profile::Seccomp;
use super::Check;
use crate::compose::model::{SecurityOption, Service};

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let privileges = &check.policy.privileges;
    for (i, option) in service.security_opt.iter().enumerate() {
        let key = format!("security_opt[{i}]");
        let hint = "leave it out";
        let span = option.span;
        match SecurityOption::parse(option) {
            SecurityOption::NoNewPrivileges(false) if !*privileges.escalation => {
                let what = "to gain privileges by running a program";
                check.forbid(&privileges.escalation, &key, span, what, hint);
            }
            SecurityOption::SeccompUnconfined if *privileges.seccomp == Seccomp::Default => {
                let what = "to have no system call filter";
                check.forbid(&privileges.seccomp, &key, span, what, hint);
            }
            SecurityOption::SeccompFile(file) if *privileges.seccomp == Seccomp::Default => {
                let what = format!("the system call filter {file:?}");
                check.forbid(&privileges.seccomp, &key, span, what, hint);
            }
            SecurityOption::AppArmor(profile) if !privileges.apparmor.has(profile) => {
                let what = format!("the AppArmor profile {profile:?}");
                check.forbid(&privileges.apparmor, &key, span, what, hint);
            }
            SecurityOption::Label { part, value } if !may_label(check, part, value) => {
                let what = format!("the SELinux option \"{part}:{value}\"");
                check.forbid(&privileges.selinux_types, &key, span, what, hint);
            }
            SecurityOption::LabelDisable if !privileges.selinux_types.has_all() => {
                let what = "to be confined by no SELinux label";
                check.forbid(&privileges.selinux_types, &key, span, what, hint);
            }
            SecurityOption::UnmaskedPaths if !*privileges.unmasked_paths => {
                let what = "a /proc without masks";
                check.forbid(&privileges.unmasked_paths, &key, span, what, hint);
            }
            SecurityOption::NoNewPrivileges(_)
            | SecurityOption::SeccompDefault
            | SecurityOption::SeccompUnconfined
            | SecurityOption::SeccompFile(_)
            | SecurityOption::AppArmor(_)
            | SecurityOption::Label { .. }
            | SecurityOption::LabelDisable
            | SecurityOption::UnmaskedPaths
            // No option at all: for the planner to refuse.
            | SecurityOption::Unknown => {}
        }
    }
}

fn may_label(check: &Check<'_>, part: &str, value: &str) -> bool {
    let types = &check.policy.privileges.selinux_types;
    match part {
        "type" => types.has(value),
        // Levels tell containers apart; they are no power.
        "level" => true,
        _ => types.has_all(),
    }
}
