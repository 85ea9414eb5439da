//! Holds a project against a policy: [`check`] finds all violations, in the order of the file.
//!
//! A check says what is asked for, never why it would be wrong in general: that is the loader's and
//! the engine's to tell. What no policy could allow is not here either.

mod images;
mod lifecycle;
mod mounts;
mod namespaces;
mod privileges;
mod resources;
mod security_opt;
mod size;

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::fields::Policy;
use super::setting::Setting;
use super::violation::Violation;
use crate::compose::model::{Project, Service};
use crate::compose::source::Span;

/// Where the project is.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The task's sandbox; for `up`, the project's folder.
    pub sandbox: &'a Path,
    /// Folders of the host's that are not to be bound by way of one above them: the agent's, and ours.
    pub guarded: &'a [PathBuf],
    /// Archives of images that the task names beside the file's.
    pub archives: &'a [PathBuf],
}

/// Everything in a project that its policy does not allow.
pub fn check(project: &Project, policy: &Policy, place: Surroundings<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut all = Check {
        policy,
        place,
        base: String::new(),
        found: &mut found,
    };
    size::project(&mut all, project);
    images::project(&mut all, project);
    namespaces::project(&mut all, project);
    mounts::project(&mut all, project);
    for service in &project.services {
        all.base = format!("services.{}.", service.name.value);
        one(&mut all, service);
    }
    found.sort_by_key(|violation| violation.span);
    found
}

fn one(check: &mut Check<'_>, service: &Service) {
    size::service(check, service);
    images::service(check, service);
    namespaces::service(check, service);
    privileges::service(check, service);
    security_opt::service(check, service);
    mounts::service(check, service);
    resources::service(check, service);
    lifecycle::service(check, service);
}

/// What the checks of one project share.
struct Check<'a> {
    policy: &'a Policy,
    place: Surroundings<'a>,
    /// What stands before a key: `services.web.`, or nothing at the top.
    base: String,
    found: &'a mut Vec<Violation>,
}

impl Check<'_> {
    /// Notes that `key` asks for `what`, which `setting` forbids.
    fn forbid<T: Serialize>(
        &mut self,
        setting: &Setting<T>,
        key: &str,
        span: Span,
        what: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let row = setting.row();
        let name = setting.field.rsplit('.').next().unwrap_or(setting.field);
        self.found.push(Violation {
            code: format!("CE-POLICY-{}", name.to_ascii_uppercase().replace('_', "-")),
            key: format!("{}{key}", self.base),
            span,
            what: what.into(),
            field: setting.field,
            setting: format!("{}, {}", row.value, row.origin),
            hint: hint.into(),
        });
    }
}
