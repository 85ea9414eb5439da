//! What a framework is told: reports and refusals become status updates.
//!
//! `message` is one line that a person can act on, of at most 1 KiB: a code, the service, what
//! happened, and the container's last lines. `data` is the same for programs, JSON with
//! `schema: 1` (docs/status.md). Bad files are `TASK_FAILED` with `REASON_TASK_INVALID`, what the
//! operator forbids with `REASON_TASK_UNAUTHORIZED`.

mod ended;
mod on_the_way;
mod refused;
mod text;

use super::status_data::Data;
use crate::mesos::StatusUpdate;

pub(super) use ended::ended;
pub use ended::message;
pub(super) use on_the_way::on_the_way;
pub(super) use refused::{refused, refused_with};
pub use text::with_causes;
use text::{cut, escape};

const MESSAGE_MAX: usize = 1024;

/// A text for people, as the whole of a message.
fn line(text: &str) -> String {
    cut(&escape(text), MESSAGE_MAX)
}

/// A terminal update, with its code and words for people and for programs.
fn finish(update: StatusUpdate, code: &str, text: &str, mut data: Data) -> StatusUpdate {
    let message = line(&format!("{code}: {text}"));
    code.clone_into(&mut data.code);
    data.message.clone_from(&message);
    StatusUpdate {
        message: Some(message),
        data: Some(data.encode().into()),
        ..update
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    /// Every code of the sources, and every code of the page, as they are written there.
    #[test]
    fn the_page_has_every_code_and_no_other() {
        fn codes(text: &str, before: char, into: &mut BTreeSet<String>) {
            for (place, _) in text.match_indices(&format!("{before}CE-")) {
                let rest = &text[place + 1..];
                let end = rest.find(|c: char| !c.is_ascii_uppercase() && c != '-');
                into.insert(rest[..end.unwrap_or(rest.len())].to_owned());
            }
        }
        fn sources(folder: &Path, into: &mut BTreeSet<String>) {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    sources(&path, into);
                } else if path.extension().is_some_and(|it| it == "rs") {
                    codes(&fs::read_to_string(path).unwrap(), '"', into);
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut told, mut documented) = (BTreeSet::new(), BTreeSet::new());
        sources(&root.join("src"), &mut told);
        let page = fs::read_to_string(root.join("docs/status.md")).unwrap();
        codes(&page, '`', &mut documented);
        told.remove("CE-");
        assert_eq!(told, documented);
    }

    #[test]
    fn each_code_of_the_page_has_a_state_a_meaning_and_a_remedy() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/status.md");
        let page = fs::read_to_string(page).unwrap();
        let rows = page.lines().filter(|line| line.starts_with("| `CE-"));
        for row in rows.clone() {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [code, state, _, meaning, remedy] = cells[..] else {
                panic!("{row}");
            };
            assert!(state.starts_with("`TASK_"), "{code} has no state");
            assert!(!meaning.is_empty() && !remedy.is_empty(), "{code}");
        }
        assert!(rows.count() > 15, "the table is found");
    }
}
