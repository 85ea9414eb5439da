//! What the supervisor tells of a pod: how far it is, and how it ended.

use std::fmt;
use std::net::IpAddr;

use crate::compose::model::ByteSize;
use crate::pod::plan::Signal;

use super::checks::CheckResult;
pub use super::course::{HealthStatus, Unmet};
use super::launch_error::LaunchError;

/// One word from a pod. `Ended` is the last, and comes when no process of the pod lives any more.
#[derive(Debug)]
pub enum PodReport {
    /// How far the start is: told now and then, for people.
    Progress(String),
    /// The pod runs.
    Running {
        /// By its services' own checks, if they have any.
        healthy: Option<bool>,
        /// Its own; none where its network is another's.
        addresses: Vec<IpAddr>,
    },
    /// The health of a pod that runs has changed.
    Health(HealthReport),
    /// What the task's own health check says, and what its last try brought.
    CheckedHealth {
        healthy: bool,
        output: String,
    },
    /// A new result of the task's other check.
    Checked(CheckResult),
    Ended(Box<PodEnd>),
}

/// What a pod's health is by its services' own checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthReport {
    pub healthy: bool,
    /// One that is unhealthy.
    pub service: Option<String>,
    /// What its last probe wrote.
    pub output: String,
}

/// A pod that is over.
#[derive(Debug)]
pub struct PodEnd {
    pub cause: EndCause,
    /// Where a file says what could not be launched: `compose.yaml:3:5`.
    pub place: Option<String>,
    /// In the order of the plan.
    pub services: Vec<ServiceEnd>,
    /// The pod's shim did not answer, and was killed.
    pub shim_hung: bool,
}

/// Why a pod is over.
#[derive(Debug)]
pub enum EndCause {
    /// The main service, or all of them, exited with 0.
    Finished,
    /// This service, an index into the plan, failed for good.
    ServiceFailed(usize),
    /// A service can't start, because what it depends on can't become what it should any more.
    DependencyUnmet {
        service: usize,
        on: usize,
        why: Unmet,
        /// What the last probes of the latter wrote, the latest last.
        probes: Vec<String>,
    },
    /// A service became unhealthy before the pod was running.
    Unhealthy {
        service: usize,
        /// What its last probes wrote, the latest last.
        probes: Vec<String>,
    },
    /// The task's own health check failed too often.
    CheckFailed {
        output: String,
    },
    /// It never came to run.
    LaunchFailed(LaunchError),
    Stopped(StopReason),
    /// The pause container, and every process with it, was killed from outside.
    SandboxDied,
    /// The shim that served the pod's containers was killed from outside, and they with it.
    ShimDied,
    /// A service has ended, or the pause container where it is none, and the shim does not tell how.
    ShimSilent(Option<usize>),
    /// containerd did not answer for longer than is waited for.
    RuntimeLost,
    /// What ran the pod has panicked.
    Fault,
}

impl EndCause {
    /// Whether there is no service left that could be asked to stop.
    pub(super) fn took_all(&self) -> bool {
        matches!(self, Self::SandboxDied | Self::ShimDied | Self::RuntimeLost)
    }
}

/// Who wanted a pod to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopReason {
    /// Mesos' KILL.
    Kill,
    /// Another task of its group failed or was killed.
    Group,
    /// Mesos' SHUTDOWN.
    Shutdown,
    /// The agent is gone for good.
    AgentLost,
    /// SIGTERM or SIGINT.
    Signal,
    /// The task's time is up.
    CompletionTime,
}

/// One service when its pod is over.
#[derive(Clone, Debug)]
pub struct ServiceEnd {
    pub service: String,
    pub image: String,
    pub state: ServiceState,
    /// It outlived its grace period and was killed.
    pub forced: bool,
    /// How often it was started again, or was about to be.
    pub restarts: u64,
    /// None where nothing tells of it.
    pub health: Option<HealthStatus>,
    /// The last lines it wrote.
    pub tail: Vec<String>,
}

/// How far a service came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceState {
    NotStarted,
    /// Killed with its pod before it could be seen to end.
    Running,
    Exited(Exit),
}

/// How a container's first process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    pub status: ExitStatus,
    /// The kernel's counter says that a process of it was killed for want of memory.
    pub oom: Option<OutOfMemory>,
}

impl Exit {
    pub fn is_success(&self) -> bool {
        self.status == ExitStatus::Code(0)
    }
}

/// What the memory cgroup tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory {
    /// The service's own limit; none where only the task's binds.
    pub limit: Option<ByteSize>,
    pub peak: Option<ByteSize>,
}

/// An exit code, or the signal that ended the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    Code(u32),
    Signal(Signal),
}

impl ExitStatus {
    /// As containerd has it: 128 and the signal's number stand for a signal.
    pub fn of_containerd(status: u32) -> Self {
        match status {
            129..=192 => Self::Signal(Signal((status - 128).cast_signed())),
            code => Self::Code(code),
        }
    }

    /// What a shell would make of it, for a program's own exit code.
    pub fn shell_code(self) -> u8 {
        let code = match self {
            Self::Code(code) => code,
            Self::Signal(Signal(number)) => 128 + number.unsigned_abs(),
        };
        u8::try_from(code).unwrap_or(u8::MAX)
    }
}

impl fmt::Display for ExitStatus {
    /// `exit=3` or `signal=SIGKILL`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit={code}"),
            Self::Signal(signal) => write!(f, "signal={signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containerds_status_tells_codes_from_signals() {
        assert_eq!(ExitStatus::of_containerd(3).to_string(), "exit=3");
        assert_eq!(ExitStatus::of_containerd(137).to_string(), "signal=SIGKILL");
        assert_eq!(ExitStatus::of_containerd(137).shell_code(), 137);
        assert_eq!(ExitStatus::of_containerd(255).to_string(), "exit=255");
    }
}
