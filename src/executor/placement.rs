//! Below which cgroup an executor's pods go.
//!
//! With version 1 that is the executor's own, which Mesos' launcher has made: Mesos limits, accounts
//! and kills the pods as the task that they are. With version 2 alone it is the executor's own only
//! where nobody else is in it, since a cgroup that hands controllers on can't have processes
//! (cgroups(7)): the executor steps into a leaf first. It is not where an agent without isolation
//! has its own processes too, and not in the tree of an agent that knows version 2, which takes every
//! cgroup there for a container of its own and does not start again over one that isn't. Pods go
//! below a cgroup at the top then, as those of `up` do, each held to what its task may use by its own.

use tracing::{info, warn};

use super::task_limits;
use crate::mesos::Task;
use crate::pod::context::PodLimits;
use crate::pod::names::{CgroupPath, CgroupPathError};
use crate::sys::cgroup::{self, Hierarchies};

/// The child of its own cgroup that the executor goes into.
const LEAF: &str = "executor";
/// What an agent that knows version 2 calls the cgroup it starts an executor in.
const LEAF_OF_MESOS: &str = "/leaf";
/// The cgroup of pods that can't be in the executor's.
const TOP: &str = "/compose-executor";

/// What a task's limits need.
const CONTROLLERS: [&str; 2] = ["cpu", "memory"];

/// Where pods go.
#[derive(Debug)]
pub(super) struct Placement {
    pub(super) base: CgroupPath,
    /// The hierarchies where the base is someone else's.
    pub(super) others: Vec<String>,
    pub(super) limiter: Limiter,
}

/// What holds a pod to what its task may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limiter {
    /// The cgroup that its launcher has put the executor in.
    Launcher,
    /// The pod's own, which nothing above it limits.
    Pod,
}

impl Placement {
    /// What a task's pod has to be held to by its own cgroup.
    pub(super) fn limits(&self, task: &Task) -> PodLimits {
        match self.limiter {
            Limiter::Launcher => PodLimits::default(),
            Limiter::Pod => task_limits::of(&task.resources, &task.limits),
        }
    }
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
        let others = cgroups.owned_by_launcher(base);
        warn_of_unbound(|controller| {
            let hierarchy = cgroups.with(controller);
            hierarchy.is_some_and(|hierarchy| others.contains(&hierarchy.name()))
        });
        return Ok(Placement {
            base: CgroupPath::try_from(base)?,
            others,
            limiter: Limiter::Launcher,
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
        return Ok(Placement {
            base,
            others,
            limiter: Limiter::Launcher,
        });
    }
    warn!(
        cgroup = own.unwrap_or("/"),
        "pods can't go below the executor's cgroup, and go below {TOP}: Mesos neither accounts nor kills them there; \
         their own cgroups hold them to what their tasks may use"
    );
    let available = cgroups.unified_controllers();
    warn_of_unbound(|controller| available.split(' ').any(|it| it == controller));
    Ok(Placement {
        base: CgroupPath::try_from(TOP)?,
        others: Vec::new(),
        limiter: Limiter::Pod,
    })
}

fn warn_of_unbound(is_bound: impl Fn(&str) -> bool) {
    for controller in CONTROLLERS {
        if !is_bound(controller) {
            warn!(
                controller,
                "no cgroup holds pods to what their tasks may use of it: `compose-executor doctor` tells what to do"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::cgroup::fake::Host;

    #[test]
    fn with_version_1_the_agent_limits_the_executors_cgroup() {
        let host = Host::new(&[
            ("freezer", "/mesos/c"),
            ("memory", "/mesos/c"),
            ("cpu", "/"),
        ]);
        let placement = place(&host.hierarchies()).unwrap();
        assert_eq!(placement.base.as_str(), "/mesos/c");
        assert_eq!(placement.others, ["freezer", "memory"]);
        assert_eq!(placement.limiter, Limiter::Launcher);
    }

    #[test]
    fn a_process_without_a_cgroup_of_its_own_gets_no_pods() {
        let host = Host::new(&[("freezer", "/")]);
        let error = place(&host.hierarchies()).unwrap_err();
        assert!(matches!(error, PlacementError::NoCgroup));
    }

    #[test]
    fn with_version_2_the_executor_steps_aside() {
        let host = Host::new(&[("", "/system.slice/executor")]);
        host.write("", "system.slice/executor/cgroup.procs", "");
        let placement = place(&host.hierarchies()).unwrap();
        assert_eq!(placement.base.as_str(), "/system.slice/executor");
        assert_eq!(placement.limiter, Limiter::Launcher);
    }

    #[test]
    fn outside_the_tree_of_an_agent_that_knows_version_2_pods_hold_themselves() {
        let host = Host::new(&[("", "/mesos/c/leaf")]);
        let placement = place(&host.hierarchies()).unwrap();
        assert_eq!(placement.base.as_str(), TOP);
        assert_eq!(placement.others, [""; 0]);
        assert_eq!(placement.limiter, Limiter::Pod);
    }
}
