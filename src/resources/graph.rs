//! `depends_on` as a graph: which services end before others start, and what that makes of a sum.

use std::collections::HashMap;
use std::time::Duration;

use crate::compose::model::{
    Condition, DEFAULT_STOP_GRACE, DeployMode, Restart, RestartCondition, Service,
};

/// The services of a pod and their dependencies, as indices.
#[derive(Clone, Debug)]
pub(super) struct Graph {
    /// What each service waits for.
    waits_for: Vec<Vec<usize>>,
    /// Who waits for each service, directly or over others.
    followers: Vec<Vec<bool>>,
    one_shot: Vec<bool>,
}

impl Graph {
    pub(super) fn of(services: &[&Service]) -> Self {
        let index: HashMap<&str, usize> = services
            .iter()
            .enumerate()
            .map(|(index, service)| (service.name.as_str(), index))
            .collect();
        let mut waits_for = vec![Vec::new(); services.len()];
        let mut waited_for = vec![Vec::new(); services.len()];
        // A one-shot: something waits for its end, and nothing for anything else of it.
        let mut completes = vec![false; services.len()];
        let mut serves = vec![false; services.len()];
        for (from, service) in services.iter().enumerate() {
            for dependency in &service.depends_on {
                let Some(&on) = index.get(dependency.service.as_str()) else {
                    continue;
                };
                waits_for[from].push(on);
                waited_for[on].push(from);
                match dependency.condition.value {
                    Condition::CompletedSuccessfully => completes[on] = true,
                    Condition::Started | Condition::Healthy => serves[on] = true,
                }
            }
        }
        let one_shot = services.iter().enumerate();
        let one_shot = one_shot
            .map(|(index, service)| completes[index] && !serves[index] && ends(service))
            .collect();
        let followers = (0..services.len())
            .map(|start| reachable(start, &waited_for))
            .collect();
        Self {
            waits_for,
            followers,
            one_shot,
        }
    }

    pub(super) fn is_one_shot(&self, index: usize) -> bool {
        self.one_shot[index]
    }

    /// The most that runs at once, from what each service weighs.
    ///
    /// While a one-shot runs, nothing that waits for it does, and no one-shot that it waited for;
    /// everything else may. When all one-shots are done, the others run.
    pub(super) fn peak(&self, weights: &[u128]) -> u128 {
        let running = |beside: Option<usize>| -> u128 {
            let counts = |&index: &usize| match beside {
                None => !self.one_shot[index],
                Some(one_shot) => {
                    let over = self.one_shot[index] && self.followers[index][one_shot];
                    index == one_shot || !(self.followers[one_shot][index] || over)
                }
            };
            (0..weights.len())
                .filter(counts)
                .map(|index| weights[index])
                .sum()
        };
        let one_shots = (0..weights.len()).filter(|&index| self.one_shot[index]);
        one_shots
            .map(|index| running(Some(index)))
            .fold(running(None), u128::max)
    }

    /// How long an orderly stop may take: services stop level by level, in the reverse order of
    /// their start, and those of a level at once.
    pub(super) fn stop_grace(&self, services: &[&Service]) -> Duration {
        let mut longest: Vec<Duration> = Vec::new();
        for (index, level) in self.levels().into_iter().enumerate() {
            let grace = services[index].stop_grace_period.as_ref();
            let grace = grace.map_or(DEFAULT_STOP_GRACE, |grace| grace.value);
            if longest.len() <= level {
                longest.resize(level + 1, Duration::ZERO);
            }
            longest[level] = longest[level].max(grace);
        }
        longest
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add)
    }

    /// How many services start one after the other before each.
    fn levels(&self) -> Vec<usize> {
        let mut levels = vec![0; self.waits_for.len()];
        // The longest chain has no more steps than there are services; a circle, which the loader
        // refuses, would end here too.
        for _ in 0..levels.len() {
            let mut changed = false;
            for (index, waits_for) in self.waits_for.iter().enumerate() {
                let above = waits_for.iter().map(|&on| levels[on] + 1).max();
                if let Some(level) = above
                    && level > levels[index]
                {
                    levels[index] = level.min(self.waits_for.len());
                    changed = true;
                }
            }
            if !changed {
                break;
            }
        }
        levels
    }
}

