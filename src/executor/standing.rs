//! What is known of a task beside its state, and told with each of its updates: the agent does not
//! remember it.

use crate::mesos::{
    CheckStatus, Limit, NetworkStatus, Probe, Reason, Resources, StatusUpdate, Task,
};

/// A task's health, its check's last result, and where it is reached.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Standing {
    healthy: Option<bool>,
    /// Owed with every update of a task that has a check, results or not.
    check: Option<CheckStatus>,
    networks: Vec<NetworkStatus>,
    /// What the whole task is limited to, in bytes, its executor included.
    memory: Option<u64>,
}

impl Standing {
    pub(super) fn of(task: &Task) -> Self {
        let check = task.check.as_ref().and_then(|check| match check.probe {
            Probe::Command(_) => Some(CheckStatus::Command(None)),
            Probe::Http { .. } => Some(CheckStatus::Http(None)),
            Probe::Tcp { .. } => Some(CheckStatus::Tcp(None)),
            Probe::Unknown => None,
        });
        Self {
            check,
            memory: memory(task),
            ..Self::default()
        }
    }

    /// Adds what the update does not say itself, and remembers what it does.
    pub(super) fn dress(&mut self, update: &mut StatusUpdate) {
        self.healthy = update.healthy.or(self.healthy);
        self.check = update.check.or(self.check);
        update.healthy = self.healthy;
        update.check = self.check;
        if !update.networks.is_empty() {
            self.networks.clone_from(&update.networks);
        }
        update.networks.clone_from(&self.networks);
        // A service without a limit of its own has hit the task's.
        if update.reason == Some(Reason::ContainerLimitationMemory) && update.limitation.is_none() {
            update.limitation = self.memory.map(|mem| Resources {
                mem,
                ..Resources::default()
            });
        }
    }
}

/// The agent limits executor and task together; none where it was told not to.
fn memory(task: &Task) -> Option<u64> {
    let own = task.executor.as_ref().map(|it| it.resources.mem);
    let given = match task.limits.mem {
        Some(Limit::None) => return None,
        Some(Limit::At(limit)) => limit,
        None => task.resources.mem,
    };
    Some(given + own.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::{TaskId, TaskState};

    #[test]
    fn what_was_told_once_is_told_with_each_update() {
        let mut standing = Standing {
            check: Some(CheckStatus::Tcp(None)),
            ..Standing::default()
        };
        let update = |state| StatusUpdate::new(TaskId::from("t"), state);
        let mut starting = update(TaskState::Starting);
        standing.dress(&mut starting);
        assert_eq!(
            (starting.healthy, starting.check),
            (None, Some(CheckStatus::Tcp(None)))
        );
        let mut running = update(TaskState::Running);
        running.healthy = Some(true);
        running.check = Some(CheckStatus::Tcp(Some(true)));
        let network = NetworkStatus {
            addresses: vec!["10.1.2.3".parse().unwrap()],
            ..NetworkStatus::default()
        };
        running.networks = vec![network.clone()];
        standing.dress(&mut running);
        let mut killed = update(TaskState::Killed);
        standing.dress(&mut killed);
        assert_eq!(killed.healthy, Some(true));
        assert_eq!(killed.check, Some(CheckStatus::Tcp(Some(true))));
        assert_eq!(killed.networks, [network]);
    }

    #[test]
    fn a_service_without_a_limit_of_its_own_has_hit_the_tasks() {
        let mut standing = Standing {
            memory: Some(64 << 20),
            ..Standing::default()
        };
        let mut failed = StatusUpdate::new(TaskId::from("t"), TaskState::Failed);
        standing.dress(&mut failed);
        assert_eq!(
            failed.limitation, None,
            "it did not fail for want of memory"
        );
        failed.reason = Some(Reason::ContainerLimitationMemory);
        standing.dress(&mut failed);
        assert_eq!(failed.limitation.unwrap().mem, 64 << 20);
    }
}
