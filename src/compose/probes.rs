//! The loader held against docker compose's own answers, and against other readings of the same
//! files: `integration/compose` has the cases.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::limits::Limits;
use super::load::{LoadError, LoadOptions, Loaded, load};
use super::node::{Node, Value};
use super::path::Path as KeyPath;
use super::source::SourceId;
use super::{DiskFiles, Printed, schema, to_json, to_yaml, yaml};

/// One recorded answer.
#[derive(serde::Deserialize)]
struct Probe {
    id: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    rc: i32,
    out: Option<Json>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("integration/compose")
}

fn probes() -> Vec<Probe> {
    let answers = std::fs::read_to_string(folder().join("probes/results.jsonl")).unwrap();
    let probes: Vec<Probe> = answers
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(probes.len() > 300, "the probes are there");
    probes
}

impl Probe {
    fn place(&self) -> PathBuf {
        folder().join("probes/cases").join(&self.id)
    }

    fn options(&self) -> LoadOptions {
        let place = self.place();
        let mut options = LoadOptions::new(&place);
        options.environment = self.env.clone();
        options
            .environment
            .insert("HOME".to_owned(), "/home/user".to_owned());
        let mut args = self.args.iter();
        while let Some(flag) = args.next() {
            let value = args.next().unwrap().clone();
            match flag.as_str() {
                "-f" => options.files.push(value.into()),
                "-p" => options.project_name = Some(value),
                "--profile" => options.profiles.push(value),
                other => panic!("{}: {other} is unknown here", self.id),
            }
        }
        options
    }

    fn load(&self) -> Result<Loaded, LoadError> {
        let options = self.options();
        load(&options, &DiskFiles::new(options.limits.file_bytes))
    }
}

/// What docker compose writes empty, and what an executor has no use for, taken out.
fn tidy(value: &mut Json, inside: &str) {
    match value {
        Json::Object(map) => {
            map.retain(|key, item| {
                let unused = inside != "services" && matches!(key.as_str(), "build" | "develop");
                let null = matches!(key.as_str(), "command" | "entrypoint") && item.is_null();
                tidy(item, key);
                let hollow =
                    item.is_null() || item.as_object().is_some_and(serde_json::Map::is_empty);
                let empty = matches!(key.as_str(), "ipam" | "placement" | "volume" | "bind");
                !(unused || null || (empty && hollow))
            });
        }
        Json::Array(items) => items.iter_mut().for_each(|item| tidy(item, "")),
        _ => {}
    }
}

