//! Below which cgroup an executor's pods go.
//!
//! With version 1 that is the executor's own, which Mesos' launcher has made: Mesos limits, accounts
//! and kills the pods as the task that they are. With version 2 alone it is the executor's own only
//! where nobody else is in it, since a cgroup that hands controllers on can't have processes
//! (cgroups(7)): the executor steps into a leaf first. It is not where an agent without isolation
//! has its own processes too, and not in the tree of an agent that knows version 2, which takes every
//! cgroup there for a container of its own and does not start again over one that isn't. Pods go
//! below a cgroup at the top then, as those of `up` do.

use tracing::{info, warn};

use crate::pod::names::{CgroupPath, CgroupPathError};
use crate::sys::cgroup::{self, Hierarchies};

/// The child of its own cgroup that the executor goes into.
const LEAF: &str = "executor";
/// What an agent that knows version 2 calls the cgroup it starts an executor in.
const LEAF_OF_MESOS: &str = "/leaf";
/// The cgroup of pods that can't be in the executor's.
const TOP: &str = "/compose-executor";

/// Where pods go.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) base: CgroupPath,
    /// The hierarchies where the base is someone else's.
    pub(super) others: Vec<String>,
}

/// Why there is no place for pods.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlacementError {
    #[error("the executor is in no cgroup of its own, so a pod's limits would not bind")]
    NoCgroup,
    #[error("the executor's cgroup has a name that is not used for pods")]
    Name(#[from] CgroupPathError),
    #[error("the executor's cgroup can't be used")]
    Cgroup(#[from] cgroup::Error),
}

/// Finds the place; makes it fit for pods where it is the executor's own.
pub(super) fn place(cgroups: &Hierarchies) -> Result<Placement, PlacementError> {
    let own = cgroups.base();
    if !cgroups.is_v2_only() {
        let base = own.ok_or(PlacementError::NoCgroup)?;
        return Ok(Placement {
            base: CgroupPath::try_from(base)?,
            others: cgroups.owned_by_launcher(base),
        });
    }
    let fit = own
        .filter(|own| !own.ends_with(LEAF_OF_MESOS))
        .and_then(|own| CgroupPath::try_from(own).ok());
    if let Some(base) = fit
        && !cgroups.is_shared()?
    {
        cgroups.step_into_leaf(LEAF)?;
        info!(cgroup = %base, "pods go below the executor's own cgroup");
        let others = cgroups.owned_by_launcher(base.as_str());
        return Ok(Placement { base, others });
    }
    warn!(
        cgroup = own.unwrap_or("/"),
        "pods can't go below the executor's cgroup, and go below {TOP}: the task's own limits don't bind them"
    );
    Ok(Placement {
        base: CgroupPath::try_from(TOP)?,
        others: Vec::new(),
    })
}
