//! What a service is allowed: capabilities, devices, `security_opt`, `privileged`.
//!
//! This is what a file asks for. Whether the operator lets it is for the policy to say, before.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::context::{Kernel, SecurityModule};
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Device, Project, Service};
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

/// Which system calls are filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeccompPlan {
    Default,
    Unconfined,
    /// A profile as Docker or a runtime document has it.
    File(Spanned<PathBuf>),
}

/// The parts of an SELinux label that a file sets; none is the default's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelinuxPlan {
    pub user: Option<String>,
    pub role: Option<String>,
    pub kind: Option<String>,
    pub level: Option<String>,
}

impl SelinuxPlan {
    /// `system_u:system_r:container_t:s0`, with the parts that are set.
    pub fn label(&self) -> String {
        let part = |part: &Option<String>, default: &str| {
            part.clone().unwrap_or_else(|| default.to_owned())
        };
        format!(
            "{}:{}:{}:{}",
            part(&self.user, "system_u"),
            part(&self.role, "system_r"),
            part(&self.kind, "container_t"),
            part(&self.level, "s0"),
        )
    }
}

/// A device of the host, or a folder of devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePlan {
    /// Below /dev on the host.
    pub source: Spanned<PathBuf>,
    /// Below /dev in the container.
    pub target: PathBuf,
    pub access: DeviceAccess,
}

/// What may be done with a device: of the letters r, w and m.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceAccess(pub String);

impl Default for DeviceAccess {
    fn default() -> Self {
        Self("rwm".to_owned())
    }
}

/// A rule of the device cgroup, as `c 1:3 rwm` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRule {
    pub kind: DeviceKind,
    /// None is any.
    pub major: Option<u32>,
    pub minor: Option<u32>,
    pub access: DeviceAccess,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceKind {
    All,
    Block,
    Character,
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
            .filter_map(|rule| device_rule(rule))
            .collect(),
    };
    for option in &service.security_opt {
        security_option(&mut rights, option, project, service, kernel, found);
    }
    rights.devices = service
        .devices
        .iter()
        .filter_map(|it| device(it, service, found))
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

/// One of `security_opt`: `name=value`, `name:value` or a word.
fn security_option(
    rights: &mut RightsPlan,
    option: &Spanned<String>,
    project: &Project,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) {
    let (name, value) = option
        .split_once(['=', ':'])
        .unwrap_or((option.as_str(), ""));
    let mut say = |key: &str| found.extend(verdict::of_service(service, key, option.span));
    match (name, value) {
        ("no-new-privileges", "" | "true") => rights.no_new_privileges = true,
        ("no-new-privileges", "false") => rights.no_new_privileges = false,
        ("seccomp", "unconfined") => rights.seccomp = SeccompPlan::Unconfined,
        ("seccomp", "builtin") => rights.seccomp = SeccompPlan::Default,
        ("seccomp", file) if !file.is_empty() => {
            let path = project.working_dir.join(file);
            rights.seccomp = SeccompPlan::File(Spanned::new(path, option.span));
        }
        // Without AppArmor nothing confines, which is what is asked for.
        ("apparmor", "unconfined") if !kernel.has(SecurityModule::AppArmor) => {}
        ("apparmor", profile) if !profile.is_empty() => {
            if kernel.has(SecurityModule::AppArmor) {
                rights.apparmor = Some(profile.to_owned());
            } else {
                say("security_opt: apparmor without a kernel that has it");
            }
        }
        ("label", "disable") => rights.selinux = None,
        ("label", part) if part.contains(':') => {
            if kernel.has(SecurityModule::Selinux) {
                let label = rights.selinux.get_or_insert_default();
                if !selinux_part(label, part) {
                    say("security_opt: any other");
                }
            } else {
                say("security_opt: label without a kernel that has SELinux");
            }
        }
        ("systempaths", "unconfined") => rights.unmasked = true,
        _ => say("security_opt: any other"),
    }
}

