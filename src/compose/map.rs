//! A mapping of a file, which keeps the order in which its keys were first written.
//!
//! Nearly all have few keys. Those are looked through one by one, which is faster than a hash and
//! makes every value of a tree smaller, whatever it is.

use foldhash::fast::RandomState;
use indexmap::IndexMap;

use super::node::Node;
use super::source::Span;

/// With more keys than these, they are hashed.
const FEW: usize = 16;

/// A mapping; keeps the order in which keys were first written.
#[derive(Clone, Debug)]
pub struct Map {
    entries: Entries,
}

#[derive(Clone, Debug)]
enum Entries {
    Few(Vec<(String, Entry)>),
    Many(Box<Hashed>),
}

/// A faster hash than the standard library's: it is keyed too, and a project has but so many nodes
/// ([`super::limits`]), so that keys that collide cost little.
type Hashed = IndexMap<String, Entry, RandomState>;

#[derive(Clone, Debug)]
struct Entry {
    key_span: Span,
    node: Node,
}

impl Default for Map {
    fn default() -> Self {
        Self {
            entries: Entries::Few(Vec::new()),
        }
    }
}

impl PartialEq for Map {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
            && self
                .iter()
                .all(|(key, _, node)| other.get(key) == Some(node))
    }
}

impl Map {
    pub fn with_capacity(capacity: usize) -> Self {
        let entries = if capacity > FEW {
            let hashed = Hashed::with_capacity_and_hasher(capacity, RandomState::default());
            Entries::Many(Box::new(hashed))
        } else {
            Entries::Few(Vec::with_capacity(capacity))
        };
        Self { entries }
    }

    pub fn len(&self) -> usize {
        match &self.entries {
            Entries::Few(entries) => entries.len(),
            Entries::Many(entries) => entries.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn entry(&self, key: &str) -> Option<&Entry> {
        match &self.entries {
            Entries::Few(entries) => {
                let found = entries.iter().find(|(known, _)| known == key);
                found.map(|(_, entry)| entry)
            }
            Entries::Many(entries) => entries.get(key),
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.node)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let entry = match &mut self.entries {
            Entries::Few(entries) => {
                let found = entries.iter_mut().find(|(known, _)| known == key);
                found.map(|(_, entry)| entry)
            }
            Entries::Many(entries) => entries.get_mut(key),
        };
        entry.map(|entry| &mut entry.node)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Where a key is written.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.entry(key).map(|entry| entry.key_span)
    }

    /// Sets a key's value; a key that was there keeps its rank, and its old value is given back.
    pub fn insert(&mut self, key: impl Into<String>, key_span: Span, node: Node) -> Option<Node> {
        let (key, entry) = (key.into(), Entry { key_span, node });
        let old = match &mut self.entries {
            Entries::Few(entries) => {
                if let Some((_, known)) = entries.iter_mut().find(|(known, _)| *known == key) {
                    Some(std::mem::replace(known, entry))
                } else if entries.len() < FEW {
                    entries.push((key, entry));
                    None
                } else {
                    let mut hashed: Hashed = std::mem::take(entries).into_iter().collect();
                    hashed.insert(key, entry);
                    self.entries = Entries::Many(Box::new(hashed));
                    None
                }
            }
            Entries::Many(entries) => entries.insert(key, entry),
        };
        old.map(|old| old.node)
    }

    /// For a value that the loader makes: its key is where the value is.
    pub fn insert_made(&mut self, key: impl Into<String>, node: Node) {
        self.insert(key, node.span, node);
    }

    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let entry = match &mut self.entries {
            Entries::Few(entries) => {
                let place = entries.iter().position(|(known, _)| known == key);
                place.map(|place| entries.remove(place).1)
            }
            Entries::Many(entries) => entries.shift_remove(key),
        };
        entry.map(|entry| entry.node)
    }

    pub fn retain(&mut self, mut keep: impl FnMut(&str, &mut Node) -> bool) {
        match &mut self.entries {
            Entries::Few(entries) => {
                entries.retain_mut(|(key, entry)| keep(key, &mut entry.node));
            }
            Entries::Many(entries) => entries.retain(|key, entry| keep(key, &mut entry.node)),
        }
    }

    /// Changes the span of every key, of every value, and of all below.
    pub(super) fn map_spans(&mut self, f: &mut impl FnMut(Span) -> Span) {
        let mut change = |entry: &mut Entry| {
            entry.key_span = f(entry.key_span);
            entry.node.map_spans(f);
        };
        match &mut self.entries {
            Entries::Few(entries) => entries.iter_mut().for_each(|(_, entry)| change(entry)),
            Entries::Many(entries) => entries.values_mut().for_each(change),
        }
    }

    /// Key, the key's place, value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Span, &Node)> {
        let (few, many) = match &self.entries {
            Entries::Few(entries) => (entries.as_slice(), None),
            Entries::Many(entries) => ([].as_slice(), Some(entries.iter())),
        };
        let few = few.iter().map(|(key, entry)| (key, entry));
        few.chain(many.into_iter().flatten())
            .map(|(key, entry)| (key.as_str(), entry.key_span, &entry.node))
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&str, Span, &mut Node)> {
        let (few, many) = match &mut self.entries {
            Entries::Few(entries) => (entries.as_mut_slice(), None),
            Entries::Many(entries) => ([].as_mut_slice(), Some(entries.iter_mut())),
        };
        let few = few.iter_mut().map(|(key, entry)| (&*key, entry));
        few.chain(many.into_iter().flatten())
            .map(|(key, entry)| (key.as_str(), entry.key_span, &mut entry.node))
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(key, _, _)| key)
    }
}