#[test]
fn every_probe_agrees_with_docker_compose_or_is_a_listed_deviation() {
    let listed = std::fs::read_to_string(folder().join("deviations.tsv")).unwrap();
    let listed: BTreeMap<&str, &str> = listed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('\t'))
        .collect();
    assert!(listed.len() <= 12, "deviations are few");
    let mut wrong = Vec::new();
    for probe in probes() {
        let outcome = match (probe.load(), &probe.out) {
            (Ok(loaded), Some(expected)) => {
                let place = probe.place().to_string_lossy().into_owned();
                let text = to_json(&loaded.tree, Printed::Project).replace(&place, "@DIR@");
                let mut ours: Json = serde_json::from_str(&text).unwrap();
                let mut theirs = expected.clone();
                tidy(&mut ours, "");
                tidy(&mut theirs, "");
                (ours != theirs).then(|| format!("{ours}\n    instead of {theirs}"))
            }
            (Ok(_), None) => Some("loads, and docker compose refuses it".to_owned()),
            (Err(error), Some(_)) => Some(format!("is refused: {error}")),
            (Err(_), None) => None,
        };
        assert_eq!(probe.out.is_some(), probe.rc == 0);
        match (outcome, listed.contains_key(probe.id.as_str())) {
            (Some(difference), false) => wrong.push(format!("{}: {difference}", probe.id)),
            (None, true) => {
                wrong.push(format!("{} is listed as a deviation, and agrees", probe.id));
            }
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Loads what `config` printed, from a folder of its own.
fn again(yaml: &str) -> Result<Loaded, LoadError> {
    let place = tempfile::tempdir().unwrap();
    std::fs::write(place.path().join("compose.yaml"), yaml).unwrap();
    let options = LoadOptions {
        profiles: vec!["*".to_owned()],
        ..LoadOptions::new(place.path())
    };
    load(&options, &DiskFiles::new(options.limits.file_bytes))
}

#[test]
fn config_of_its_own_output_gives_the_same_output() {
    let mut wrong = Vec::new();
    for probe in probes() {
        // Docker Compose takes `80` and `"80"` for two ports, but prints them alike.
        if probe.id == "merge2/ports-int-published" {
            continue;
        }
        if let Ok(loaded) = probe.load() {
            let printed = to_yaml(&loaded.tree, Printed::Project);
            match again(&printed) {
                Ok(loaded) if to_yaml(&loaded.tree, Printed::Project) == printed => {}
                Ok(loaded) => wrong.push(format!(
                    "{}: {printed}---\n{}",
                    probe.id,
                    to_yaml(&loaded.tree, Printed::Project)
                )),
                Err(error) => wrong.push(format!("{}: {printed}---\n{error}", probe.id)),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A tree as other readers give it.
fn plain_json(node: &Node) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(value) => (*value).into(),
        Value::Int(number) => (*number).into(),
        Value::Unsigned(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Date(text) | Value::String(text) => text.clone().into(),
        Value::List(items) => items.iter().map(plain_json).collect(),
        Value::Map(map) => map
            .iter()
            .map(|(key, _, node)| (key.to_owned(), plain_json(node)))
            .collect(),
    }
}

/// The first file of each probe, as it is read here and by another reader. Left out are files that
/// one of them refuses, and those about scalars of YAML 1.1, which the other reads by 1.2.
fn readings() -> Vec<(String, Node, Json)> {
    let mut readings = Vec::new();
    for probe in probes() {
        let Ok(text) = std::fs::read_to_string(probe.place().join("compose.yaml")) else {
            continue;
        };
        let mut nodes = Limits::default().nodes;
        let ours = yaml::read(&text, SourceId(0), &Limits::default(), &mut nodes);
        let Ok(mut ours) = ours.map(|read| read.documents) else {
            continue;
        };
        let Ok(mut theirs) = serde_yaml::from_str::<serde_yaml::Value>(&text) else {
            continue;
        };
        let about_scalars = probe.id.starts_with("types");
        if ours.len() != 1 || about_scalars || text.contains(": !") || text.contains("[!") {
            continue;
        }
        theirs.apply_merge().unwrap();
        let Ok(theirs) = serde_json::to_value(theirs) else {
            continue;
        };
        readings.push((probe.id, ours.remove(0), theirs));
    }
    assert!(readings.len() > 200, "most probes have one readable file");
    readings
}

#[test]
fn another_reader_of_yaml_gives_the_same_data() {
    for (id, ours, theirs) in readings() {
        // YAML 1.1's octal numbers: `mode: 0440`.
        if !theirs.to_string().contains(":04") && !id.ends_with("octal") && !id.contains("long") {
            assert_eq!(plain_json(&ours), theirs, "{id}");
        }
    }
}

/// The JSON schema of the specification, which is not in this repository but beside it, or where
/// `COMPOSE_CASES` says.
fn specification() -> Option<Json> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = root
        .ancestors()
        .map(|folder| folder.join("shared/compose-cases"));
    let beside = std::env::var_os("COMPOSE_CASES")
        .map(PathBuf::from)
        .into_iter()
        .chain(beside)
        .map(|folder| folder.join("schema/compose-spec.json"))
        .find(|path| path.exists())?;
    Some(serde_json::from_str(&std::fs::read_to_string(beside).unwrap()).unwrap())
}

#[test]
fn the_specifications_schema_refuses_what_our_tables_refuse() {
    let Some(schema) = specification() else {
        eprintln!("the specification's schema is not beside this repository: nothing is compared");
        return;
    };
    let validator = jsonschema::validator_for(&schema).unwrap();
    for (id, ours, theirs) in readings() {
        let mut errors = Vec::new();
        schema::check(&schema::PROJECT, &ours, KeyPath::default(), &mut errors);
        // It is newer than the docker compose that we follow.
        if theirs.to_string().contains("pre_start") {
            continue;
        }
        let valid = validator.is_valid(&theirs);
        assert_eq!(errors.is_empty(), valid, "{id}: {errors:?}");
    }
}

#[test]
fn every_property_of_the_specification_is_in_our_tables() {
    let Some(schema) = specification() else {
        eprintln!("the specification's schema is not beside this repository: nothing is compared");
        return;
    };
    let properties = |at: &str| -> Vec<String> {
        let properties = schema.pointer(at).unwrap().as_object().unwrap();
        properties.keys().cloned().collect()
    };
    let known = |path: &[&str], key: &str| {
        let mut errors = Vec::new();
        let text = match path {
            [] => format!("{key}:"),
            path => format!("{}: {{{}: {{{key}: }}}}", path[0], path[1]),
        };
        let mut nodes = Limits::default().nodes;
        let mut read = yaml::read(&text, SourceId(0), &Limits::default(), &mut nodes).unwrap();
        let node = read.documents.remove(0);
        schema::check(&schema::PROJECT, &node, KeyPath::default(), &mut errors);
        !errors
            .iter()
            .any(|error| error.message.contains("has no key"))
    };
    // Newer than the docker compose that we follow.
    for key in properties("/$defs/service/properties") {
        assert!(
            key == "pre_start" || known(&["services", "a"], &key),
            "{key}"
        );
    }
    for key in properties("/properties") {
        assert!(known(&[], &key), "{key}");
    }
    for (section, name) in [
        ("networks", "network"),
        ("volumes", "volume"),
        ("secrets", "secret"),
        ("configs", "config"),
        ("models", "model"),
    ] {
        for key in properties(&format!("/$defs/{name}/properties")) {
            assert!(known(&[section, "a"], &key), "{section}: {key}");
        }
    }
}
