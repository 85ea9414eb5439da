//! The steps that a journal tells of, a line of JSON each.
//!
//! A step is written down before it is done (`intent`), and after (`done`), or when it was taken
//! back (`undone`). Whoever cleans up goes by the intents: a thing that was to be made may be there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Something that is made for a pod and has to be taken away again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "snake_case")]
pub enum Step {
    /// The pod's lease in containerd.
    Lease,
    /// The pod's cgroups.
    Cgroup,
    /// The pod's network namespace, mounted at `path`.
    Netns { path: PathBuf },
    /// A mount at `path`.
    Mount { path: PathBuf },
    /// A folder, with what is in it.
    Folder { path: PathBuf },
    /// A container object, and its task.
    Container { id: String },
    /// The pod's record in containerd's store of sandboxes.
    Sandbox { id: String },
    /// A snapshot, by its key.
    Snapshot { key: String },
    /// An image that was unpacked from an archive of the user's: its name is the pod's alone.
    Image { name: String },
}

impl Step {
    /// Whether the thing stays on the host's disks when the host goes down. The rest is in memory
    /// and ends with the boot.
    pub(super) fn outlives_the_boot(&self) -> bool {
        match self {
            Self::Lease
            | Self::Folder { .. }
            | Self::Container { .. }
            | Self::Sandbox { .. }
            | Self::Snapshot { .. }
            | Self::Image { .. } => true,
            Self::Cgroup | Self::Netns { .. } | Self::Mount { .. } => false,
        }
    }
}

/// How far a step has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// About to be done; whether it was is not known.
    Intent,
    Done,
    /// Taken back: nothing of it is left.
    Undone,
}

/// A line of a journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Milliseconds since 1970.
    pub at: u64,
    pub state: State,
    #[serde(flatten)]
    pub step: Step,
}

impl Entry {
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = serde_json::to_vec(self).expect("an entry is plain data");
        line.push(b'\n');
        line
    }

    /// The entries of a journal. A line that was torn by a crash is passed over, as is one of a
    /// later version: what it tells of is in the record, or in a cgroup that is.
    pub fn parse_all(text: &[u8]) -> Vec<Self> {
        text.split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect()
    }

    /// What has to be taken away, in the order in which it was made.
    pub fn outstanding(entries: &[Self]) -> Vec<Step> {
        let mut steps: Vec<Step> = Vec::new();
        for entry in entries {
            match entry.state {
                State::Undone => steps.retain(|step| *step != entry.step),
                State::Intent | State::Done if !steps.contains(&entry.step) => {
                    steps.push(entry.step.clone());
                }
                State::Intent | State::Done => {}
            }
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(name: &str) -> Step {
        Step::Image {
            name: name.to_owned(),
        }
    }

    fn entry(state: State, step: Step) -> Entry {
        Entry { at: 5, state, step }
    }

    #[test]
    fn an_entry_is_a_line_of_json() {
        let line = entry(State::Intent, image("a")).line();
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "{\"at\":5,\"state\":\"intent\",\"step\":\"image\",\"name\":\"a\"}\n"
        );
    }

    #[test]
    fn a_torn_line_and_an_unknown_step_are_passed_over() {
        let whole = entry(State::Done, Step::Lease);
        let mut text = whole.line();
        text.extend(b"{\"at\":5,\"state\":\"intent\",\"step\":\"teleport\"}\n");
        text.extend(entry(State::Intent, image("b")).line());
        text.truncate(text.len() - 4);
        assert_eq!(Entry::parse_all(&text), [whole]);
    }

    #[test]
    fn what_was_intended_counts_until_it_is_undone() {
        let entries = [
            entry(State::Intent, image("a")),
            entry(State::Intent, image("b")),
            entry(State::Done, image("a")),
            entry(State::Undone, image("a")),
            entry(State::Intent, Step::Cgroup),
        ];
        assert_eq!(Entry::outstanding(&entries), [image("b"), Step::Cgroup]);
    }
}
