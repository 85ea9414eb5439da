//! Services that wait for one another: none of them would ever start.

use std::collections::HashMap;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::node::{Map, Node};
use crate::compose::source::Span;

/// Services that wait for one another.
pub(super) fn check(services: &Map, errors: &mut Vec<Diagnostic>) {
    /// How far the search has come with a service.
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        OnTheWay,
        Done,
    }
    let edges = |name: &str| -> Vec<(String, Span)> {
        let depends_on = services.get(name).and_then(|node| node.get("depends_on"));
        depends_on
            .and_then(Node::as_map)
            .into_iter()
            .flat_map(Map::iter)
            .filter(|(name, ..)| services.contains(name))
            .map(|(name, span, _)| (name.to_owned(), span))
            .collect()
    };
    let mut marks: HashMap<String, Mark> = HashMap::new();
    for start in services.keys() {
        if marks.contains_key(start) {
            continue;
        }
        marks.insert(start.to_owned(), Mark::OnTheWay);
        // Each step: a service, the edges that are left to follow, the place of the edge to it.
        let mut way = vec![(start.to_owned(), edges(start), Span::default())];
        while let Some((name, left, _)) = way.last_mut() {
            let Some((next, span)) = left.pop() else {
                marks.insert(name.clone(), Mark::Done);
                way.pop();
                continue;
            };
            match marks.get(&next) {
                Some(Mark::Done) => {}
                Some(Mark::OnTheWay) => {
                    let first = way.iter().position(|(name, ..)| *name == next);
                    let round = &way[first.unwrap_or_default()..];
                    let names: Vec<&str> = round
                        .iter()
                        .map(|(name, ..)| name.as_str())
                        .chain([next.as_str()])
                        .collect();
                    let mut error = Diagnostic::invalid(format!(
                        "services wait for each other in a circle: {}",
                        names.join(" → ")
                    ))
                    .at(span);
                    for (_, _, span) in &round[1..] {
                        error = error.label(*span, "");
                    }
                    errors.push(error);
                }
                None => {
                    marks.insert(next.clone(), Mark::OnTheWay);
                    let further = edges(&next);
                    way.push((next, further, span));
                }
            }
        }
    }
}
