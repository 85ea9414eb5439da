//! Whose namespaces a service joins.

use super::Check;
use crate::compose::model::{NamespaceMode, NetworkMode, Project, Service};

const HINT: &str = "leave the key out: the services of a pod share one of their own";

pub(super) fn project(check: &mut Check<'_>, project: &Project) {
    let share = &check.policy.namespaces.share_pid;
    let is_off = |share: &Option<crate::compose::source::Spanned<bool>>| {
        share.as_ref().is_some_and(|share| !share.value)
    };
    if **share || project.services.len() < 2 || is_off(&project.pod.share_pid) {
        return;
    }
    // Two that share are one too many.
    let mut sharing = project
        .services
        .iter()
        .filter(|service| !is_off(&service.pod.share_pid));
    if let (Some(first), Some(_)) = (sharing.next(), sharing.next()) {
        let what = "one PID namespace for several services";
        let hint = "write x-pod: {share_pid: false} at the top of the file";
        check.forbid(share, "x-pod.share_pid", first.name.span, what, hint);
    }
}

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let namespaces = &check.policy.namespaces;
    if let Some(mode) = &service.network_mode
        && mode.value == NetworkMode::Host
        && !*namespaces.host_network
    {
        let setting = &namespaces.host_network;
        check.forbid(
            setting,
            "network_mode",
            mode.span,
            "the host's network",
            HINT,
        );
    }
    for (key, mode, setting, what) in [
        (
            "pid",
            &service.pid,
            &namespaces.host_pid,
            "the host's PID namespace",
        ),
        (
            "ipc",
            &service.ipc,
            &namespaces.host_ipc,
            "the host's IPC namespace",
        ),
        (
            "uts",
            &service.uts,
            &namespaces.host_uts,
            "the host's UTS namespace",
        ),
        (
            "cgroup",
            &service.cgroup,
            &namespaces.host_cgroup,
            "the host's cgroup namespace",
        ),
    ] {
        if let Some(mode) = mode
            && mode.value == NamespaceMode::Host
            && !**setting
        {
            check.forbid(setting, key, mode.span, what, HINT);
        }
    }
    if let Some(mode) = &service.userns_mode
        && mode.value == "host"
        && !*namespaces.host_user
    {
        let (setting, what) = (&namespaces.host_user, "the host's user namespace");
        check.forbid(setting, "userns_mode", mode.span, what, HINT);
    }
}
