//! What is summed: the services' limits, their requests, or both apart.

use std::fmt;

/// Which of a service's two numbers counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// The limit, else the request, else the default: nothing in the pod can be starved by it.
    #[default]
    Limits,
    /// The request, else the limit, else the default: as Kubernetes schedules.
    Requests,
    /// Requests for the task's resources, and limits for the task's limits.
    Split,
}

impl fmt::Display for Basis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Limits => "limits",
            Self::Requests => "requests",
            Self::Split => "split",
        })
    }
}

/// How far a task may go: Mesos' `TaskInfo.limits`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ceiling<T> {
    At(T),
    /// A service has no limit, so the task can have none.
    Unlimited,
}
