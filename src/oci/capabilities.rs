//! Which capabilities a process gets: capabilities(7).

use oci_spec::runtime::{Capabilities, Capability, LinuxCapabilities, Process};

use super::host::HostFacts;
use crate::pod::plan::RightsPlan;

/// What a service is to have at most: the standard set, with what its file adds and drops, as
/// Docker reads the two lists. `ALL` is what the host can give.
pub(super) fn wanted(
    standard: &Capabilities,
    rights: &RightsPlan,
    host: &HostFacts,
) -> Capabilities {
    if rights.privileged {
        return host.bounding.clone();
    }
    let (added, all_added) = named(&rights.capabilities.add);
    let (dropped, all_dropped) = named(&rights.capabilities.drop);
    let wanted: Capabilities = if all_added {
        host.bounding.difference(&dropped).copied().collect()
    } else if all_dropped {
        added
    } else {
        let kept = standard.difference(&dropped).copied();
        kept.chain(added).collect()
    };
    host.clamp(&wanted)
}

/// Capabilities by their names, and whether all are named.
pub(super) fn named(names: &[String]) -> (Capabilities, bool) {
    let capability = |name: &String| name.trim_start_matches("CAP_").parse::<Capability>().ok();
    (
        names.iter().filter_map(capability).collect(),
        names.iter().any(|name| name == "ALL"),
    )
}

/// The sets for a process of user `uid` that is to have `bounding` at most.
///
/// Root has them at hand. Another user doesn't: they bound what a program with file capabilities
/// could get, and `noNewPrivileges` denies even that. The inheritable and ambient sets stay empty
/// (CVE-2022-24769).
pub(super) fn of(bounding: Capabilities, uid: u32) -> LinuxCapabilities {
    let own = if uid == 0 {
        bounding.clone()
    } else {
        Capabilities::new()
    };
    let mut sets = none();
    sets.set_bounding(Some(bounding))
        .set_effective(Some(own.clone()))
        .set_permitted(Some(own));
    sets
}

/// What a process can come to have at most.
pub(super) fn bounding(process: &Process) -> Capabilities {
    process
        .capabilities()
        .as_ref()
        .and_then(|sets| sets.bounding().clone())
        .unwrap_or_default()
}

/// Five empty sets. Written out, since a set that is left out is the runtime's to choose.
pub(super) fn none() -> LinuxCapabilities {
    let mut sets = LinuxCapabilities::default();
    sets.set_bounding(Some(Capabilities::new()))
        .set_effective(Some(Capabilities::new()))
        .set_permitted(Some(Capabilities::new()))
        .set_inheritable(Some(Capabilities::new()))
        .set_ambient(Some(Capabilities::new()));
    sets
}

#[cfg(test)]
mod tests {
    use super::super::Capability;
    use super::super::base::BaseSpecs;
    use super::super::fixture::Fixture;
    use super::*;

    fn of_user(uid: u32, fixture: &Fixture) -> LinuxCapabilities {
        let base = BaseSpecs::embedded().container.process;
        of(fixture.host.clamp(&bounding(&base)), uid)
    }

    #[test]
    fn a_file_adds_and_drops_as_for_docker() {
        let fixture = Fixture::new();
        let standard = bounding(&BaseSpecs::embedded().container.process);
        let wanted = |add: &[&str], drop: &[&str]| {
            let mut rights = fixture.plan.rights.clone();
            rights.capabilities.add = add.iter().map(ToString::to_string).collect();
            rights.capabilities.drop = drop.iter().map(ToString::to_string).collect();
            wanted(&standard, &rights, &fixture.host)
        };
        assert_eq!(wanted(&[], &[]), standard);
        assert!(wanted(&["CAP_NET_ADMIN"], &[]).contains(&Capability::NetAdmin));
        assert!(!wanted(&[], &["CAP_CHOWN"]).contains(&Capability::Chown));
        let one = Capabilities::from([Capability::NetAdmin]);
        assert_eq!(wanted(&["CAP_NET_ADMIN"], &["ALL"]), one);
        let but_one = wanted(&["ALL"], &["CAP_SYS_ADMIN"]);
        assert_eq!(but_one.len(), fixture.host.bounding.len() - 1);
        // containerd has it not, so nobody has.
        assert!(!wanted(&["CAP_SYS_TIME"], &[]).contains(&Capability::SysTime));
    }

    #[test]
    fn root_has_the_thirteen_and_no_raw_sockets() {
        let sets = of_user(0, &Fixture::new());
        let bounding = sets.bounding().clone().unwrap();
        assert_eq!(bounding.len(), 13);
        assert!(!bounding.contains(&Capability::NetRaw));
        assert!(!bounding.contains(&Capability::SysAdmin));
        assert_eq!(sets.effective(), sets.bounding());
        assert_eq!(sets.permitted(), sets.bounding());
    }

    #[test]
    fn another_user_has_none_at_hand() {
        let sets = of_user(1000, &Fixture::new());
        assert_eq!(sets.bounding().clone().unwrap().len(), 13);
        assert_eq!(sets.effective(), &Some(Capabilities::new()));
        assert_eq!(sets.permitted(), &Some(Capabilities::new()));
    }

    #[test]
    fn nothing_is_inherited() {
        for uid in [0, 1000] {
            let sets = of_user(uid, &Fixture::new());
            assert_eq!(sets.inheritable(), &Some(Capabilities::new()));
            assert_eq!(sets.ambient(), &Some(Capabilities::new()));
        }
    }

    #[test]
    fn what_containerd_lacks_is_left_out() {
        let mut fixture = Fixture::new();
        fixture.host.bounding = Capabilities::from([Capability::Chown, Capability::SysAdmin]);
        let chown = Some(Capabilities::from([Capability::Chown]));
        let sets = of_user(0, &fixture);
        assert_eq!(sets.bounding(), &chown);
        assert_eq!(sets.effective(), &chown);
    }
}
