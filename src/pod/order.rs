//! The order in which services start: `depends_on` as a graph, in levels.

/// Indices into a plan's containers, level by level: those of a level start together once all
/// levels before have started, and stop together before them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StartOrder {
    pub levels: Vec<Vec<usize>>,
}

impl StartOrder {
    /// From each item's dependencies, as indices. The loader has refused cycles; what would be in
    /// one starts in the last level.
    pub fn of(dependencies: &[Vec<usize>]) -> Self {
        let mut level: Vec<Option<usize>> = vec![None; dependencies.len()];
        let mut levels: Vec<Vec<usize>> = Vec::new();
        loop {
            let ready: Vec<usize> = (0..dependencies.len())
                .filter(|&i| {
                    level[i].is_none() && dependencies[i].iter().all(|&on| level[on].is_some())
                })
                .collect();
            if ready.is_empty() {
                break;
            }
            for &i in &ready {
                level[i] = Some(levels.len());
            }
            levels.push(ready);
        }
        let rest: Vec<usize> = (0..dependencies.len())
            .filter(|&i| level[i].is_none())
            .collect();
        if !rest.is_empty() {
            levels.push(rest);
        }
        Self { levels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_follow_the_longest_chain() {
        let order = StartOrder::of(&[vec![1, 2], vec![2], vec![], vec![]]);
        assert_eq!(order.levels, [vec![2, 3], vec![1], vec![0]]);
    }

    #[test]
    fn independent_services_start_together() {
        assert_eq!(StartOrder::of(&[vec![], vec![]]).levels, [vec![0, 1]]);
    }
}