impl IntoIterator for Map {
    type Item = (String, Span, Node);
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        match self.entries {
            Entries::Few(entries) => IntoIter(Remaining::Few(entries.into_iter())),
            Entries::Many(entries) => IntoIter(Remaining::Many(entries.into_iter())),
        }
    }
}

/// The entries of a [`Map`]: key, the key's place, value.
#[derive(Debug)]
pub struct IntoIter(Remaining);

#[derive(Debug)]
enum Remaining {
    Few(std::vec::IntoIter<(String, Entry)>),
    Many(indexmap::map::IntoIter<String, Entry>),
}

impl Iterator for IntoIter {
    type Item = (String, Span, Node);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, entry) = match &mut self.0 {
            Remaining::Few(entries) => entries.next(),
            Remaining::Many(entries) => entries.next(),
        }?;
        Some((key, entry.key_span, entry.node))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match &self.0 {
            Remaining::Few(entries) => entries.size_hint(),
            Remaining::Many(entries) => entries.size_hint(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(keys: usize) -> Map {
        let mut map = Map::default();
        for key in 0..keys {
            let node = Node::string(key.to_string(), Span::default());
            assert_eq!(
                map.insert(format!("key-{key}"), Span::default(), node),
                None
            );
        }
        map
    }

    #[test]
    fn few_keys_and_many_behave_alike() {
        for keys in [1, FEW - 1, FEW, FEW + 1, 4 * FEW] {
            let mut map = map(keys);
            let value = Node::string("new", Span::default());
            let old = map.insert("key-0", Span::default(), value.clone());
            assert_eq!(old.as_ref().and_then(Node::as_str), Some("0"));
            assert_eq!(map.get("key-0"), Some(&value), "{keys}");
            assert_eq!(map.len(), keys);
            let order: Vec<String> = map.keys().map(str::to_owned).collect();
            let written: Vec<String> = (0..keys).map(|key| format!("key-{key}")).collect();
            assert_eq!(order, written);

            assert!(map.remove("key-0").is_some() && map.remove("key-0").is_none());
            assert!(!map.contains("key-0"));
            map.retain(|key, _| key.ends_with('1'));
            assert!(map.keys().all(|key| key.ends_with('1')), "{keys}");
            let rest: Vec<String> = map.clone().into_iter().map(|(key, ..)| key).collect();
            assert!(map.keys().eq(rest.iter().map(String::as_str)));
        }
    }

    #[test]
    fn a_map_equals_one_of_another_order() {
        let (mut few, many) = (map(FEW), map(FEW + 1));
        assert_ne!(few, many);
        let last = Node::string(FEW.to_string(), Span::default());
        few.insert_made(format!("key-{FEW}"), last);
        let first = few.remove("key-0").unwrap();
        few.insert_made("key-0", first);
        assert_eq!(few, many);
    }
}
