//! The pause container's document: it holds the pod's namespaces and does nothing else.

use std::path::Path;

use oci_spec::runtime::{Root, Spec};

use super::base::BaseSpecs;
use super::host::HostFacts;
use super::{capabilities, namespaces};
use crate::pod::plan::{NetworkPlan, SandboxPlan};

/// Containers that carry the same value share the shim of the container whose id it is.
const GROUP: &str = "io.containerd.runc.v2.group";

/// The pause container's document. `root` is the read-only directory with the program `/pause` and
/// empty directories `proc` and `dev`, absolute; nothing is written in it.
///
/// A service that is root could look into /proc/1/root, since pause has fewer capabilities than it.
/// So pause runs as a user that nobody else is, and its /proc is masked as everybody's.
pub fn pause_spec(base: &BaseSpecs, host: &HostFacts, plan: &SandboxPlan, root: &Path) -> Spec {
    let base = &base.pause;
    let mut process = base.process.clone();
    process
        .set_capabilities(Some(capabilities::none()))
        .set_oom_score_adj(Some(host.oom_score_floor.max(0)));

    let mut linux = base.linux.clone();
    linux
        .set_namespaces(Some(namespaces::of_pause(&plan.network, host)))
        .set_cgroups_path(Some(plan.cgroup.pause().as_str().into()));
    if plan.network == NetworkPlan::Host {
        // They would be the host's own settings.
        linux.set_sysctl(None);
    }
    if !plan.sysctls.is_empty() {
        let sysctls = linux.sysctl_mut().get_or_insert_default();
        sysctls.extend(plan.sysctls.clone());
    }

    let mut directory = Root::default();
    directory.set_path(root.to_owned()).set_readonly(Some(true));
    let mut spec = base.with(process, linux);
    spec.set_root(Some(directory))
        .set_hostname(Some(plan.hostname.clone()));
    join_group(&mut spec, plan);
    spec
}

/// Has the container served by the pod's one shim.
pub(super) fn join_group(spec: &mut Spec, plan: &SandboxPlan) {
    let annotations = spec.annotations_mut().get_or_insert_default();
    annotations.insert(GROUP.to_owned(), plan.id.to_string());
}
