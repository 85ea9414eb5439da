//! For the tests of this folder: a service from a line, and a machine that has everything.

use super::context::{CgroupVersion, Kernel, SecurityModule};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;
use crate::compose::testing::project_of;

/// The service `a` with these keys, as a flow mapping has them.
pub(super) fn service(keys: &str) -> Service {
    let project = project_of(&format!("services: {{a: {{image: i, {keys}}}}}"));
    project.services[0].clone()
}

/// A machine of four CPUs whose kernel lacks nothing.
pub(super) fn kernel() -> Kernel {
    Kernel {
        cgroups: CgroupVersion::V1,
        architecture: "amd64".to_owned(),
        cpus: (0..4).collect(),
        block_weight: true,
        realtime: true,
        security_modules: [SecurityModule::AppArmor, SecurityModule::Selinux].into(),
    }
}

pub(super) fn messages(found: &[Diagnostic]) -> Vec<String> {
    found.iter().map(|it| it.message.clone()).collect()
}
