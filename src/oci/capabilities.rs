//! Which capabilities a process gets: capabilities(7).

use oci_spec::runtime::{Capabilities, LinuxCapabilities, Process};

use super::host::HostFacts;
use super::user::ResolvedUser;

/// The sets for `user`, from those of the base document as far as the host can give them.
///
/// Root has them at hand. Another user doesn't: they bound what a program with file capabilities
/// could get, and `noNewPrivileges` denies even that. The inheritable and ambient sets stay empty
/// (CVE-2022-24769).
pub(super) fn of(base: &Process, user: &ResolvedUser, host: &HostFacts) -> LinuxCapabilities {
    let bounding = host.clamp(&bounding(base));
    let own = if user.uid == 0 {
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
