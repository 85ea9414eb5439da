//! What a task may use, for the cgroup of its pod where no cgroup of the agent's holds it.
//!
//! As Mesos' own isolators do: `cpus` are a share, and a ceiling only where the task has a limit of
//! them; `mem` is the ceiling where the task has no limit of it, and else what it can count on.

use crate::compose::model::{ByteSize, Cpus};
use crate::mesos::{Limit, Limits, Resources};
use crate::pod::context::PodLimits;

const NANOS_PER_CPU: f64 = 1e9;

pub(super) fn of(resources: &Resources, limits: &Limits) -> PodLimits {
    let given = Some(ByteSize(resources.mem)).filter(|mem| mem.0 > 0);
    PodLimits {
        cpu_shares: cpus(resources.cpus),
        cpus: match limits.cpus {
            Some(Limit::At(limit)) => cpus(limit),
            Some(Limit::None) | None => None,
        },
        memory: match limits.mem {
            Some(Limit::At(limit)) => Some(ByteSize(limit)),
            Some(Limit::None) => None,
            None => given,
        },
        memory_reservation: given.filter(|_| limits.mem.is_some()),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates: less than nothing is nothing"
)]
fn cpus(number: f64) -> Option<Cpus> {
    let nanos = (number * NANOS_PER_CPU).round() as u64;
    (nanos > 0).then_some(Cpus { nanos })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resources() -> Resources {
        Resources {
            cpus: 0.5,
            mem: 64 << 20,
            ..Resources::default()
        }
    }

    #[test]
    fn without_limits_memory_is_a_ceiling_and_cpus_are_a_share() {
        let limits = of(&resources(), &Limits::default());
        let expected = PodLimits {
            cpu_shares: Some(Cpus { nanos: 500_000_000 }),
            cpus: None,
            memory: Some(ByteSize(64 << 20)),
            memory_reservation: None,
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn a_task_may_have_limits_beyond_what_it_was_given() {
        let limits = Limits {
            cpus: Some(Limit::At(2.0)),
            mem: Some(Limit::At(128 << 20)),
        };
        let limits = of(&resources(), &limits);
        assert_eq!(
            limits.cpus,
            Some(Cpus {
                nanos: 2_000_000_000
            })
        );
        assert_eq!(limits.memory, Some(ByteSize(128 << 20)));
        assert_eq!(limits.memory_reservation, Some(ByteSize(64 << 20)));
    }

    #[test]
    fn no_limit_is_none() {
        let limits = Limits {
            cpus: Some(Limit::None),
            mem: Some(Limit::None),
        };
        let limits = of(&resources(), &limits);
        assert_eq!((limits.cpus, limits.memory), (None, None));
        assert_eq!(limits.memory_reservation, Some(ByteSize(64 << 20)));
    }

    #[test]
    fn a_task_that_was_given_nothing_is_held_to_nothing() {
        let limits = of(&Resources::default(), &Limits::default());
        assert_eq!(limits, PodLimits::default());
    }
}
