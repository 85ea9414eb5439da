//! What runs in a container, as whom, below which limits, and by which runtime.

use std::collections::BTreeMap;

use super::context::{Kernel, PodContext};
use super::plan::{ProcessPlan, RlimitPlan, RuntimeName};
use super::sharing::{NamespacesPlan, Sharing};
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;

/// What annotations begin with by which runtimes and shims take orders: handlers, hooks, devices,
/// groups of containers. crun(1), runc's `docs/systemd.md`, containerd's shim.
const ORDERS: [&str; 11] = [
    "com.github.containers.virtcontainers.",
    "dev.gvisor.",
    "io.containerd.",
    "io.katacontainers.",
    "io.kubernetes.",
    "io.podman.",
    "krun.",
    "module.wasm.",
    "org.criu.",
    "org.systemd.property.",
    "run.oci.",
];
/// What stands before the slash of those that plug-ins of containerd's and of devices take orders by,
/// or ends it: `mounts.nri.io/container.web`, `cdi.k8s.io/gpu`.
const DOMAINS: [&str; 4] = ["cdi.k8s.io", "containerd.io", "nri.io", "nvidia.com"];

pub(super) fn of(
    service: &Service,
    context: &PodContext,
    namespaces: &NamespacesPlan,
) -> ProcessPlan {
    let rlimits = service.ulimits.iter().map(|limit| RlimitPlan {
        name: format!("RLIMIT_{}", limit.name.to_ascii_uppercase()),
        soft: limit.range.soft,
        hard: limit.range.hard,
    });
    ProcessPlan {
        entrypoint: service.entrypoint.as_ref().map(|words| words.value.clone()),
        command: service.command.as_ref().map(|words| words.value.clone()),
        environment: service
            .environment
            .iter()
            .map(|(name, value)| (name.value.clone(), value.clone()))
            .collect(),
        task_environment: context.environment.clone(),
        working_dir: service.working_dir.as_ref().map(|dir| dir.value.clone()),
        user: service.user.clone(),
        groups: service.group_add.clone(),
        tty: service.tty.as_ref().is_some_and(|tty| tty.value),
        // In the pod's PID namespace the pause container is what an init would be.
        init: namespaces.pid == Sharing::Own && service.init.as_ref().is_some_and(|it| it.value),
        rlimits: rlimits.collect(),
        oom_score_adj: service
            .oom_score_adj
            .as_ref()
            .and_then(|score| i32::try_from(score.value).ok()),
    }
}

pub(super) fn runtime(service: &Service, found: &mut Vec<Diagnostic>) -> Option<RuntimeName> {
    let name = service.runtime.as_ref()?;
    match name.as_str() {
        "" => None,
        "runc" | "io.containerd.runc.v2" => Some(RuntimeName::Runc),
        "crun" => Some(RuntimeName::Crun),
        _ => {
            found.extend(verdict::of_service(
                service,
                "runtime: any other",
                name.span,
            ));
            None
        }
    }
}

pub(super) fn annotations(
    service: &Service,
    found: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::new();
    for (key, value) in &service.annotations {
        if gives_orders(key) {
            let row = "annotations: of a runtime's";
            found.extend(verdict::of_service(service, row, key.span));
        } else {
            annotations.insert(key.value.clone(), value.clone());
        }
    }
    annotations
}

fn gives_orders(key: &str) -> bool {
    let domain = key.split('/').next().unwrap_or_default();
    let is_in = |parent: &str| {
        let rest = domain.strip_suffix(parent);
        rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    key.is_empty()
        || ORDERS.iter().any(|order| key.starts_with(order))
        || DOMAINS.iter().any(|parent| is_in(parent))
}

/// The image is for this machine, or there is none to run.
pub(super) fn check_platform(service: &Service, kernel: &Kernel, found: &mut Vec<Diagnostic>) {
    let Some(platform) = service.platform.as_ref().filter(|text| !text.is_empty()) else {
        return;
    };
    let mut parts = platform.split('/');
    let (first, second) = (parts.next().unwrap_or_default(), parts.next());
    let fits = match (first, second) {
        ("linux", None) => true,
        ("linux", Some(architecture)) | (architecture, None) => {
            known_as(architecture) == kernel.architecture
        }
        _ => false,
    };
    if !fits {
        found.extend(verdict::of_service(
            service,
            "platform: another architecture",
            platform.span,
        ));
    }
}

/// The OCI's name for an architecture that has several.
fn known_as(architecture: &str) -> &str {
    match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{kernel, messages, service};
    use super::*;

    #[test]
    fn a_platform_must_be_the_machines() {
        let told = |platform: &str| {
            let mut found = Vec::new();
            let service = service(&format!("platform: {platform}"));
            check_platform(&service, &kernel(), &mut found);
            messages(&found).len()
        };
        for good in [
            "linux/amd64",
            "linux",
            "amd64",
            "linux/x86_64",
            "linux/amd64/v2",
        ] {
            assert_eq!(told(good), 0, "{good}");
        }
        for bad in ["linux/arm64", "windows/amd64", "windows", "linux/arm/v7"] {
            assert_eq!(told(bad), 1, "{bad}");
        }
    }

    #[test]
    fn annotations_that_give_orders_are_refused() {
        for (key, kept) in [
            ("org.example.note", true),
            ("example.org/run.oci.handler", true),
            ("mynri.io/x", true),
            ("org.opencontainers.image.title", true),
            ("run.oci.handler", false),
            ("run.oci.hooks.stdout", false),
            ("run.oci.seccomp_bpf_data", false),
            ("run.oci.keep_original_groups", false),
            ("run.oci.mount_context_type", false),
            ("krun.ram_mib", false),
            ("module.wasm.image/variant", false),
            ("org.criu.config", false),
            ("org.systemd.property.ExecStopPost", false),
            ("io.containerd.runc.v2.group", false),
            ("io.kubernetes.cri.sandbox-id", false),
            ("io.kubernetes.cri.container-type", false),
            ("containerd.io/restart.status", false),
            ("devices.nri.io/container.web", false),
            ("ulimits.nri.containerd.io", false),
            ("cdi.k8s.io/gpu", false),
            ("nvidia.cdi.k8s.io/gpu", false),
        ] {
            let mut found = Vec::new();
            let service = service(&format!("annotations: {{'{key}': x}}"));
            let left = annotations(&service, &mut found);
            assert_eq!(
                (left.contains_key(key), found.is_empty()),
                (kept, kept),
                "{key}"
            );
        }
    }

    #[test]
    fn runtimes_are_known_by_two_names() {
        let mut found = Vec::new();
        let mut of = |name: &str| runtime(&service(&format!("runtime: {name}")), &mut found);
        assert_eq!(of("runc"), Some(RuntimeName::Runc));
        assert_eq!(of("io.containerd.runc.v2"), Some(RuntimeName::Runc));
        assert_eq!(of("crun"), Some(RuntimeName::Crun));
        assert_eq!(of("kata"), None);
        assert_eq!(found.len(), 1);
    }
}
