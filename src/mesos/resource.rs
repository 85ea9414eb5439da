//! What a task was given of its agent: `cpus`, `mem`, `disk`, `gpus` and `ports`.
//!
//! An agent offers one resource in several pieces (by role, by reservation, by disk), and a task may
//! hold pieces of more than one: here they are summed.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::proto;

/// Mesos counts memory and disk in megabytes of 2²⁰ bytes.
const MEGABYTE: f64 = 1_048_576.0;

/// A task's or an executor's share of its agent.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resources {
    /// In whole CPUs; Mesos keeps three decimals.
    pub cpus: f64,
    /// In bytes.
    pub mem: u64,
    /// In bytes.
    pub disk: u64,
    pub gpus: f64,
    /// Ports of the host, in ascending order, no range touching the next. The order in which a
    /// framework asked for them is lost on its way.
    pub ports: Vec<RangeInclusive<u16>>,
}

/// How far a task may go beyond what it was given: `TaskInfo.limits`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Limits {
    /// In whole CPUs.
    pub cpus: Option<Limit<f64>>,
    /// In bytes.
    pub mem: Option<Limit<u64>>,
}

/// One limit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit<T> {
    /// Mesos writes it as infinity.
    None,
    At(T),
}

impl Resources {
    pub(super) fn from_proto(resources: &[proto::Resource]) -> Self {
        let sum = |name: &str| -> f64 {
            resources
                .iter()
                .filter(|resource| resource.name == name)
                .filter_map(|resource| resource.scalar.as_ref())
                .fold(0.0, |sum, scalar| sum + scalar.value)
        };
        Self {
            cpus: three_decimals(sum("cpus")),
            mem: bytes(sum("mem")),
            disk: bytes(sum("disk")),
            gpus: three_decimals(sum("gpus")),
            ports: ports(resources),
        }
    }

    /// The scalars that are not zero, for a status's `limitation`.
    pub(super) fn to_proto(&self) -> Vec<proto::Resource> {
        #[expect(clippy::cast_precision_loss, reason = "exact up to 8 PiB")]
        let megabytes = |bytes: u64| bytes as f64 / MEGABYTE;
        [
            ("cpus", self.cpus),
            ("mem", megabytes(self.mem)),
            ("disk", megabytes(self.disk)),
            ("gpus", self.gpus),
        ]
        .into_iter()
        .filter(|(_, value)| *value > 0.0)
        .map(|(name, value)| proto::Resource {
            name: name.to_owned(),
            r#type: proto::value::Type::Scalar.into(),
            scalar: Some(proto::value::Scalar { value }),
            ranges: None,
            allocation_info: None,
        })
        .collect()
    }
}

/// The role that all of a task's resources are allocated to: the master takes no mixture.
pub(super) fn role(resources: &[proto::Resource]) -> Option<String> {
    let mut allocated = resources
        .iter()
        .filter_map(|resource| resource.allocation_info.as_ref());
    allocated.find_map(|info| info.role.clone())
}

impl Limits {
    pub(super) fn from_proto(limits: &HashMap<String, proto::value::Scalar>) -> Self {
        let limit = |name: &str| limits.get(name).map(|scalar| scalar.value);
        Self {
            cpus: limit("cpus").map(|cpus| Limit::of(cpus, three_decimals)),
            mem: limit("mem").map(|megabytes| Limit::of(megabytes, bytes)),
        }
    }
}

impl<T> Limit<T> {
    fn of(value: f64, unit: impl FnOnce(f64) -> T) -> Self {
        if value.is_infinite() {
            Self::None
        } else {
            Self::At(unit(value))
        }
    }
}

/// Ten pieces of 0.1 are 1.0 for Mesos, as they are for its users.
fn three_decimals(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast saturates: less than nothing is nothing"
)]
fn bytes(megabytes: f64) -> u64 {
    (megabytes * MEGABYTE).round() as u64
}

