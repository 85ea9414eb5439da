//! `docs/compose-support.md`, which is this table for people. A test holds the two together.

use std::fmt::Write as _;

use super::{Row, SECTIONS, Section, Seen, Verdict};

const HEAD: &str = "\
<!-- Generated from src/pod/verdict/: `UPDATE_DOCS=1 cargo test --lib verdict::page` writes it anew. -->
# What becomes of each key of a Compose file

A file is checked before anything is done, and nothing in it is passed over in silence. Each key has one of
these verdicts:

- **yes**: it has its effect. The last column names the test that has seen it in a running container. Where no
  machine of ours has what it takes, the document that asks for it and the refusal without it are tested.
- **warns**: the pod runs, and a warning tells what is different.
- **no need**: nothing has to be done for it in a pod.
- **refused**: it would run in another way than the file says, so the file is refused, with file, line and column.

What a service may ask for in fact is the operator's to say: see the page on the policy. Values that are wrong on
any machine are refused as Docker's engine refuses them.
";

/// The whole page.
fn page() -> String {
    let mut page = HEAD.to_owned();
    for section in SECTIONS {
        write_section(&mut page, &section);
    }
    page
}

fn write_section(page: &mut String, section: &Section) {
    let path = match section.path {
        "" => String::new(),
        path => format!("`{path}`\n\n"),
    };
    write!(
        page,
        "\n## {}\n\n{path}| key | | | |\n|---|---|---|---|\n",
        section.title
    )
    .expect("a string takes all that is written");
    for row in section.rows {
        page.push_str(&line(row));
    }
}

fn line(row: &Row) -> String {
    let mut text = row.text.to_owned();
    let (verdict, seen) = match row.verdict {
        Verdict::Supported(Seen::By(seen_by)) => ("yes", format!("`{seen_by}`")),
        Verdict::Supported(Seen::Not(why)) => ("yes", format!("not seen running: {why}")),
        Verdict::Warned => ("warns", String::new()),
        Verdict::Harmless => ("no need", String::new()),
        Verdict::Refused { instead } => {
            text = format!("{text}. Instead: {instead}");
            ("refused", String::new())
        }
    };
    let key = match row.key.split_once(": ") {
        Some((key, value)) => format!("`{key}`: {value}"),
        None => format!("`{}`", row.key),
    };
    format!("| {key} | {verdict} | {text} | {seen} |\n")
}

#[test]
fn the_page_is_current() {
    let written = include_str!("../../../docs/compose-support.md");
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/compose-support.md");
    let page = page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    } else {
        assert!(
            written == page,
            "stale: UPDATE_DOCS=1 cargo test --lib verdict::page"
        );
    }
}
