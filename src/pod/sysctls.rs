//! `sysctls`: settings of the kernel that belong to namespaces, the pod's or a service's own.

use std::collections::BTreeMap;

use super::plan::NetworkPlan;
use super::sharing::{IpcPlan, NamespacesPlan, Sharing};
use super::verdict;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::Service;
use crate::compose::source::{Span, Spanned};

/// Settings by name: sysctl(8).
pub(super) type Sysctls = BTreeMap<String, String>;

/// What a setting belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Network,
    Ipc,
    HostName,
    Machine,
}

/// See `ipc_namespaces(7)` and `network_namespaces(7)`.
fn scope(name: &str) -> Scope {
    const IPC: [&str; 8] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shm_rmid_forced",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
    ];
    if name.starts_with("net.") {
        Scope::Network
    } else if IPC.contains(&name) || name.starts_with("fs.mqueue.") {
        Scope::Ipc
    } else if matches!(name, "kernel.hostname" | "kernel.domainname") {
        Scope::HostName
    } else {
        Scope::Machine
    }
}

/// Parts of letters and digits, none empty: no name climbs out of /proc/sys.
fn is_name(name: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || "_-/:@".contains(c);
    name.split('.')
        .all(|part| !part.is_empty() && part.split('/').all(|part| !part.is_empty()))
        && name.chars().all(|c| good(c) || c == '.')
}

/// Collects the settings of a pod's services: the shared namespaces' are the pod's, and may be
/// said more than once but not differently.
#[derive(Debug, Default)]
pub(super) struct Settings<'a> {
    shared: BTreeMap<String, (&'a str, String, Span)>,
}

impl<'a> Settings<'a> {
    /// Takes in a service's, and gives those of its own namespaces.
    pub(super) fn of(
        &mut self,
        service: &'a Service,
        namespaces: &NamespacesPlan,
        network: &NetworkPlan,
        found: &mut Vec<Diagnostic>,
    ) -> Sysctls {
        let mut own = Sysctls::new();
        for (key, value) in &service.sysctls {
            let mut say = |row: &str| found.extend(verdict::of_service(service, row, key.span));
            if !is_name(key) {
                say("sysctls: of the whole machine");
                continue;
            }
            let whose = match scope(key) {
                Scope::Machine => {
                    say("sysctls: of the whole machine");
                    continue;
                }
                Scope::HostName => {
                    say("sysctls: of the host name");
                    continue;
                }
                Scope::Network if namespaces.network == Sharing::Own => Sharing::Own,
                Scope::Network if *network == NetworkPlan::Host => Sharing::Host,
                Scope::Network => Sharing::Pod,
                Scope::Ipc => match namespaces.ipc {
                    IpcPlan::Pod => Sharing::Pod,
                    IpcPlan::Own { .. } | IpcPlan::OwnWithoutShm => Sharing::Own,
                    IpcPlan::Host => Sharing::Host,
                },
            };
            match whose {
                Sharing::Own => _ = own.insert(key.value.clone(), value.clone()),
                Sharing::Host => say("sysctls: of the whole machine"),
                Sharing::Pod => self.share(service, key, value, found),
            }
        }
        own
    }

    fn share(
        &mut self,
        service: &'a Service,
        key: &Spanned<String>,
        value: &str,
        found: &mut Vec<Diagnostic>,
    ) {
        let name = service.name.value.as_str();
        match self.shared.get(&key.value) {
            Some((other, theirs, span)) if theirs != value => {
                let text = format!(
                    "services {other} and {name} share {} and want different values: {theirs} and {value}",
                    key.value
                );
                found.push(
                    Diagnostic::invalid(text)
                        .at(key.span)
                        .label(*span, "the other"),
                );
            }
            Some(_) => {}
            None => {
                let known = (name, value.to_owned(), key.span);
                self.shared.insert(key.value.clone(), known);
            }
        }
    }

    /// Those of the pod's namespaces.
    pub(super) fn shared(self) -> Sysctls {
        let shared = self.shared.into_iter();
        shared.map(|(name, (_, value, _))| (name, value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::sharing;
    use super::super::testing::messages;
    use super::*;
    use crate::compose::testing::project_of;

    /// The pod's settings, those of each service of a file, and what is told.
    fn planned(text: &str) -> (Sysctls, Vec<Sysctls>, Vec<String>) {
        let project = project_of(text);
        let netns = "/run/netns/pod".into();
        let network = sharing::network(&project, &NetworkPlan::Own { netns });
        let mut found = Vec::new();
        let mut settings = Settings::default();
        let mut each = Vec::new();
        for service in &project.services {
            let namespaces = sharing::of(&project, service, &network, &mut found);
            each.push(settings.of(service, &namespaces, &network, &mut found));
        }
        (settings.shared(), each, messages(&found))
    }

    #[test]
    fn settings_of_shared_namespaces_are_the_pods() {
        let text = "services: {a: {image: i, sysctls: {net.core.somaxconn: 1024, kernel.msgmax: 9000}}, b: {image: i, ipc: private, sysctls: {net.core.somaxconn: 1024, kernel.msgmax: 8000}}}";
        let (shared, each, found) = planned(text);
        assert_eq!(found, Vec::<String>::new());
        let names: Vec<_> = shared.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(names, ["kernel.msgmax=9000", "net.core.somaxconn=1024"]);
        assert_eq!(each[0], Sysctls::new());
        assert_eq!(each[1]["kernel.msgmax"], "8000");
    }

    #[test]
    fn a_conflict_of_settings_names_both_services() {
        let text = "services: {a: {image: i, sysctls: {net.core.somaxconn: 1}}, b: {image: i, sysctls: {net.core.somaxconn: 2}}}";
        insta::assert_snapshot!(planned(text).2.join("\n"), @"services a and b share net.core.somaxconn and want different values: 1 and 2");
    }

    #[test]
    fn a_setting_of_the_machine_is_refused() {
        for key in [
            "vm.swappiness",
            "kernel.panic",
            "kernel.hostname",
            "net..ipv4",
            "net./../kernel.panic",
            "fs.file-max",
        ] {
            let text = format!("services: {{a: {{image: i, sysctls: {{'{key}': 1}}}}}}");
            assert_eq!(planned(&text).2.len(), 1, "{key}");
        }
        let host =
            "services: {a: {image: i, network_mode: host, sysctls: {net.core.somaxconn: 1}}}";
        assert_eq!(planned(host).2.len(), 1);
    }
}
