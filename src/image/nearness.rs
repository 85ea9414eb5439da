//! How near two names are, for "did you mean".

/// The names, the nearest to the wanted one first; equals in their order.
pub(super) fn nearest_first(wanted: &str, mut names: Vec<String>) -> Vec<String> {
    names.sort_by_cached_key(|name| (distance(wanted, name), name.clone()));
    names.dedup();
    names
}

/// Levenshtein's distance: how many letters must be put in, left out or changed.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (column, other) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(row[column] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_counted_in_letters() {
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("nginx", "ngnix"), 2);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_nearest_name_comes_first_and_only_once() {
        let names = ["redis:7", "nginx:1.27", "nginx:1.26", "nginx:1.27"].map(str::to_owned);
        assert_eq!(
            nearest_first("ngnix:1.27", names.to_vec()),
            ["nginx:1.27", "nginx:1.26", "redis:7"]
        );
    }
}
