//! A service's document, put together.

use oci_spec::runtime::{Root, Spec};

use super::base::BaseSpecs;
use super::error::SpecError;
use super::host::HostFacts;
use super::image::ImageDefaults;
use super::mounts::{self, ContainerFiles};
use super::namespaces::{self, PauseRef};
use super::user::Accounts;
use super::{capabilities, process, resources, sandbox};
use crate::pod::plan::{ContainerPlan, SandboxPlan};

/// All that is known of a container before it is made.
#[derive(Clone, Copy, Debug)]
pub struct ContainerInput<'a> {
    pub plan: &'a ContainerPlan,
    pub sandbox: &'a SandboxPlan,
    pub image: &'a ImageDefaults,
    pub accounts: &'a Accounts,
    pub files: &'a ContainerFiles,
    pub pause: PauseRef,
}

/// A service's document. Its root is `rootfs` in the bundle, where containerd mounts the snapshot.
pub fn container_spec(
    base: &BaseSpecs,
    host: &HostFacts,
    input: &ContainerInput<'_>,
) -> Result<Spec, SpecError> {
    let ContainerInput { plan, sandbox, .. } = *input;
    let process = process::process(&base.container.process, input, host)?;
    let granted = capabilities::bounding(&process);

    let mut linux = base.container.linux.clone();
    resources::fill(&mut linux, plan, host)?;
    linux
        .set_namespaces(Some(namespaces::of_service(
            input.pause,
            &sandbox.network,
            host,
        )))
        .set_seccomp(Some(base.seccomp.resolve(host.arch, host.kernel, &granted)));
    if let Some(masked) = linux.masked_paths_mut() {
        masked.extend(host.masked_paths.iter().cloned());
    }

    let mut root = Root::default();
    root.set_path("rootfs".into())
        .set_readonly(Some(plan.read_only));
    let mut spec = base.container.with(process, linux);
    let standard = spec.mounts_mut().take().unwrap_or_default();
    spec.set_mounts(Some(mounts::mounts(standard, plan, input.files)?))
        .set_root(Some(root))
        .set_hostname(Some(plan.hostname.clone()))
        .set_annotations(Some(sandbox::group(sandbox)));
    Ok(spec)
}
