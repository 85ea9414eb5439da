//! The words of a policy that are one of a few.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A level of the Pod Security Standards; each allows all that the next one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Everything. Its pods are as good as root on the host.
    Privileged,
    /// What most pods need, and nothing that is known to lead out of a container.
    #[default]
    Baseline,
    /// Besides: no root in the container, and no capability.
    Restricted,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Privileged => "privileged",
            Self::Baseline => "baseline",
            Self::Restricted => "restricted",
        })
    }
}

/// Whether `up`, which an administrator types, is held to the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Up {
    Enforce,
    Off,
}

/// Which system call filter a service may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Seccomp {
    /// The built-in one.
    Default,
    /// A file of the user's, or none: a file may well allow everything.
    Any,
}

/// Which ports of the host a service may publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ports {
    None,
    /// Those that Mesos offered with the task.
    Offered,
    Any,
}
