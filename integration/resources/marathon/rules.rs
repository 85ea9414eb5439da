//! What Marathon asks of an app that runs a custom executor, and what the executor asks of the task
//! that Marathon makes of it.

use std::collections::HashSet;

use serde_json::Value;

/// A rule: the key it is about, and whether an app keeps it.
type Rule = (&'static str, fn(&Value) -> bool);

const RULES: [Rule; 18] = [
    ("id", |app| text(&app["id"]).is_some_and(is_path)),
    // An empty command is not run by the shell, and words would be the executor's flags.
    ("cmd", |app| app["cmd"] == " "),
    ("args", |app| app["args"].is_null()),
    ("container", |app| app["container"].is_null()),
    ("executor", |app| {
        text(&app["executor"]).is_some_and(|path| path.starts_with('/') && !path.contains('\''))
    }),
    ("instances", |app| app["instances"].is_u64()),
    ("cpus", |app| is_scalar(&app["cpus"], 0.01)),
    ("mem", |app| is_scalar(&app["mem"], 32.0)),
    ("disk", |app| is_scalar(&app["disk"], 0.0)),
    ("gpus", |app| app["gpus"].is_u64()),
    ("executorResources", |app| {
        let own = &app["executorResources"];
        is_scalar(&own["cpus"], 0.1)
            && is_scalar(&own["mem"], 32.0)
            && is_scalar(&own["disk"], 10.0)
    }),
    ("resourceLimits", |app| {
        let limits = &app["resourceLimits"];
        let holds = |key: &str| {
            limits[key] == "unlimited" || is_scalar(&limits[key], app[key].as_f64().unwrap_or(0.0))
        };
        limits.is_null() || (holds("cpus") && holds("mem"))
    }),
    ("portDefinitions", |app| ports(app).is_some()),
    ("requirePorts", |app| {
        let fixed = app["portDefinitions"]
            .as_array()
            .is_some_and(|ports| ports.iter().any(|port| port["port"] != 0));
        app["requirePorts"] == fixed
    }),
    ("fetch", |app| {
        let sound = |item: &Value| {
            text(&item["uri"]).is_some_and(|uri| uri.contains("://"))
                && item["extract"].is_boolean()
        };
        app["fetch"]
            .as_array()
            .is_some_and(|items| !items.is_empty() && items.iter().all(sound))
    }),
    ("labels", |app| {
        app["labels"]
            .as_object()
            .is_some_and(|labels| labels.values().all(Value::is_string))
    }),
    ("taskKillGracePeriodSeconds", |app| {
        app["taskKillGracePeriodSeconds"].is_u64()
    }),
    // Mesos runs one; the rest would be dropped.
    ("healthChecks", |app| {
        app["healthChecks"]
            .as_array()
            .is_none_or(|checks| checks.len() <= 1)
    }),
];

/// The keys of an app that are wrong, in the order of the rules; then those that nobody knows.
pub(crate) fn broken_by(app: &Value) -> Vec<&str> {
    let broken = RULES
        .iter()
        .filter(|(_, keeps)| !keeps(app))
        .map(|(key, _)| *key);
    let known = |key: &str| RULES.iter().any(|(rule, _)| *rule == key);
    let keys = app.as_object().expect("an app is an object").keys();
    let unknown = keys.map(String::as_str).filter(|key| !known(key));
    broken.chain(unknown).collect()
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().filter(|text| !text.is_empty())
}

/// A number that Mesos holds exactly: three decimals, and not below the least.
fn is_scalar(value: &Value, least: f64) -> bool {
    let Some(number) = value.as_f64() else {
        return false;
    };
    let decimals = value.to_string();
    let decimals = decimals
        .split_once('.')
        .map_or(0, |(_, digits)| digits.len());
    number >= least && decimals <= 3
}

/// An absolute path of DNS labels.
fn is_path(id: &str) -> bool {
    id.strip_prefix('/')
        .is_some_and(|path| path.split('/').all(is_label))
}

fn is_label(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&text.len())
        && text.chars().all(sound)
        && !text.starts_with('-')
        && !text.ends_with('-')
}

/// Port definitions with names and numbers of their own; 0 is any number.
fn ports(app: &Value) -> Option<()> {
    let (mut names, mut numbers) = (HashSet::new(), HashSet::new());
    for port in app["portDefinitions"].as_array()? {
        let name = text(&port["name"]).filter(|name| is_label(name))?;
        let number = u16::try_from(port["port"].as_u64()?).ok()?;
        let protocol = port["protocol"].as_str()?;
        let sound = matches!(protocol, "tcp" | "udp" | "udp,tcp");
        if !sound || !names.insert(name) || (number != 0 && !numbers.insert(number)) {
            return None;
        }
    }
    Some(())
}
