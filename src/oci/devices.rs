//! `linux.devices`, and leave to use them: the device cgroup.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::runtime::{
    Linux, LinuxDevice, LinuxDeviceBuilder, LinuxDeviceCgroup, LinuxDeviceCgroupBuilder,
    LinuxDeviceType,
};

use crate::pod::plan::{DeviceKind, DeviceRule, RightsPlan};

/// A device node of the host's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostDevice {
    pub path: PathBuf,
    pub block: bool,
    pub major: u32,
    pub minor: u32,
    /// Permissions, without the type.
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
}

/// The devices that a container's plan names, as the supervisor found them on the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostDevices {
    /// By the path that names them: one, or all below a folder.
    pub named: BTreeMap<PathBuf, Vec<HostDevice>>,
    /// All of the host's, for a privileged container.
    pub all: Vec<HostDevice>,
}

impl HostDevices {
    pub(super) fn at(&self, path: &Path) -> &[HostDevice] {
        self.named.get(path).map_or(&[], Vec::as_slice)
    }
}

/// Fills in the devices and rules of a plan.
pub(super) fn fill(linux: &mut Linux, rights: &RightsPlan, devices: &HostDevices) {
    let mut nodes: Vec<LinuxDevice> = Vec::new();
    let mut rules: Vec<LinuxDeviceCgroup> = Vec::new();
    if rights.privileged {
        nodes.extend(devices.all.iter().map(|device| node(device, &device.path)));
        rules.push(rule(LinuxDeviceType::A, None, None, "rwm"));
    }
    for planned in &rights.devices {
        for device in devices.at(&planned.source) {
            // A folder's devices keep their places in it.
            let target = match device.path.strip_prefix(&planned.source.value) {
                Ok(rest) if rest.as_os_str().is_empty() => planned.target.clone(),
                Ok(rest) => planned.target.join(rest),
                Err(_) => planned.target.clone(),
            };
            nodes.retain(|known| *known.path() != target);
            nodes.push(node(device, &target));
            let number = |number: u32| Some(i64::from(number));
            let (major, minor) = (number(device.major), number(device.minor));
            rules.push(rule(kind(device), major, minor, &planned.access.0));
        }
    }
    rules.extend(rights.device_rules.iter().map(planned_rule));
    if !nodes.is_empty() {
        linux.set_devices(Some(nodes));
    }
    if !rules.is_empty() {
        let resources = linux.resources_mut().get_or_insert_default();
        let mut all = resources.devices().clone().unwrap_or_default();
        all.extend(rules);
        resources.set_devices(Some(all));
    }
}

fn kind(device: &HostDevice) -> LinuxDeviceType {
    if device.block {
        LinuxDeviceType::B
    } else {
        LinuxDeviceType::C
    }
}

fn node(device: &HostDevice, target: &Path) -> LinuxDevice {
    LinuxDeviceBuilder::default()
        .path(target)
        .typ(kind(device))
        .major(i64::from(device.major))
        .minor(i64::from(device.minor))
        .file_mode(device.mode)
        .uid(device.uid)
        .gid(device.gid)
        .build()
        .expect("every field is given")
}

fn planned_rule(planned: &DeviceRule) -> LinuxDeviceCgroup {
    let kind = match planned.kind {
        DeviceKind::All => LinuxDeviceType::A,
        DeviceKind::Block => LinuxDeviceType::B,
        DeviceKind::Character => LinuxDeviceType::C,
    };
    let number = |number: Option<u32>| number.map(i64::from);
    rule(
        kind,
        number(planned.major),
        number(planned.minor),
        &planned.access.0,
    )
}

fn rule(
    kind: LinuxDeviceType,
    major: Option<i64>,
    minor: Option<i64>,
    access: &str,
) -> LinuxDeviceCgroup {
    let mut rule = LinuxDeviceCgroupBuilder::default()
        .allow(true)
        .typ(kind)
        .access(access)
        .build()
        .expect("every field is given or optional");
    rule.set_major(major).set_minor(minor);
    rule
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{Fixture, spanned};
    use super::*;
    use crate::pod::plan::{DeviceAccess, DevicePlan};

    fn device(path: &str, minor: u32) -> HostDevice {
        HostDevice {
            path: path.into(),
            block: false,
            major: 116,
            minor,
            mode: 0o660,
            uid: 0,
            gid: 29,
        }
    }

    fn filled(rights: &RightsPlan, devices: &HostDevices) -> Linux {
        let mut linux = Linux::default();
        linux.set_resources(None).set_devices(None);
        fill(&mut linux, rights, devices);
        linux
    }

    #[test]
    fn a_folder_brings_all_that_is_in_it() {
        let mut rights = Fixture::new().plan.rights;
        rights.devices = vec![DevicePlan {
            source: spanned("/dev/snd".into(), 40),
            target: "/dev/sound".into(),
            access: DeviceAccess("rw".into()),
        }];
        let found = vec![device("/dev/snd/timer", 33), device("/dev/snd/by/seq", 1)];
        let devices = HostDevices {
            named: [("/dev/snd".into(), found)].into(),
            all: Vec::new(),
        };
        let linux = filled(&rights, &devices);
        let nodes = linux.devices().as_ref().unwrap();
        let paths: Vec<_> = nodes.iter().map(|node| node.path().as_path()).collect();
        assert_eq!(
            paths,
            [
                Path::new("/dev/sound/timer"),
                Path::new("/dev/sound/by/seq")
            ]
        );
        let rules = linux.resources().as_ref().unwrap().devices().clone();
        let rules: Vec<_> = rules.unwrap().iter().map(ToString::to_string).collect();
        assert_eq!(rules, ["c 116:33 rw", "c 116:1 rw"]);
    }

    #[test]
    fn a_privileged_container_has_all_devices() {
        let mut rights = Fixture::new().plan.rights;
        rights.privileged = true;
        let devices = HostDevices {
            named: BTreeMap::new(),
            all: vec![device("/dev/fuse", 229)],
        };
        let linux = filled(&rights, &devices);
        assert_eq!(linux.devices().as_ref().unwrap().len(), 1);
        let rules = linux
            .resources()
            .as_ref()
            .unwrap()
            .devices()
            .clone()
            .unwrap();
        assert_eq!(rules[0].to_string(), "a *:* rwm");
    }

    #[test]
    fn rules_may_leave_numbers_open() {
        let mut rights = Fixture::new().plan.rights;
        rights.device_rules = vec![DeviceRule {
            kind: DeviceKind::Character,
            major: Some(10),
            minor: None,
            access: DeviceAccess("r".into()),
        }];
        let linux = filled(&rights, &HostDevices::default());
        let rules = linux
            .resources()
            .as_ref()
            .unwrap()
            .devices()
            .clone()
            .unwrap();
        assert_eq!(rules[0].to_string(), "c 10:* r");
        assert_eq!(linux.devices(), &None);
    }
}