/// `type:container_t`. False where it is no part of a label.
fn selinux_part(label: &mut SelinuxPlan, text: &str) -> bool {
    let Some((part, value)) = text.split_once(':') else {
        return false;
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "_.,:-".contains(c);
    if value.is_empty() || !value.chars().all(good) {
        return false;
    }
    let field = match part {
        "user" => &mut label.user,
        "role" => &mut label.role,
        "type" => &mut label.kind,
        "level" => &mut label.level,
        _ => return false,
    };
    *field = Some(value.to_owned());
    true
}

/// All services that share IPC must have one SELinux label: what one makes, the others could not
/// open.
pub(super) fn one_label(services: &[(&Service, &RightsPlan, bool)], found: &mut Vec<Diagnostic>) {
    let mut labels: BTreeMap<String, &Service> = BTreeMap::new();
    for (service, rights, shares_ipc) in services {
        if let Some(label) = &rights.selinux
            && *shares_ipc
        {
            labels.entry(label.label()).or_insert(service);
        }
    }
    let mut labels = labels.values();
    if let (Some(first), Some(second)) = (labels.next(), labels.next()) {
        let text = format!(
            "services {} and {} share IPC and ask for different SELinux labels",
            first.name.value, second.name.value
        );
        let place = |service: &Service| {
            let options = service.security_opt.iter();
            let mut labels = options.filter(|option| option.starts_with("label"));
            labels
                .next()
                .map_or(service.name.span, |option| option.span)
        };
        found.push(
            Diagnostic::invalid(text)
                .at(place(second))
                .label(place(first), "the other"),
        );
    }
}

/// Below /dev, and not up from there again.
pub(super) fn is_device_path(path: &str) -> bool {
    let parts = path.strip_prefix("/dev/");
    parts.is_some_and(|rest| {
        rest.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
    })
}

fn device(device: &Device, service: &Service, found: &mut Vec<Diagnostic>) -> Option<DevicePlan> {
    let source = &device.source;
    // A name of the Container Device Interface's: `vendor.com/class=name`.
    if source.contains('=') && !source.starts_with('/') {
        found.extend(verdict::of_service(
            service,
            "devices: vendor/class=name",
            source.span,
        ));
        return None;
    }
    let target = device.target.as_ref().filter(|target| !target.is_empty());
    let target = target.unwrap_or(source);
    for path in [source, target] {
        if !is_device_path(path) {
            let text = format!(
                "services.{}.devices: \"{}\" is no path of a device below /dev",
                service.name.value, path.value
            );
            found.push(Diagnostic::invalid(text).at(path.span));
            return None;
        }
    }
    let given = device.permissions.as_ref();
    Some(DevicePlan {
        source: source.clone().map(PathBuf::from),
        target: Path::new(target.as_str()).to_owned(),
        access: given.map_or_else(DeviceAccess::default, |it| DeviceAccess(it.value.clone())),
    })
}

/// None for what the engine's checks have refused.
fn device_rule(text: &str) -> Option<DeviceRule> {
    let mut parts = text.split(' ');
    let kind = match parts.next()? {
        "a" => DeviceKind::All,
        "b" => DeviceKind::Block,
        "c" => DeviceKind::Character,
        _ => return None,
    };
    let number = |text: &str| match text {
        "*" => Some(None),
        number => number.parse().ok().map(Some),
    };
    let (major, minor) = parts.next()?.split_once(':')?;
    Some(DeviceRule {
        kind,
        major: number(major)?,
        minor: number(minor)?,
        access: DeviceAccess(parts.next()?.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kernel, messages, service};
    use super::*;

    fn rights(keys: &str, kernel: &Kernel) -> (RightsPlan, Vec<String>) {
        let project = Project {
            working_dir: "/p".into(),
            ..Project::default()
        };
        let mut found = Vec::new();
        let rights = of(&project, &service(keys), kernel, &mut found);
        (rights, messages(&found))
    }

    fn good(keys: &str) -> RightsPlan {
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

    #[test]
    fn security_options_are_read_with_either_sign() {
        let file = |text: &str| match good(text).seccomp {
            SeccompPlan::File(path) => path.value,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            file("security_opt: ['seccomp:./s.json']"),
            Path::new("/p/./s.json")
        );
        assert_eq!(
            file("security_opt: ['seccomp=s.json']"),
            Path::new("/p/s.json")
        );
        assert_eq!(
            good("security_opt: ['seccomp=unconfined']").seccomp,
            SeccompPlan::Unconfined
        );
        assert!(good("security_opt: ['systempaths=unconfined']").unmasked);
        assert_eq!(
            good("security_opt: ['apparmor=mine']").apparmor.as_deref(),
            Some("mine")
        );
        let label = good("security_opt: ['label=type:my_t', 'label=level:s0:c1,c2']").selinux;
        assert_eq!(label.unwrap().label(), "system_u:system_r:my_t:s0:c1,c2");
        for bad in [
            "credentialspec=x",
            "seccomp",
            "label=colour:red",
            "systempaths=x",
        ] {
            let (_, found) = rights(&format!("security_opt: ['{bad}']"), &kernel());
            assert_eq!(found.len(), 1, "{bad}");
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_refused_and_its_absence_is_not() {
        let mut plain = kernel();
        plain.security_modules.clear();
        let found = |keys: &str| rights(keys, &plain).1.len();
        assert_eq!(found("security_opt: ['apparmor=mine']"), 1);
        assert_eq!(found("security_opt: ['label=type:t']"), 1);
        assert_eq!(
            found("security_opt: ['apparmor=unconfined', 'label=disable']"),
            0
        );
    }

    #[test]
    fn a_device_is_below_dev_on_both_sides() {
        let devices = good("devices: ['/dev/fuse', '/dev/null:/dev/mine:r']").devices;
        assert_eq!(devices[0].target, Path::new("/dev/fuse"));
        assert_eq!(devices[0].access.0, "rwm");
        assert_eq!(devices[1].target, Path::new("/dev/mine"));
        assert_eq!(devices[1].access.0, "r");
        for bad in [
            "/dev/../etc/passwd",
            "/etc/passwd",
            "/dev/fuse:/tmp/x",
            "nvidia.com/gpu=all",
        ] {
            let (rights, found) = rights(&format!("devices: ['{bad}']"), &kernel());
            assert_eq!((rights.devices.len(), found.len()), (0, 1), "{bad}");
        }
    }

    #[test]
    fn a_rule_of_the_device_cgroup_is_read() {
        let rules = good("device_cgroup_rules: ['c 1:* rw', 'a *:* rwm']").device_rules;
        assert_eq!(rules[0].kind, DeviceKind::Character);
        assert_eq!((rules[0].major, rules[0].minor), (Some(1), None));
        assert_eq!(rules[1].kind, DeviceKind::All);
    }

    #[test]
    fn services_that_share_ipc_have_one_label() {
        let (one, two) = (
            service("security_opt: ['label=type:one_t']"),
            service("security_opt: ['label=type:two_t']"),
        );
        let project = Project::default();
        let mut found = Vec::new();
        let rights = [&one, &two].map(|it| of(&project, it, &kernel(), &mut Vec::new()));
        one_label(
            &[(&one, &rights[0], true), (&two, &rights[1], true)],
            &mut found,
        );
        assert_eq!(found.len(), 1);
        found.clear();
        one_label(
            &[(&one, &rights[0], true), (&two, &rights[1], false)],
            &mut found,
        );
        assert_eq!(found.len(), 0);
    }
}