/// Numbers that are no ports are left out: no agent offers them.
fn ports(resources: &[proto::Resource]) -> Vec<RangeInclusive<u16>> {
    let mut ranges: Vec<(u16, u16)> = resources
        .iter()
        .filter(|resource| resource.name == "ports")
        .filter_map(|resource| resource.ranges.as_ref())
        .flat_map(|ranges| &ranges.range)
        .filter_map(|range| {
            let begin = u16::try_from(range.begin).ok()?;
            let end = u16::try_from(range.end).unwrap_or(u16::MAX);
            (begin <= end).then_some((begin, end))
        })
        .collect();
    ranges.sort_unstable();
    let mut merged: Vec<(u16, u16)> = Vec::with_capacity(ranges.len());
    for (begin, end) in ranges {
        match merged.last_mut() {
            Some(last) if begin <= last.1.saturating_add(1) => last.1 = last.1.max(end),
            _ => merged.push((begin, end)),
        }
    }
    merged.into_iter().map(|(begin, end)| begin..=end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, value: f64) -> proto::Resource {
        proto::Resource {
            name: name.to_owned(),
            r#type: proto::value::Type::Scalar.into(),
            scalar: Some(proto::value::Scalar { value }),
            ranges: None,
            allocation_info: None,
        }
    }

    fn range(pairs: &[(u64, u64)]) -> proto::Resource {
        let range = pairs
            .iter()
            .map(|&(begin, end)| proto::value::Range { begin, end })
            .collect();
        proto::Resource {
            name: "ports".to_owned(),
            r#type: proto::value::Type::Ranges.into(),
            scalar: None,
            ranges: Some(proto::value::Ranges { range }),
            allocation_info: None,
        }
    }

    #[test]
    fn pieces_of_a_resource_are_summed() {
        let resources = Resources::from_proto(&[
            scalar("cpus", 0.1),
            scalar("mem", 128.0),
            scalar("cpus", 0.2),
            scalar("mem", 64.5),
            scalar("disk", 1.0),
            scalar("licences", 3.0),
            range(&[(31005, 31007), (31000, 31000)]),
            range(&[(31001, 31001), (31006, 31009)]),
        ]);
        assert_eq!(
            resources,
            Resources {
                cpus: 0.3,
                mem: 192 * 1024 * 1024 + 512 * 1024,
                disk: 1024 * 1024,
                gpus: 0.0,
                ports: vec![31000..=31001, 31005..=31009],
            }
        );
    }

    #[test]
    fn numbers_that_make_no_sense_give_nothing() {
        let resources = Resources::from_proto(&[
            scalar("mem", -1.0),
            scalar("disk", f64::NAN),
            range(&[(9, 8), (70_000, 80_000), (65_535, 65_536), (0, 0)]),
        ]);
        assert_eq!((resources.mem, resources.disk), (0, 0));
        assert_eq!(resources.ports, [0..=0, 65_535..=65_535]);
    }

    #[test]
    fn a_limit_may_be_infinite() {
        let limits = HashMap::from([
            (
                "cpus".to_owned(),
                proto::value::Scalar {
                    value: f64::INFINITY,
                },
            ),
            ("mem".to_owned(), proto::value::Scalar { value: 2.0 }),
        ]);
        let limits = Limits::from_proto(&limits);
        assert_eq!(limits.cpus, Some(Limit::None));
        assert_eq!(limits.mem, Some(Limit::At(2 * 1024 * 1024)));
        assert_eq!(Limits::from_proto(&HashMap::new()), Limits::default());
    }

    #[test]
    fn a_limitation_holds_only_what_was_reached() {
        let limitation = Resources {
            mem: 192 * 1024 * 1024,
            ..Resources::default()
        };
        let [resource] = &limitation.to_proto()[..] else {
            panic!("one resource");
        };
        assert_eq!(resource.name, "mem");
        assert_eq!(
            resource.scalar.as_ref().unwrap().value.to_bits(),
            192f64.to_bits()
        );
    }
}
