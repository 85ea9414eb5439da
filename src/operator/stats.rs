//! What services use, by the kernel's counters.

use std::time::{Duration, Instant};

use super::pods::HostPod;
use crate::sys::cgroup::{Error, Hierarchies, Usage};

/// What one cgroup has used, and when that was read.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Instant,
    usage: Usage,
}

/// The services of some pods, watched.
#[derive(Debug)]
pub struct Watch {
    cgroups: Hierarchies,
    rows: Vec<(Row, Option<Sample>)>,
}

/// A service and where its processes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub pod: String,
    pub task: String,
    pub service: String,
    cgroup: String,
}

/// What a service uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Use {
    /// 1.0 is one CPU, over the time since the look before.
    pub cpus: Option<f64>,
    /// In bytes, less what the kernel could drop at once.
    pub memory: Option<u64>,
    /// None: only the task's own binds.
    pub memory_limit: Option<u64>,
    pub processes: Option<u64>,
}

impl Watch {
    /// Begins to watch. The first [`look`](Self::look) tells of the time since.
    pub fn begin(pods: &[HostPod]) -> Result<Self, Error> {
        let cgroups = Hierarchies::of_this_process()?;
        let rows = pods.iter().flat_map(|pod| {
            pod.record.services.iter().map(|service| Row {
                pod: pod.record.pod.to_string(),
                task: pod.record.task.clone(),
                service: service.service.clone(),
                cgroup: service.cgroup.clone(),
            })
        });
        let rows = rows
            .map(|row| {
                let sample = sample(&cgroups, &row);
                (row, sample)
            })
            .collect();
        Ok(Self { cgroups, rows })
    }

    /// What each service uses; none for one whose cgroup is gone.
    pub fn look(&mut self) -> Vec<(&Row, Option<Use>)> {
        let mut seen = Vec::with_capacity(self.rows.len());
        for (row, before) in &mut self.rows {
            let now = sample(&self.cgroups, row);
            let used = now.map(|now| Use::between(before.as_ref(), &now));
            *before = now;
            seen.push((&*row, used));
        }
        seen
    }
}

fn sample(cgroups: &Hierarchies, row: &Row) -> Option<Sample> {
    let usage = cgroups.usage(&row.cgroup).ok()?;
    let seen = usage.cpu.is_some() || usage.memory.current.is_some() || usage.pids.is_some();
    seen.then_some(Sample {
        at: Instant::now(),
        usage,
    })
}

impl Use {
    fn between(before: Option<&Sample>, now: &Sample) -> Self {
        let cpus = before.and_then(|before| {
            let spent = now.usage.cpu?.checked_sub(before.usage.cpu?)?;
            Some(share(spent, now.at.duration_since(before.at)))
        });
        let memory = now.usage.memory;
        Self {
            cpus,
            memory: memory.working_set.or(memory.current),
            memory_limit: memory.limit,
            processes: now.usage.pids,
        }
    }
}

fn share(spent: Duration, within: Duration) -> f64 {
    if within.is_zero() {
        return 0.0;
    }
    spent.as_secs_f64() / within.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpus_are_what_was_spent_in_between() {
        let at = Instant::now();
        let sample = |seconds: u64, cpu: Option<u64>| Sample {
            at: at + Duration::from_secs(seconds),
            usage: Usage {
                cpu: cpu.map(Duration::from_secs),
                ..Usage::default()
            },
        };
        let cpus = |before: Option<Sample>, now| Use::between(before.as_ref(), &now).cpus;
        assert_eq!(
            cpus(Some(sample(0, Some(1))), sample(4, Some(7))),
            Some(1.5)
        );
        assert_eq!(cpus(None, sample(4, Some(7))), None);
        // A container that was made anew begins at nothing.
        assert_eq!(cpus(Some(sample(0, Some(7))), sample(4, Some(1))), None);
        assert_eq!(
            cpus(Some(sample(0, Some(1))), sample(0, Some(1))),
            Some(0.0)
        );
    }
}
