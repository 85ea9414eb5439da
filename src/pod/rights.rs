//! What a service is allowed: capabilities, `privileged`, and what [`devices`] and [`security_opt`] read.
//!
//! This is what a file asks for. Whether the operator lets it is for the policy to say, before.

use super::context::{Kernel, SecurityModule};
use super::devices::{self, DevicePlan, DeviceRule};
use super::security_opt::{self, SeccompPlan, SelinuxPlan};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, Service};
use crate::compose::source::Spanned;

/// The rights of a container, beside the standard ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RightsPlan {
    /// All capabilities and devices; nothing filtered, masked or read-only.
    pub privileged: bool,
    pub capabilities: CapabilityPlan,
    pub no_new_privileges: bool,
    pub seccomp: SeccompPlan,
    /// An AppArmor profile that the host has loaded.
    pub apparmor: Option<String>,
    pub selinux: Option<SelinuxPlan>,
    /// `/proc` and `/sys` are shown whole and can be written to.
    pub unmasked: bool,
    pub devices: Vec<DevicePlan>,
    pub device_rules: Vec<DeviceRule>,
}

/// Capabilities by name: `CAP_NET_ADMIN`, or `ALL`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CapabilityPlan {
    pub add: Vec<String>,
    pub drop: Vec<String>,
}

/// Every capability of Linux 6: capabilities(7).
const CAPABILITIES: [&str; 41] = [
    "AUDIT_CONTROL",
    "AUDIT_READ",
    "AUDIT_WRITE",
    "BLOCK_SUSPEND",
    "BPF",
    "CHECKPOINT_RESTORE",
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "IPC_LOCK",
    "IPC_OWNER",
    "KILL",
    "LEASE",
    "LINUX_IMMUTABLE",
    "MAC_ADMIN",
    "MAC_OVERRIDE",
    "MKNOD",
    "NET_ADMIN",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_RAW",
    "PERFMON",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYSLOG",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_CHROOT",
    "SYS_MODULE",
    "SYS_NICE",
    "SYS_PACCT",
    "SYS_PTRACE",
    "SYS_RAWIO",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "WAKE_ALARM",
];

/// The rights that a service asks for.
pub(super) fn of(
    project: &Project,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) -> RightsPlan {
    let privileged = service.privileged.as_ref().is_some_and(|flag| flag.value);
    let mut rights = RightsPlan {
        privileged,
        capabilities: CapabilityPlan {
            add: capabilities("cap_add", &service.cap_add, service, found),
            drop: capabilities("cap_drop", &service.cap_drop, service, found),
        },
        no_new_privileges: !privileged,
        seccomp: if privileged {
            SeccompPlan::Unconfined
        } else {
            SeccompPlan::Default
        },
        apparmor: (privileged && kernel.has(SecurityModule::AppArmor))
            .then(|| "unconfined".to_owned()),
        selinux: None,
        unmasked: privileged,
        devices: Vec::new(),
        device_rules: service
            .device_cgroup_rules
            .iter()
            .filter_map(|rule| devices::rule(rule))
            .collect(),
    };
    for option in &service.security_opt {
        security_opt::apply(&mut rights, option, project, service, kernel, found);
    }
    rights.devices = service
        .devices
        .iter()
        .filter_map(|it| devices::device(it, service, found))
        .collect();
    rights
}

/// Names with their prefix, in capitals, each once.
fn capabilities(
    key: &str,
    names: &[Spanned<String>],
    service: &Service,
    found: &mut Vec<Diagnostic>,
) -> Vec<String> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        let upper = name.to_ascii_uppercase();
        let bare = upper.strip_prefix("CAP_").unwrap_or(&upper);
        let full = match bare {
            "ALL" => "ALL".to_owned(),
            bare if CAPABILITIES.contains(&bare) => format!("CAP_{bare}"),
            bare => {
                let text = format!(
                    "services.{}.{key}: there is no capability \"{}\"",
                    service.name.value, name.value
                );
                let near = crate::compose::nearest(bare, CAPABILITIES);
                let mut error = Diagnostic::invalid(text).at(name.span);
                error.help = near.map(|near| format!("did you mean {near}?"));
                found.push(error);
                continue;
            }
        };
        if !known.contains(&full) {
            known.push(full);
        }
    }
    known
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::testing::{kernel, messages, service};
    use super::*;

    pub(in crate::pod) fn rights(keys: &str, kernel: &Kernel) -> (RightsPlan, Vec<String>) {
        let project = Project {
            working_dir: "/p".into(),
            ..Project::default()
        };
        let mut found = Vec::new();
        let rights = of(&project, &service(keys), kernel, &mut found);
        (rights, messages(&found))
    }

    pub(in crate::pod) fn good(keys: &str) -> RightsPlan {
        let (rights, found) = rights(keys, &kernel());
        assert!(found.is_empty(), "{keys}: {found:?}");
        rights
    }

    #[test]
    fn a_service_has_no_new_privileges_unless_it_asks() {
        assert!(good("tty: false").no_new_privileges);
        assert!(good("security_opt: [no-new-privileges]").no_new_privileges);
        assert!(!good("security_opt: ['no-new-privileges:false']").no_new_privileges);
        assert!(!good("privileged: true").no_new_privileges);
    }

    #[test]
    fn capabilities_are_named_with_or_without_their_prefix() {
        let plan = good("cap_add: [net_admin, CAP_SYS_TIME], cap_drop: [ALL]").capabilities;
        assert_eq!(plan.add, ["CAP_NET_ADMIN", "CAP_SYS_TIME"]);
        assert_eq!(plan.drop, ["ALL"]);
        let (_, found) = rights("cap_add: [NET_ADMN]", &kernel());
        insta::assert_snapshot!(found.join("\n"), @r#"services.a.cap_add: there is no capability "NET_ADMN""#);
    }
}
