//! What a task says of its pod: where its Compose files are, and how to read them.
//!
//! Everything here is its user's word. Paths are only names here: they are opened beneath the
//! sandbox later.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::aurora::AssignedTask;
use crate::mesos::Task;
use crate::supervisor::course::RunningMeans;

/// Variables that never reach an interpolation: the agent's token, and libprocess' own.
const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";
const LIBPROCESS: &str = "LIBPROCESS_";
/// What Aurora puts before the keys of a job's metadata to make labels of them.
const AURORA: &str = "org.apache.aurora.metadata.";

/// A task, as far as its pod is concerned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    /// Empty: the default names in the sandbox.
    pub files: Vec<PathBuf>,
    pub profiles: Vec<String>,
    pub project: Option<String>,
    /// When the task counts as running.
    pub running_means: RunningMeans,
    /// Archives of images, beside those that the file names.
    pub archives: Vec<PathBuf>,
    /// What `${…}` sees, beside the sandbox's `.env`.
    pub environment: BTreeMap<String, String>,
    /// What every container gets, under what the file gives it.
    pub for_containers: Vec<(String, String)>,
}

/// What a task's framework expects of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Its end is its success.
    #[default]
    Batch,
    /// It goes on until it is killed: an end of its own is a failure, whatever the exit codes.
    Service,
}

impl Purpose {
    /// Only Aurora says it, in its data.
    pub(super) fn of(task: &Task) -> Self {
        let data = task.data.as_deref().unwrap_or_default();
        match AssignedTask::decode(data) {
            Some(assigned) if assigned.is_service => Self::Service,
            _ => Self::Batch,
        }
    }
}

/// A label or the data of a task can't be understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum DescriptionError {
    #[error("the task's data is a JSON object, but not one of \"files\", \"profiles\" and \"env\"")]
    Data(#[source] serde_json::Error),
    #[error(
        "the task's label compose.running is \"{0}\": \"healthy\" and \"started\" are what it can be"
    )]
    Running(String),
}

/// `TaskInfo.data`, or what an Aurora job says to its executor, when it is a JSON object.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Data {
    files: Vec<PathBuf>,
    profiles: Vec<String>,
    env: BTreeMap<String, String>,
}

impl Description {
    /// `argv` are the files that the executor's command line names, `environment` the executor's
    /// own variables, which are the task's.
    pub(super) fn of(
        task: &Task,
        argv: &[PathBuf],
        environment: &BTreeMap<String, String>,
    ) -> Result<Self, DescriptionError> {
        let label = |key: &str| {
            let is_named = |name: &str| name == key || name.strip_prefix(AURORA) == Some(key);
            let found = task.labels.iter().find(|(name, _)| is_named(name));
            found
                .and_then(|(_, value)| value.clone())
                .filter(|value| !value.is_empty())
        };
        let running_means = match label("compose.running").as_deref() {
            None | Some("healthy") => RunningMeans::Healthy,
            Some("started") => RunningMeans::Started,
            Some(other) => return Err(DescriptionError::Running(other.to_owned())),
        };
        let assigned = AssignedTask::decode(task.data.as_deref().unwrap_or_default());
        let data = match &assigned {
            Some(assigned) => Data::of(assigned.executor_data.as_deref().unwrap_or_default())?,
            None => Data::of(task.data.as_deref().unwrap_or_default())?,
        };
        let mut variables = assigned.map(auroras_variables).unwrap_or_default();
        let own = environment
            .iter()
            .filter(|(name, _)| *name != TOKEN && !name.starts_with(LIBPROCESS));
        variables.extend(own.map(|(name, value)| (name.clone(), value.clone())));
        variables.extend(data.env);
        variables.insert("MESOS_TASK_ID".to_owned(), task.id.to_string());
        let files = [
            argv.to_vec(),
            label("compose.files")
                .or_else(|| file_name(task))
                .map(|list| paths(&list))
                .unwrap_or_default(),
            data.files,
        ];
        let profiles = label("compose.profiles")
            .map(|list| words(&list))
            .unwrap_or(data.profiles);
        Ok(Self {
            // COMPOSE_FILE and the default names are the loader's to look for.
            files: files
                .into_iter()
                .find(|files| !files.is_empty())
                .unwrap_or_default(),
            profiles,
            running_means,
            project: label("compose.project"),
            archives: label("compose.images")
                .map(|list| paths(&list))
                .unwrap_or_default(),
            for_containers: for_containers(&variables),
            environment: variables,
        })
    }
}

