//! The sum as a Marathon app.
//!
//! Marathon builds one task with one executor of it. `cmd` is one blank: without a command Marathon
//! does not run the executor's path by the shell, and with words they would be the executor's flags.
//! There is no `container`: with one the agent would put the executor, not the pod, into an image.

use serde_json::{Map, Value, json};

use super::Job;
use super::amounts::{cpus, mebibytes};
use super::json::seconds;
use crate::compose::model::Protocol;
use crate::resources::basis::Ceiling;
use crate::resources::overhead;
use crate::resources::ports::{OfferPort, label};
use crate::resources::sum::{Sum, TaskLimits};

/// A complete app definition.
pub fn marathon(sum: &Sum, job: &Job) -> Value {
    let task = &sum.task;
    let executor = overhead::EXECUTOR;
    let mut app = Map::from_iter([
        (
            "id".to_owned(),
            format!("/{}", label(&sum.project, 63)).into(),
        ),
        ("cmd".to_owned(), " ".into()),
        ("executor".to_owned(), job.executor.clone().into()),
        ("instances".to_owned(), 1.into()),
        ("cpus".to_owned(), cpus(task.amounts.cpus)),
        ("mem".to_owned(), mebibytes(task.amounts.mem).into()),
        ("disk".to_owned(), mebibytes(task.amounts.disk).into()),
        ("gpus".to_owned(), task.gpus.into()),
    ]);
    if let Some(limits) = &task.limits {
        app.insert("resourceLimits".to_owned(), resource_limits(limits));
    }
    app.insert(
        "executorResources".to_owned(),
        json!({
            "cpus": cpus(executor.cpus),
            "mem": mebibytes(executor.mem),
            "disk": mebibytes(executor.disk),
        }),
    );
    let ports: Vec<Value> = task.ports.iter().map(port_definition).collect();
    let fixed = task.ports.iter().any(|port| port.fixed.is_some());
    app.insert("portDefinitions".to_owned(), ports.into());
    app.insert("requirePorts".to_owned(), fixed.into());
    let fetch = job.fetch.iter().map(|uri| {
        let extract = is_archive(uri);
        json!({"uri": uri, "extract": extract, "executable": false, "cache": false})
    });
    app.insert("fetch".to_owned(), fetch.collect::<Vec<_>>().into());
    app.insert("labels".to_owned(), Value::Object(labels(job)));
    let grace = seconds(sum);
    app.insert("taskKillGracePeriodSeconds".to_owned(), grace.into());
    Value::Object(app)
}

fn resource_limits(limits: &TaskLimits) -> Value {
    let unlimited = || Value::from("unlimited");
    json!({
        "cpus": match limits.cpus {
            Ceiling::At(limit) => cpus(limit),
            Ceiling::Unlimited => unlimited(),
        },
        "mem": match limits.mem {
            Ceiling::At(limit) => mebibytes(limit).into(),
            Ceiling::Unlimited => unlimited(),
        },
    })
}

fn port_definition(port: &OfferPort) -> Value {
    // Marathon knows these three; of SCTP nothing but the number matters to Mesos.
    let udp = port.protocols.contains(&Protocol::Udp);
    let others = port
        .protocols
        .iter()
        .any(|&protocol| protocol != Protocol::Udp);
    let protocol = match (udp, others) {
        (true, true) => "udp,tcp",
        (true, false) => "udp",
        (false, _) => "tcp",
    };
    json!({"port": port.fixed.unwrap_or(0), "protocol": protocol, "name": port.name})
}

/// What Mesos' fetcher can unpack.
fn is_archive(uri: &str) -> bool {
    let path = uri.split(['?', '#']).next().unwrap_or(uri);
    let endings = [
        ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".zip", ".gz",
    ];
    endings.iter().any(|ending| path.ends_with(ending))
}

/// The labels by which the executor finds its files.
fn labels(job: &Job) -> Map<String, Value> {
    let mut labels = Map::new();
    if !job.files.is_empty() {
        let files: Vec<_> = job
            .files
            .iter()
            .map(|file| file.to_string_lossy())
            .collect();
        labels.insert("compose.files".to_owned(), files.join(",").into());
    }
    if !job.profiles.is_empty() {
        let profiles = job.profiles.join(",");
        labels.insert("compose.profiles".to_owned(), profiles.into());
    }
    labels
}
