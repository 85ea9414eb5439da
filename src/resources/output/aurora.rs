//! The sum as an Aurora job.
//!
//! The executor's own resources are in the scheduler's `-custom_executor_config` and not here.
//! A custom executor has no processes, and Aurora's own client takes port names from these alone: the
//! number of ports stands in a comment, for clients that take it.

use std::fmt::Write as _;

use super::Job;
use super::amounts::mebibytes;
use crate::resources::ports::label;
use crate::resources::sum::Sum;

/// A configuration for Aurora's client.
pub fn aurora(sum: &Sum, job: &Job) -> String {
    let amounts = &sum.task.amounts;
    let (mem, disk) = (mebibytes(amounts.mem), mebibytes(amounts.disk));
    let (cpus, gpus) = (amounts.cpus, sum.task.gpus);
    let name = label(&sum.project, 63);
    let mut out = String::new();
    for (service, cpus, mem) in sum.defaulted() {
        let what = match (cpus, mem) {
            (true, true) => "CPUs and memory",
            (true, false) => "CPUs",
            _ => "memory",
        };
        let _ = writeln!(
            out,
            "# {} states no {what}: a default stands in.",
            comment(service)
        );
    }
    let ports = sum.task.ports.len();
    let _ = writeln!(
        out,
        "# gorealis: .CPU({cpus}).RAM({mem}).Disk({disk}).GPU({gpus}).AddPorts({ports})"
    );
    for port in &sum.task.ports {
        match port.fixed {
            Some(number) => {
                let _ = writeln!(out, "#   port {} (the file wants {number})", port.name);
            }
            None => {
                let _ = writeln!(out, "#   port {}", port.name);
            }
        }
    }
    let _ = write!(
        out,
        "
resources = Resources(cpu = {cpus}, ram = {mem} * MB, disk = {disk} * MB, gpu = {gpus})

jobs = [
  Service(
    cluster = 'CLUSTER',
    role = 'ROLE',
    environment = 'prod',
    name = '{name}',
    task = Task(name = '{name}', processes = [], resources = resources),
    executor_config = ExecutorConfig(name = 'compose-executor', data = ''),
"
    );
    metadata(job, &mut out);
    out.push_str("  )\n]\n");
    out
}

/// Aurora gives these to the task as labels, with a prefix; the executor looks for this ending.
fn metadata(job: &Job, out: &mut String) {
    if job.files.is_empty() {
        return;
    }
    let files: Vec<_> = job
        .files
        .iter()
        .map(|file| file.to_string_lossy())
        .collect();
    let files = quoted(&files.join(","));
    let _ = writeln!(
        out,
        "    metadata = [Metadata(key = 'fileName', value = {files})],"
    );
}

/// A Python string.
fn quoted(text: &str) -> String {
    let mut out = String::from("'");
    for c in text.chars() {
        match c {
            '\'' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

/// A text that stays on its line.
fn comment(text: &str) -> String {
    text.replace(char::is_control, " ")
}