/// For those who come from dce-go: its label, alone or behind a framework's prefix.
fn file_name(task: &Task) -> Option<String> {
    let found = task
        .labels
        .iter()
        .find(|(key, _)| key == "fileName" || key.ends_with(".fileName"));
    found
        .and_then(|(_, value)| value.clone())
        .filter(|value| !value.is_empty())
}

impl Data {
    /// Data of another kind is not ours to read.
    fn of(bytes: impl AsRef<[u8]>) -> Result<Self, DescriptionError> {
        match serde_json::from_slice::<serde_json::Value>(bytes.as_ref()) {
            Ok(object @ serde_json::Value::Object(_)) => {
                serde_json::from_value(object).map_err(DescriptionError::Data)
            }
            _ => Ok(Self::default()),
        }
    }
}

/// Aurora gives its executors no variables: these are called as Marathon calls its own.
fn auroras_variables(assigned: AssignedTask) -> BTreeMap<String, String> {
    let host = assigned.host.map(|host| ("HOST".to_owned(), host));
    let ports = assigned.ports.into_iter();
    let ports = ports.map(|(name, port)| (port_variable(&name), port.to_string()));
    host.into_iter().chain(ports).collect()
}

/// `PORT_ADMIN_UI` of a port with the name `admin-ui`.
fn port_variable(name: &str) -> String {
    let letter = |c: char| match c {
        c if c.is_ascii_alphanumeric() => c.to_ascii_uppercase(),
        _ => '_',
    };
    format!("PORT_{}", name.chars().map(letter).collect::<String>())
}

