//! What the figures were measured on.

use std::fmt::{self, Display, Formatter};
use std::fs;
use std::process::Command;
use std::thread;

use serde_json::{Value, json};

/// The machine and the programs that take part.
#[derive(Debug)]
pub(crate) struct Machine {
    facts: Vec<(&'static str, String)>,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let facts = vec![
            ("date", first_line("date", &["-u", "+%Y-%m-%d"])),
            ("processor", processor()),
            (
                "processors",
                thread::available_parallelism().map_or_else(|_| "?".into(), |it| it.to_string()),
            ),
            ("memory", memory()),
            ("kernel", first_line("uname", &["-r"])),
            ("load", load()),
            ("containerd", first_line("containerd", &["--version"])),
            ("runc", first_line("runc", &["--version"])),
            ("crun", first_line("crun", &["--version"])),
        ];
        Self { facts }
    }

    pub(crate) fn to_json(&self) -> Value {
        let pairs = self
            .facts
            .iter()
            .map(|(name, value)| ((*name).to_owned(), json!(value)));
        Value::Object(pairs.collect())
    }
}

impl Display for Machine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.facts.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{name}: {value}")?;
        }
        Ok(())
    }
}

fn first_line(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let text = text.unwrap_or_default();
    let line = text.lines().next().unwrap_or("not there").to_owned();
    // containerd says where its source is, and its commit.
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["containerd", _, version, ..] | [_, "version", version] => version.to_owned(),
        _ => line,
    }
}

fn field(path: &str, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

fn processor() -> String {
    field("/proc/cpuinfo", "model name").unwrap_or_default()
}

fn memory() -> String {
    field("/proc/meminfo", "MemTotal").unwrap_or_default()
}

/// Of the last minute, before anything is measured.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}
