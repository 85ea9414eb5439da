//! Profiles, and what is left out of a project because nothing active uses it.

use std::collections::{BTreeMap, BTreeSet};

use super::load::LoadOptions;
use super::node::{Map, Node};

/// The profiles that are active.
#[derive(Clone, Debug)]
pub(super) struct Profiles {
    names: Vec<String>,
}

impl Profiles {
    /// Those asked for, else those of `COMPOSE_PROFILES`; and those of services that are selected by
    /// name and would not be active without.
    pub(super) fn of(
        options: &LoadOptions,
        tree: &Node,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let names = match options.profiles.as_slice() {
            [] => environment
                .get("COMPOSE_PROFILES")
                .map_or("", String::as_str)
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect(),
            names => names.to_vec(),
        };
        let mut profiles = Self { names };
        let services = tree.get("services");
        let selected = options.selected.iter();
        for service in selected.filter_map(|name| services?.get(name)) {
            if !profiles.enable(service) {
                profiles.names.extend(names_of(service));
            }
        }
        profiles
    }

    fn enable(&self, service: &Node) -> bool {
        let own = service.get("profiles").and_then(Node::as_list);
        let own = own.unwrap_or(&[]);
        own.is_empty()
            || self.names.iter().any(|name| name == "*")
            || own
                .iter()
                .filter_map(Node::as_str)
                .any(|own| self.names.iter().any(|name| name == own))
    }
}

fn names_of(service: &Node) -> impl Iterator<Item = String> + '_ {
    let profiles = service.get("profiles").and_then(Node::as_list);
    let profiles = profiles.into_iter().flatten();
    profiles.filter_map(|profile| Some(profile.as_str()?.to_owned()))
}

/// The profiles of all services, sorted.
pub(super) fn all_profiles(tree: &Node) -> Vec<String> {
    let services = tree.get("services").and_then(Node::as_map);
    let services = services.into_iter().flat_map(Map::iter);
    let names: BTreeSet<String> = services
        .flat_map(|(_, _, service)| names_of(service))
        .collect();
    names.into_iter().collect()
}

/// Leaves the services that are named, and those that they depend on.
pub(super) fn select(tree: &mut Node, disabled: &mut BTreeMap<String, Node>, selected: &[String]) {
    let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) else {
        return;
    };
    if selected.is_empty() {
        return;
    }
    let mut wanted: BTreeSet<String> = BTreeSet::new();
    let mut left: Vec<String> = selected.to_vec();
    while let Some(name) = left.pop() {
        let Some(service) = services.get(&name) else {
            continue;
        };
        let depends_on = service.get("depends_on").and_then(Node::as_map);
        left.extend(
            depends_on
                .into_iter()
                .flat_map(Map::keys)
                .map(str::to_owned),
        );
        if !wanted.insert(name) {
            left.retain(|name| !wanted.contains(name));
        }
    }
    services.retain(|name, service| {
        let keep = wanted.contains(name);
        if !keep {
            disabled.insert(name.to_owned(), service.clone());
        } else if let Some(service) = service.as_map_mut() {
            forget_others(service, &wanted);
        }
        keep
    });
}

/// Takes out of a service's dependencies those that no active profile has: they were optional.
fn forget_others(service: &mut Map, wanted: &BTreeSet<String>) {
    if let Some(depends_on) = service.get_mut("depends_on").and_then(Node::as_map_mut) {
        depends_on.retain(|name, _| wanted.contains(name));
        if depends_on.is_empty() {
            service.remove("depends_on");
        }
    }
}

/// Takes out the services that no active profile has.
pub(super) fn take_disabled(tree: &mut Node, profiles: &Profiles) -> BTreeMap<String, Node> {
    let mut disabled = BTreeMap::new();
    if let Some(services) = tree.get_mut("services").and_then(Node::as_map_mut) {
        services.retain(|name, service| {
            let enabled = profiles.enable(service);
            if !enabled {
                disabled.insert(name.to_owned(), service.clone());
            }
            enabled
        });
    }
    disabled
}

/// Drops the resources that no service refers to.
pub(super) fn drop_unused(tree: &mut Node) {
    let mut used: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    let services = tree.get("services").and_then(Node::as_map);
    for (_, _, service) in services.into_iter().flat_map(Map::iter) {
        let mut note = |section, name: &str| {
            used.entry(section).or_default().insert(name.to_owned());
        };
        for section in ["networks", "models"] {
            let names = service.get(section).and_then(Node::as_map);
            names
                .into_iter()
                .flat_map(Map::keys)
                .for_each(|name| note(section, name));
        }
        for section in ["configs", "secrets"] {
            sources(service.get(section)).for_each(|name| note(section, name));
        }
        let built = service.get("build").and_then(|build| build.get("secrets"));
        sources(built).for_each(|name| note("secrets", name));
        let volumes = service.get("volumes").and_then(Node::as_list);
        volumes
            .into_iter()
            .flatten()
            .filter(|volume| volume.get("type").and_then(Node::as_str) == Some("volume"))
            .filter_map(|volume| volume.get("source")?.as_str())
            .for_each(|name| note("volumes", name));
    }
    let used: BTreeMap<String, BTreeSet<String>> = used
        .into_iter()
        .map(|(section, names)| (section.to_owned(), names))
        .collect();
    let Some(top) = tree.as_map_mut() else { return };
    for section in ["networks", "volumes", "configs", "secrets", "models"] {
        let Some(resources) = top.get_mut(section).and_then(Node::as_map_mut) else {
            continue;
        };
        resources.retain(|name, _| used.get(section).is_some_and(|names| names.contains(name)));
        if resources.is_empty() {
            top.remove(section);
        }
    }
}

fn sources(list: Option<&Node>) -> impl Iterator<Item = &str> {
    let items = list.and_then(Node::as_list).into_iter().flatten();
    items.filter_map(|item| item.get("source")?.as_str())
}
