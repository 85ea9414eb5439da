//! `devices` and `device_cgroup_rules`: which devices of the host a container is to have.

use std::path::{Path, PathBuf};

use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Device, Service};
use crate::compose::source::Spanned;

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

/// Below /dev, and not up from there again.
pub(super) fn is_device_path(path: &str) -> bool {
    let parts = path.strip_prefix("/dev/");
    parts.is_some_and(|rest| {
        rest.split('/')
            .all(|part| !matches!(part, "" | "." | "..") && !part.contains('\0'))
    })
}

/// A device that a service names; none of what is told to be wrong.
pub(super) fn device(
    device: &Device,
    service: &Service,
    found: &mut Vec<Diagnostic>,
) -> Option<DevicePlan> {
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
pub(super) fn rule(text: &str) -> Option<DeviceRule> {
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
    use super::super::rights::tests::{good, rights};
    use super::super::testing::kernel;
    use super::*;

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
}
