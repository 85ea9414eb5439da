//! Which capabilities a process gets: capabilities(7).

use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process};

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