fn words(list: &str) -> Vec<String> {
    list.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

fn paths(list: &str) -> Vec<PathBuf> {
    words(list).into_iter().map(PathBuf::from).collect()
}

fn for_containers(variables: &BTreeMap<String, String>) -> Vec<(String, String)> {
    let given = |name: &str| {
        matches!(name, "MESOS_TASK_ID" | "HOST" | "PORT" | "PORTS")
            || name.strip_prefix("PORT").is_some_and(|rest| {
                rest.starts_with('_') || rest.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    variables
        .iter()
        .filter(|(name, _)| given(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mesos::{Limits, Resources};

    fn task(labels: &[(&str, &str)], data: &str) -> Task {
        let mut task = Task {
            id: "task-1".into(),
            name: String::new(),
            agent_id: "agent".into(),
            labels: Vec::new(),
            data: None,
            resources: Resources::default(),
            role: None,
            limits: Limits::default(),
            kill_grace_period: None,
            command: None,
            executor: None,
            discovery_ports: Vec::new(),
            health_check: None,
            check: None,
            max_completion_time: None,
            raw: Bytes::new(),
        };
        task.labels = labels
            .iter()
            .map(|(key, value)| ((*key).to_owned(), Some((*value).to_owned())))
            .collect();
        task.data = (!data.is_empty()).then(|| data.to_owned().into());
        task
    }

    fn describe(task: &Task) -> Description {
        Description::of(task, &[], &BTreeMap::new()).unwrap()
    }

    #[test]
    fn files_are_taken_from_the_first_place_that_names_any() {
        let data = r#"{"files": ["d.yaml"], "profiles": ["p"]}"#;
        let both = task(&[("compose.files", "a.yaml, b.yaml")], data);
        assert_eq!(
            describe(&both).files,
            [PathBuf::from("a.yaml"), "b.yaml".into()]
        );
        assert_eq!(describe(&both).profiles, ["p"]);
        assert_eq!(describe(&task(&[], data)).files, [PathBuf::from("d.yaml")]);
        let aurora = task(
            &[("org.apache.aurora.metadata.fileName", "x.yml")],
            "\u{b}\u{0}not json",
        );
        assert_eq!(describe(&aurora).files, [PathBuf::from("x.yml")]);
        let aurora = task(&[("org.apache.aurora.metadata.compose.files", "y.yml")], "");
        assert_eq!(describe(&aurora).files, [PathBuf::from("y.yml")]);
        let argv = Description::of(&both, &["c.yaml".into()], &BTreeMap::new()).unwrap();
        assert_eq!(argv.files, [PathBuf::from("c.yaml")]);
        assert!(describe(&task(&[], "")).files.is_empty());
    }

    /// Field 1 is the task's id, 4 its configuration with the executor's in 25, 5 its ports.
    #[test]
    fn aurora_hands_over_ports_and_the_jobs_words_in_its_own_way() {
        let words = r#"{"files": ["a.yaml"], "env": {"TAG": "2"}}"#;
        let data = [
            &b"\x0b\0\x01\0\0\0\x01t\x0b\0\x03\0\0\0\x01h"[..],
            b"\x0c\0\x04\x0c\0\x19\x0b\0\x02\0\0\0",
            &[u8::try_from(words.len()).unwrap()],
            words.as_bytes(),
            b"\0\0",
            b"\x0d\0\x05\x0b\x08\0\0\0\x01\0\0\0\x08admin-ui\0\0\x79\x18",
            b"\0",
        ]
        .concat();
        let mut aurora = task(&[], "");
        aurora.data = Some(data.into());
        let description = describe(&aurora);
        assert_eq!(description.files, [PathBuf::from("a.yaml")]);
        assert_eq!(description.environment["TAG"], "2");
        assert_eq!(description.environment["PORT_ADMIN_UI"], "31000");
        let given = [
            ("HOST", "h"),
            ("MESOS_TASK_ID", "task-1"),
            ("PORT_ADMIN_UI", "31000"),
        ];
        let given = given.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(description.for_containers, given);
        let own = BTreeMap::from([("HOST".to_owned(), "mine".to_owned())]);
        let description = Description::of(&aurora, &[], &own).unwrap();
        assert_eq!(description.environment["HOST"], "mine");
    }

    #[test]
    fn unknown_words_are_refused() {
        let wrong = task(&[], r#"{"file": "a.yaml"}"#);
        assert!(matches!(
            Description::of(&wrong, &[], &BTreeMap::new()),
            Err(DescriptionError::Data(_))
        ));
        let wrong = task(&[("compose.running", "soon")], "");
        assert!(matches!(
            Description::of(&wrong, &[], &BTreeMap::new()),
            Err(DescriptionError::Running(_))
        ));
    }

    #[test]
    fn the_token_is_no_variable_and_containers_get_only_what_tells_their_place() {
        let environment = [
            ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "secret"),
            ("LIBPROCESS_IP", "127.0.0.1"),
            ("HOST", "agent-1"),
            ("PORT", "31000"),
            ("PORT0", "31000"),
            ("PORT_HTTP", "31000"),
            ("PORTAL", "no"),
            ("TAG", "1.2"),
        ];
        let environment: BTreeMap<String, String> = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let description = Description::of(&task(&[], ""), &[], &environment).unwrap();
        let names: Vec<&str> = description.environment.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "HOST",
                "MESOS_TASK_ID",
                "PORT",
                "PORT0",
                "PORTAL",
                "PORT_HTTP",
                "TAG"
            ]
        );
        let given: Vec<&str> = description
            .for_containers
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(
            given,
            ["HOST", "MESOS_TASK_ID", "PORT", "PORT0", "PORT_HTTP"]
        );
    }
}
