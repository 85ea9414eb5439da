//! The sum for programs: exact integers, a schema with a number.

use serde_json::{Map, Value, json};

use crate::compose::model::ByteSize;
use crate::compose::source::SourceMap;
use crate::resources::amount::{Amounts, MilliCpus};
use crate::resources::basis::Ceiling;
use crate::resources::figure::{Figure, Origin};
use crate::resources::overhead;
use crate::resources::ports::{OfferPort, protocol_name};
use crate::resources::sum::{NotCounted, Reason, ServiceSum, Sum, TaskSum};

/// Raised when a key changes its meaning or goes; new keys come without.
pub const SCHEMA: u64 = 1;

/// The whole sum. `services`, `volumes` and `shared_memory_bytes` are the parts of `services_total`;
/// with `overhead`, and rounded up, they are `task`.
pub fn json(sum: &Sum, sources: &SourceMap) -> Value {
    let total = &sum.services_total;
    let services = sum.services.iter().map(|row| service(row, sources));
    let volumes = sum.volumes.iter().map(|volume| {
        let amount = if volume.in_memory {
            "mem_bytes"
        } else {
            "disk_bytes"
        };
        json!({"name": volume.name, (amount): volume.size.0})
    });
    let defaulted = sum.defaulted().map(|(name, cpus, mem)| {
        let resources = [cpus.then_some("cpus"), mem.then_some("mem")];
        let resources: Vec<_> = resources.into_iter().flatten().collect();
        json!({"service": name, "resources": resources})
    });
    let mut services_total = amounts(total.amounts);
    services_total.insert("gpus".to_owned(), total.gpus.into());
    services_total.insert("ports".to_owned(), total.ports.into());
    json!({
        "schema": SCHEMA,
        "project": sum.project,
        "basis": sum.basis.to_string(),
        "peak": sum.peak,
        "services": services.collect::<Vec<_>>(),
        "volumes": volumes.collect::<Vec<_>>(),
        "shared_memory_bytes": sum.shared_memory.0,
        "services_total": services_total,
        "overhead": amounts(overhead::POD),
        "task": task(&sum.task),
        "executor": amounts(overhead::EXECUTOR),
        "ports": sum.task.ports.iter().map(port).collect::<Vec<_>>(),
        "pids": sum.pids,
        "stop_grace_seconds": seconds(sum),
        "defaulted": defaulted.collect::<Vec<_>>(),
        "not_counted": sum.not_counted.iter().map(not_counted).collect::<Vec<_>>(),
    })
}

/// The grace of an orderly stop in whole seconds, rounded up.
pub(super) fn seconds(sum: &Sum) -> u64 {
    let grace = sum.stop_grace;
    grace.as_secs() + u64::from(grace.subsec_nanos() > 0)
}

fn amounts(amounts: Amounts) -> Map<String, Value> {
    Map::from_iter([
        ("milli_cpus".to_owned(), amounts.cpus.0.into()),
        ("mem_bytes".to_owned(), amounts.mem.0.into()),
        ("disk_bytes".to_owned(), amounts.disk.0.into()),
    ])
}

fn service(row: &ServiceSum, sources: &SourceMap) -> Value {
    let mut out = Map::from_iter([
        ("name".to_owned(), row.name.clone().into()),
        ("replicas".to_owned(), row.replicas.into()),
        ("one_shot".to_owned(), row.one_shot.into()),
    ]);
    out.extend(amounts(row.total));
    out.insert("gpus".to_owned(), row.gpus.into());
    out.insert("ports".to_owned(), row.ports.into());
    out.insert(
        "limits".to_owned(),
        json!({
            "milli_cpus": row.cpu_limit.map(|limit: MilliCpus| limit.0),
            "mem_bytes": row.mem_limit.map(|limit: ByteSize| limit.0),
        }),
    );
    out.insert(
        "sources".to_owned(),
        json!({
            "cpus": source(&row.cpus, sources),
            "mem": source(&row.mem, sources),
            "disk": source(&row.disk, sources),
        }),
    );
    Value::Object(out)
}

/// Where a number comes from: its kind, and the place that says it.
fn source<T>(figure: &Figure<T>, sources: &SourceMap) -> Value {
    let kind = match figure.origin {
        Origin::Override => "override".to_owned(),
        origin => origin.to_string(),
    };
    let place = figure.span.and_then(|span| sources.place(span));
    match place {
        Some(place) => json!({"kind": kind, "at": place.to_string()}),
        None => json!({"kind": kind}),
    }
}

fn task(task: &TaskSum) -> Value {
    let mut out = amounts(task.amounts);
    out.insert("gpus".to_owned(), task.gpus.into());
    out.insert("ports".to_owned(), task.ports.len().into());
    if let Some(limits) = &task.limits {
        let cpus = match limits.cpus {
            Ceiling::At(cpus) => cpus.0.into(),
            Ceiling::Unlimited => Value::from("unlimited"),
        };
        let mem = match limits.mem {
            Ceiling::At(mem) => mem.0.into(),
            Ceiling::Unlimited => Value::from("unlimited"),
        };
        out.insert(
            "limits".to_owned(),
            json!({"milli_cpus": cpus, "mem_bytes": mem}),
        );
    }
    Value::Object(out)
}

fn port(port: &OfferPort) -> Value {
    let protocols = port.protocols.iter();
    let protocols: Vec<_> = protocols.map(|&protocol| protocol_name(protocol)).collect();
    json!({"name": port.name, "protocols": protocols, "fixed": port.fixed})
}

fn not_counted(left: &NotCounted) -> Value {
    let reason = match left.reason {
        Reason::Profile => "profile",
        Reason::Provider => "provider",
        Reason::NoReplicas => "no_replicas",
    };
    json!({"service": left.service, "reason": reason})
}
