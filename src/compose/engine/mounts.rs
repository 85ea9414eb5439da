//! Mounts and devices.

use super::Check;

pub(super) fn check(check: &mut Check<'_>) {
    let service = check.service;
    for (key, mounts) in [("volumes", &service.volumes), ("tmpfs", &service.tmpfs)] {
        for mount in mounts {
            let target = &mount.target;
            if !target.is_absolute() {
                let problem = format!("`{}` is no absolute path", target.display());
                check.fail(key, target.span, &problem);
            }
        }
    }
    for device in &service.devices {
        if let Some(permissions) = &device.permissions
            && !(permissions.bytes().all(|byte| b"rwm".contains(&byte))
                && (1..=3).contains(&permissions.len()))
        {
            let problem = format!("`{}` are no permissions", permissions.value);
            check.fail("devices", permissions.span, &problem).help =
                Some("they are of the letters r, w and m".to_owned());
        }
    }
    for rule in &service.device_cgroup_rules {
        if !is_device_rule(rule) {
            let problem = format!("`{}` is no rule", rule.value);
            check.fail("device_cgroup_rules", rule.span, &problem).help =
                Some("a rule is a type, numbers and permissions, as in `c 1:3 rwm`".to_owned());
        }
    }
}

/// `[acb] (N|*):(N|*) [rwm]{1,3}`
fn is_device_rule(rule: &str) -> bool {
    let number = |text: &str| text == "*" || text.parse::<u32>().is_ok();
    let parts: Vec<&str> = rule.split(' ').collect();
    let ["a" | "b" | "c", numbers, permissions] = parts.as_slice() else {
        return false;
    };
    numbers
        .split_once(':')
        .is_some_and(|(major, minor)| number(major) && number(minor))
        && (1..=3).contains(&permissions.len())
        && permissions.bytes().all(|byte| b"rwm".contains(&byte))
}
