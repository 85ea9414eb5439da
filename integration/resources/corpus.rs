//! The sums of public Compose files, against sums that an independent script made of docker compose's
//! normal form. The files are not part of the project: `COMPOSE_CASES` names their folder.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::marathon::rules;
use crate::program::{self, Run};

/// Cases that are refused, and why: Docker's engine would not run them either.
const REFUSED: [(&str, &str); 1] = [(
    "script__test__fixtures__v2__compose.yaml",
    "services.foo has a memory limit of 10000B, below the least, 6MiB",
)];

/// A row of `resources.tsv`, with how to run it.
struct Case {
    name: String,
    folder: PathBuf,
    words: Vec<String>,
    environment: Vec<(String, String)>,
    expected: HashMap<String, String>,
}

impl Case {
    fn run(&self, words: &[&str]) -> Run {
        let mut command = program::command(&self.folder);
        command.env("HOME", "/home/user");
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.args(&self.words).args(words);
        // What `all` GPUs are, no file can tell.
        if self.expected["gpus"] == "all" {
            command.args(["--gpus", "1"]);
        }
        Run::of(&mut command)
    }

    fn refusal(&self) -> Option<&'static str> {
        let refused = REFUSED.iter().find(|(name, _)| *name == self.name);
        refused.map(|(_, message)| *message)
    }

    fn number(&self, column: &str) -> u64 {
        let text = &self.expected[column];
        if column == "gpus" && text == "all" {
            return 1;
        }
        text.parse().expect("the columns are numbers")
    }
}

#[allow(
    clippy::print_stderr,
    reason = "nothing was compared: that must be seen"
)]
fn cases() -> Vec<Case> {
    let Some(folder) = std::env::var_os("COMPOSE_CASES") else {
        eprintln!("COMPOSE_CASES names no folder: nothing is compared");
        return Vec::new();
    };
    let corpora = Path::new(&folder).join("corpora");
    let read = |name: &str| {
        let path = corpora.join("expected").join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let lines = read("cases.jsonl");
    let runs: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case is an object"))
        .collect();
    let table = read("resources.tsv");
    let mut rows = table.lines().map(|line| line.split('\t'));
    let head: Vec<&str> = rows.next().expect("there is a head").collect();
    let cases = rows.map(|row| {
        let expected: HashMap<String, String> = head
            .iter()
            .zip(row)
            .map(|(column, text)| ((*column).to_owned(), text.to_owned()))
            .collect();
        let run = runs
            .iter()
            .find(|run| run["id"] == expected["case"] && run["repo"] == expected["repo"])
            .expect("each row has a case");
        let text = |value: &Value| value.as_str().expect("this is a text").to_owned();
        let words = run["args"].as_array().expect("these are words");
        let environment = run["env"].as_object().expect("these are variables");
        Case {
            name: expected["case"].clone(),
            folder: corpora.join(text(&run["repo"])).join(text(&run["dir"])),
            words: words.iter().map(text).collect(),
            environment: environment
                .iter()
                .map(|(name, value)| (name.clone(), text(value)))
                .collect(),
            expected,
        }
    });
    cases.collect()
}

/// What the table has of a sum. Its script takes services of providers for containers that state
/// nothing, and counts what is unset once for each instance.
fn columns(sum: &Value) -> [(&'static str, u64); 8] {
    let list = |key: &str| sum[key].as_array().expect("this is a list").iter();
    let providers = list("not_counted").filter(|left| left["reason"] == "provider");
    let providers = u64::try_from(providers.count()).expect("they are few");
    let number = |value: &Value| value.as_u64().expect("this is an integer");
    let instances = |rows: &mut dyn Iterator<Item = &Value>| -> u64 {
        providers + rows.map(|row| number(&row["replicas"])).sum::<u64>()
    };
    let unset = |resource: &str| {
        let defaulted = |row: &&Value| row["sources"][resource]["kind"] == "default";
        instances(&mut list("services").filter(defaulted))
    };
    let services = u64::try_from(list("services").count()).expect("they are few");
    let total = |key: &str| number(&sum["services_total"][key]);
    [
        ("services", services + providers),
        ("instances", instances(&mut list("services"))),
        ("cpu_unset", unset("cpus")),
        ("mem_unset", unset("mem")),
        ("gpus", total("gpus")),
        ("published_ports", total("ports")),
        ("milli_cpus", total("milli_cpus")),
        ("mem_bytes", total("mem_bytes")),
    ]
}

#[test]
fn sums_are_those_of_the_independent_script() {
    const JSON: [&str; 6] = [
        "--format=json",
        "--default-cpus=0",
        "--default-mem=0",
        "--basis",
        "limits",
        "--project-name=sample",
    ];
    let mut differences = Vec::new();
    for case in cases() {
        for (basis, cpus, mem) in [
            ("limits", "milli_cpus_limit", "mem_limit_bytes"),
            ("requests", "milli_cpus_request", "mem_request_bytes"),
        ] {
            let mut words = JSON;
            words[4] = basis;
            let run = case.run(&words);
            if let Some(message) = case.refusal() {
                assert_eq!(run.code, 3, "{}", case.name);
                assert!(run.err.contains(message), "{}", run.err);
                continue;
            }
            for (column, ours) in columns(&run.json()) {
                let column = match column {
                    "milli_cpus" => cpus,
                    "mem_bytes" => mem,
                    column => column,
                };
                let theirs = case.number(column);
                if ours != theirs {
                    differences.push(format!("{}: {column} {ours}, not {theirs}", case.name));
                }
            }
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

#[test]
fn each_case_is_an_app_that_marathon_takes() {
    for case in cases() {
        if case.refusal().is_some() {
            continue;
        }
        for basis in ["limits", "requests", "split"] {
            let run = case.run(&["--format", "marathon", "--basis", basis]);
            let app = run.json();
            let broken = rules::broken_by(&app);
            assert!(broken.is_empty(), "{} by {basis}: {broken:?}", case.name);
        }
    }
}

#[test]
fn all_gpus_are_refused_without_a_number() {
    for case in cases() {
        if case.expected["gpus"] == "all" {
            let mut command = program::command(&case.folder);
            let run = Run::of(command.args(&case.words));
            assert_eq!(run.code, 3);
            assert!(run.err.contains("asks for all GPUs"), "{}", run.err);
        }
    }
}