/// Whether a service, once it has ended well, stays so.
fn ends(service: &Service) -> bool {
    let deploy = service.deploy.as_ref();
    let mode = deploy.and_then(|deploy| deploy.mode.as_ref());
    if let Some(mode) = mode
        && matches!(
            mode.value,
            DeployMode::ReplicatedJob | DeployMode::GlobalJob
        )
    {
        return true;
    }
    match deploy.and_then(|deploy| deploy.restart_policy.as_ref()) {
        Some(policy) => policy.condition != RestartCondition::Any,
        None => service
            .restart
            .as_ref()
            .is_none_or(|restart| matches!(restart.value, Restart::No | Restart::OnFailure(_))),
    }
}

/// Everything that edges lead to from a place, the place itself left out.
fn reachable(start: usize, edges: &[Vec<usize>]) -> Vec<bool> {
    let mut seen = vec![false; edges.len()];
    let mut next = vec![start];
    while let Some(index) = next.pop() {
        for &to in &edges[index] {
            if !seen[to] {
                seen[to] = true;
                next.push(to);
            }
        }
    }
    seen[start] = false;
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::Spanned;
    use crate::resources::sample::{service, waiting};

    fn graph(services: &[Service]) -> Graph {
        Graph::of(&services.iter().collect::<Vec<_>>())
    }

    #[test]
    fn a_migration_and_what_waits_for_it_are_not_added() {
        let services = [
            service("db"),
            waiting("migrate", &[("db", Condition::Healthy)]),
            waiting("web", &[("migrate", Condition::CompletedSuccessfully)]),
        ];
        let graph = graph(&services);
        assert!(graph.is_one_shot(1));
        assert_eq!(graph.peak(&[1, 10, 100]), 101);
        assert_eq!(graph.peak(&[1, 1000, 100]), 1001);
    }

    #[test]
    fn one_shots_in_a_row_run_one_at_a_time() {
        let done = Condition::CompletedSuccessfully;
        let services = [
            service("fetch"),
            waiting("unpack", &[("fetch", done)]),
            waiting("web", &[("unpack", done)]),
        ];
        assert_eq!(graph(&services).peak(&[7, 8, 6]), 8);
    }

    #[test]
    fn one_shots_that_know_nothing_of_each_other_may_run_at_once() {
        let done = Condition::CompletedSuccessfully;
        let services = [
            service("a"),
            service("b"),
            waiting("web", &[("a", done), ("b", done)]),
        ];
        assert_eq!(graph(&services).peak(&[7, 8, 6]), 15);
    }

    #[test]
    fn a_service_that_comes_back_is_no_one_shot() {
        let mut migrate = service("migrate");
        migrate.restart = Some(Spanned::new(Restart::Always, migrate.name.span));
        let web = waiting("web", &[("migrate", Condition::CompletedSuccessfully)]);
        assert!(!graph(&[migrate, web]).is_one_shot(0));
    }

    #[test]
    fn a_service_that_others_need_running_is_no_one_shot() {
        let services = [
            service("db"),
            waiting("web", &[("db", Condition::Started)]),
            waiting("dump", &[("db", Condition::CompletedSuccessfully)]),
        ];
        assert!(!graph(&services).is_one_shot(0));
    }

    #[test]
    fn a_stop_takes_the_longest_grace_of_each_level() {
        let grace = |mut service: Service, seconds| {
            let period = Duration::from_secs(seconds);
            service.stop_grace_period = Some(Spanned::new(period, service.name.span));
            service
        };
        let services = [
            grace(service("db"), 60),
            service("cache"),
            grace(waiting("web", &[("db", Condition::Started)]), 5),
        ];
        let references: Vec<&Service> = services.iter().collect();
        let grace = Graph::of(&references).stop_grace(&references);
        assert_eq!(grace, Duration::from_secs(65));
    }
}
