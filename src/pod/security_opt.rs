//! `security_opt`: what confines a container's processes beside their capabilities.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::context::{Kernel, SecurityModule};
use super::rights::RightsPlan;
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{Project, SecurityOption, Service};
use crate::compose::source::Spanned;

/// Which system calls are filtered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeccompPlan {
    Default,
    Unconfined,
    /// A profile as Docker or a runtime document has it.
    File(Spanned<PathBuf>),
}

/// The parts of an SELinux label that a file sets; none is the default's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SelinuxPlan {
    pub user: Option<String>,
    pub role: Option<String>,
    pub kind: Option<String>,
    pub level: Option<String>,
}

impl SelinuxPlan {
    /// `system_u:system_r:container_t:s0`, with the parts that are set.
    pub fn label(&self) -> String {
        let part = |part: &Option<String>, default: &str| {
            part.clone().unwrap_or_else(|| default.to_owned())
        };
        format!(
            "{}:{}:{}:{}",
            part(&self.user, "system_u"),
            part(&self.role, "system_r"),
            part(&self.kind, "container_t"),
            part(&self.level, "s0"),
        )
    }
}

/// One of `security_opt`.
pub(super) fn apply(
    rights: &mut RightsPlan,
    option: &Spanned<String>,
    project: &Project,
    service: &Service,
    kernel: &Kernel,
    found: &mut Vec<Diagnostic>,
) {
    let mut say = |key: &str| found.extend(verdict::of_service(service, key, option.span));
    match SecurityOption::parse(option) {
        SecurityOption::NoNewPrivileges(flag) => rights.no_new_privileges = flag,
        SecurityOption::SeccompDefault => rights.seccomp = SeccompPlan::Default,
        SecurityOption::SeccompUnconfined => rights.seccomp = SeccompPlan::Unconfined,
        SecurityOption::SeccompFile(file) => {
            let path = project.working_dir.join(file);
            rights.seccomp = SeccompPlan::File(Spanned::new(path, option.span));
        }
        SecurityOption::AppArmor(profile) if kernel.has(SecurityModule::AppArmor) => {
            rights.apparmor = Some(profile.to_owned());
        }
        // Without AppArmor nothing confines, which is what is asked for.
        SecurityOption::AppArmor("unconfined") => {}
        SecurityOption::AppArmor(_) => say("security_opt: apparmor without a kernel that has it"),
        SecurityOption::LabelDisable => rights.selinux = None,
        SecurityOption::Label { part, value } if kernel.has(SecurityModule::Selinux) => {
            let label = rights.selinux.get_or_insert_default();
            if !set_part(label, part, value) {
                say("security_opt: any other");
            }
        }
        SecurityOption::Label { .. } => {
            say("security_opt: label without a kernel that has SELinux");
        }
        SecurityOption::UnmaskedPaths => rights.unmasked = true,
        SecurityOption::Unknown => say("security_opt: any other"),
    }
}

/// `type` and `container_t`. False where it is no part of a label.
fn set_part(label: &mut SelinuxPlan, part: &str, value: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_.,:-".contains(c);
    if value.is_empty() || !value.chars().all(good) {
        return false;
    }
    let field = match part {
        "user" => &mut label.user,
        "role" => &mut label.role,
        "type" => &mut label.kind,
        "level" => &mut label.level,
        _ => return false,
    };
    *field = Some(value.to_owned());
    true
}

/// All services that share IPC must have one SELinux label: what one makes, the others could not
/// open.
pub(super) fn one_label(services: &[(&Service, &RightsPlan, bool)], found: &mut Vec<Diagnostic>) {
    let mut labels: BTreeMap<String, &Service> = BTreeMap::new();
    for (service, rights, shares_ipc) in services {
        if let Some(label) = &rights.selinux
            && *shares_ipc
        {
            labels.entry(label.label()).or_insert(service);
        }
    }
    let mut labels = labels.values();
    if let (Some(first), Some(second)) = (labels.next(), labels.next()) {
        let text = format!(
            "services {} and {} share IPC and ask for different SELinux labels",
            first.name.value, second.name.value
        );
        let place = |service: &Service| {
            let options = service.security_opt.iter();
            let mut labels = options.filter(|option| option.starts_with("label"));
            labels
                .next()
                .map_or(service.name.span, |option| option.span)
        };
        found.push(
            Diagnostic::invalid(text)
                .at(place(second))
                .label(place(first), "the other"),
        );
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::rights::{self, tests::good, tests::rights};
    use super::super::testing::{kernel, service};
    use super::*;

    #[test]
    fn security_options_are_read_with_either_sign() {
        let file = |text: &str| match good(text).seccomp {
            SeccompPlan::File(path) => path.value,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            file("security_opt: ['seccomp:./s.json']"),
            Path::new("/p/./s.json")
        );
        assert_eq!(
            file("security_opt: ['seccomp=s.json']"),
            Path::new("/p/s.json")
        );
        assert_eq!(
            good("security_opt: ['seccomp=unconfined']").seccomp,
            SeccompPlan::Unconfined
        );
        assert!(good("security_opt: ['systempaths=unconfined']").unmasked);
        assert_eq!(
            good("security_opt: ['apparmor=mine']").apparmor.as_deref(),
            Some("mine")
        );
        let label = good("security_opt: ['label=type:my_t', 'label=level:s0:c1,c2']").selinux;
        assert_eq!(label.unwrap().label(), "system_u:system_r:my_t:s0:c1,c2");
        for bad in [
            "credentialspec=x",
            "seccomp:x=builtin",
            "seccomp",
            "label=colour:red",
            "systempaths=x",
        ] {
            let (_, found) = rights(&format!("security_opt: ['{bad}']"), &kernel());
            assert_eq!(found.len(), 1, "{bad}");
        }
    }

    #[test]
    fn what_the_kernel_lacks_is_refused_and_its_absence_is_not() {
        let mut plain = kernel();
        plain.security_modules.clear();
        let found = |keys: &str| rights(keys, &plain).1.len();
        assert_eq!(found("security_opt: ['apparmor=mine']"), 1);
        assert_eq!(found("security_opt: ['label=type:t']"), 1);
        assert_eq!(
            found("security_opt: ['apparmor=unconfined', 'label=disable']"),
            0
        );
    }

    #[test]
    fn services_that_share_ipc_have_one_label() {
        let (one, two) = (
            service("security_opt: ['label=type:one_t']"),
            service("security_opt: ['label=type:two_t']"),
        );
        let project = Project::default();
        let mut found = Vec::new();
        let rights = [&one, &two].map(|it| rights::of(&project, it, &kernel(), &mut Vec::new()));
        one_label(
            &[(&one, &rights[0], true), (&two, &rights[1], true)],
            &mut found,
        );
        assert_eq!(found.len(), 1);
        found.clear();
        one_label(
            &[(&one, &rights[0], true), (&two, &rights[1], false)],
            &mut found,
        );
        assert_eq!(found.len(), 0);
    }
}
