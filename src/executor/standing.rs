//! What is known of a task beside its state, and told with each of its updates: the agent does not
//! remember it.

use crate::mesos::{CheckStatus, Probe, StatusUpdate, Task};

/// A task's health and its check's last result.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Standing {
    healthy: Option<bool>,
    /// Owed with every update of a task that has a check, results or not.
    check: Option<CheckStatus>,
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
            healthy: None,
            check,
        }
    }

    /// Adds what the update does not say itself, and remembers what it does.
    pub(super) fn dress(&mut self, update: &mut StatusUpdate) {
        self.healthy = update.healthy.or(self.healthy);
        self.check = update.check.or(self.check);
        update.healthy = self.healthy;
        update.check = self.check;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesos::{TaskId, TaskState};

    #[test]
    fn what_was_told_once_is_told_with_each_update() {
        let mut standing = Standing {
            healthy: None,
            check: Some(CheckStatus::Tcp(None)),
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
        standing.dress(&mut running);
        let mut killed = update(TaskState::Killed);
        standing.dress(&mut killed);
        assert_eq!(killed.healthy, Some(true));
        assert_eq!(killed.check, Some(CheckStatus::Tcp(Some(true))));
    }
}
