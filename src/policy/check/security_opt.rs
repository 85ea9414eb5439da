//! `security_opt`: what it would take away of a container's confinement.

use super::super::profile::Seccomp;
use super::Check;
use crate::compose::model::Service;

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let privileges = &check.policy.privileges;
    for (i, option) in service.security_opt.iter().enumerate() {
        // `name=value`; `name:value` is older and still read.
        let text = option.value.trim();
        let (name, value) = text
            .split_once('=')
            .or_else(|| text.split_once(':'))
            .unwrap_or((text, ""));
        let key = format!("security_opt[{i}]");
        let hint = "leave it out";
        let span = option.span;
        match name {
            "no-new-privileges" if !matches!(value, "" | "true") && !*privileges.escalation => {
                let what = "to gain privileges by running a program";
                check.forbid(&privileges.escalation, &key, span, what, hint);
            }
            "seccomp"
                if !matches!(value, "builtin" | "default")
                    && *privileges.seccomp == Seccomp::Default =>
            {
                let what = format!("the system call filter {value:?}");
                check.forbid(&privileges.seccomp, &key, span, what, hint);
            }
            "apparmor" if !privileges.apparmor.has(value) => {
                let what = format!("the AppArmor profile {value:?}");
                check.forbid(&privileges.apparmor, &key, span, what, hint);
            }
            "label" => {
                let allowed = match value.split_once(':') {
                    Some(("type", kind)) => privileges.selinux_types.has(kind),
                    // Levels tell containers apart; they are no power.
                    Some(("level", _)) => true,
                    _ => privileges.selinux_types.has_all(),
                };
                if !allowed {
                    let what = format!("the SELinux option {value:?}");
                    check.forbid(&privileges.selinux_types, &key, span, what, hint);
                }
            }
            "systempaths" if !*privileges.unmasked_paths => {
                let what = "a /proc without masks";
                check.forbid(&privileges.unmasked_paths, &key, span, what, hint);
            }
            _ => {}
        }
    }
}
