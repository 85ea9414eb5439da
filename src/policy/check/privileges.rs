//! What a container's processes may do.

use super::super::fields::{BASELINE_CAPABILITIES, BASELINE_SYSCTLS};
use super::Check;
use crate::compose::model::Service;
use crate::compose::source::{Span, Spanned};

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    privileged(check, service);
    user(check, service);
    capabilities(check, service);
    devices(check, service);
    let privileges = &check.policy.privileges;
    if let Some(runtime) = &service.runtime
        && !privileges.runtimes.has(&runtime.value)
    {
        let what = format!("the runtime {:?}", runtime.value);
        let hint = "leave the key out: the host's runtime is used";
        check.forbid(&privileges.runtimes, "runtime", runtime.span, what, hint);
    }
    for (name, _) in &service.sysctls {
        if !privileges.sysctls.has_with(&BASELINE_SYSCTLS, &name.value) {
            let (key, what) = (format!("sysctls.{}", name.value), "this sysctl");
            let hint = "leave it out, or ask the operator to allow it";
            check.forbid(&privileges.sysctls, &key, name.span, what, hint);
        }
    }
    for (name, _) in &service.annotations {
        if !privileges.annotations.has(&name.value) {
            let (key, what) = (format!("annotations.{}", name.value), "this annotation");
            let hint = "write it as a label, if no runtime is to read it";
            check.forbid(&privileges.annotations, &key, name.span, what, hint);
        }
    }
}

fn privileged(check: &mut Check<'_>, service: &Service) {
    let setting = &check.policy.privileges.privileged;
    if **setting {
        return;
    }
    if let Some(privileged) = service.privileged.as_ref().filter(|it| it.value) {
        let what = "a privileged container";
        let hint = "name the capabilities and devices that it needs instead";
        check.forbid(setting, "privileged", privileged.span, what, hint);
    }
    for (key, hooks) in [
        ("post_start", &service.post_start),
        ("pre_stop", &service.pre_stop),
    ] {
        for (i, hook) in hooks.iter().enumerate().filter(|(_, hook)| hook.privileged) {
            let key = format!("{key}[{i}].privileged");
            check.forbid(
                setting,
                &key,
                hook.span,
                "a privileged hook",
                "leave the key out",
            );
        }
    }
}

/// A name is what the image says it is, and a number's name may be another number's there: only a
/// number can be judged before there is an image, and what it has become is looked at again later.
fn user(check: &mut Check<'_>, service: &Service) {
    let setting = &check.policy.privileges.root;
    if **setting {
        return;
    }
    let hint = "write a number that is not 0: user: \"1000:1000\"";
    match &service.user {
        None => {
            let what = "a container whose user is not told";
            check.forbid(setting, "user", service.name.span, what, hint);
        }
        Some(user) if may_be_root(&user.value) => {
            let what = format!("the user {:?}, who may be root,", user.value);
            check.forbid(setting, "user", user.span, what, hint);
        }
        Some(_) => {}
    }
    for (key, hooks) in [
        ("post_start", &service.post_start),
        ("pre_stop", &service.pre_stop),
    ] {
        for (i, hook) in hooks.iter().enumerate() {
            if let Some(user) = hook.user.as_ref().filter(|user| may_be_root(&user.value)) {
                let what = format!("the user {:?}, who may be root,", user.value);
                check.forbid(setting, &format!("{key}[{i}].user"), user.span, what, hint);
            }
        }
    }
}

fn may_be_root(user: &str) -> bool {
    let uid = user.split(':').next().unwrap_or_default();
    let number = uid.bytes().all(|byte| byte.is_ascii_digit()) && uid.parse::<u32>().is_ok();
    !number || uid.bytes().all(|byte| byte == b'0')
}

fn capabilities(check: &mut Check<'_>, service: &Service) {
    let privileges = &check.policy.privileges;
    for (i, name) in service.cap_add.iter().enumerate() {
        let plain = capability(&name.value);
        if !privileges.cap_add.has_with(&BASELINE_CAPABILITIES, &plain) {
            let what = format!("the capability {plain:?}");
            let hint = "leave it out, or ask the operator to allow it";
            let key = format!("cap_add[{i}]");
            check.forbid(&privileges.cap_add, &key, name.span, what, hint);
        }
    }
    let drops_all = service
        .cap_drop
        .iter()
        .any(|name| capability(&name.value) == "ALL");
    if *privileges.drop_all && !drops_all {
        let span = service
            .cap_drop
            .first()
            .map_or(service.name.span, |name| name.span);
        let what = "to keep capabilities";
        let hint = "write cap_drop: [ALL]";
        check.forbid(&privileges.drop_all, "cap_drop", span, what, hint);
    }
}

/// Without its prefix, in upper case: as capabilities(7) and Docker have it.
fn capability(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    upper
        .strip_prefix("CAP_")
        .map_or(upper.clone(), str::to_owned)
}

fn devices(check: &mut Check<'_>, service: &Service) {
    let privileges = &check.policy.privileges;
    let device = |check: &mut Check<'_>, i: usize, path: &Spanned<String>, access: &str| {
        if !privileges.devices.allow(&path.value, access) {
            let what = format!("the device {:?} with {access:?}", path.value);
            let hint = "leave it out, or ask the operator to allow it";
            let key = format!("devices[{i}]");
            check.forbid(&privileges.devices, &key, path.span, what, hint);
        }
    };
    for (i, it) in service.devices.iter().enumerate() {
        let access = it
            .permissions
            .as_ref()
            .map_or("rwm", |access| &access.value);
        device(check, i, &it.source, access);
    }
    let rules = &privileges.device_cgroup_rules;
    let span: Option<Span> = service.device_cgroup_rules.first().map(|rule| rule.span);
    if let Some(span) = span.filter(|_| !**rules) {
        let hint = "name the devices with `devices`";
        check.forbid(
            rules,
            "device_cgroup_rules",
            span,
            "a rule on devices",
            hint,
        );
    }
}
