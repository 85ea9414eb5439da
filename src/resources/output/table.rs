//! The sum for people: a row for each service, where each number comes from, and what to ask for.

use std::fmt::Write as _;

use super::amounts::size;
use crate::compose::model::Protocol;
use crate::resources::amount::Amounts;
use crate::resources::basis::Ceiling;
use crate::resources::figure::Figure;
use crate::resources::overhead;
use crate::resources::ports::{OfferPort, protocol_name};
use crate::resources::sum::{Reason, ServiceSum, Sum};

/// Columns that are as wide as their widest cell, the last one excepted.
#[derive(Debug, Default)]
struct Columns {
    rows: Vec<Vec<String>>,
}

impl Columns {
    fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    fn write(&self) -> String {
        let mut widths: Vec<usize> = Vec::new();
        for row in &self.rows {
            widths.resize(widths.len().max(row.len()), 0);
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut out = String::new();
        for row in &self.rows {
            let mut line = String::new();
            for (width, cell) in widths.iter().zip(row) {
                let _ = write!(line, "{cell:width$}  ");
            }
            out.push_str(line.trim_end());
            out.push('\n');
        }
        out
    }
}

/// The whole table, ending with a line feed.
pub fn table(sum: &Sum) -> String {
    let mut columns = Columns::default();
    columns.row(["SERVICE", "N", "CPUS", "MEM", "DISK", "GPUS", "PORTS"].map(str::to_owned));
    for service in &sum.services {
        columns.row(service_row(service));
    }
    for volume in &sum.volumes {
        let amount = size(volume.size);
        let (mem, disk) = if volume.in_memory {
            (amount, String::new())
        } else {
            (String::new(), amount)
        };
        let name = format!("volume {}", volume.name);
        columns.row([name, String::new(), String::new(), mem, disk]);
    }
    if sum.shared_memory.0 > 0 {
        let amount = size(sum.shared_memory);
        columns.row(["/dev/shm".to_owned(), String::new(), String::new(), amount]);
    }
    let total = &sum.services_total;
    let name = if sum.peak {
        "services at their peak"
    } else {
        "services"
    };
    let counts = [count(total.gpus), count(total.ports)];
    columns.row(amounts_row(name, total.amounts, counts));
    columns.row(amounts_row("pod", overhead::POD, Default::default()));
    let task = &sum.task;
    let ports = u64::try_from(task.ports.len()).unwrap_or(u64::MAX);
    let counts = [count(task.gpus), count(ports)];
    columns.row(amounts_row("task", task.amounts, counts));
    if let Some(limits) = &task.limits {
        let cpus = match limits.cpus {
            Ceiling::At(cpus) => cpus.to_string(),
            Ceiling::Unlimited => "unlimited".to_owned(),
        };
        let mem = match limits.mem {
            Ceiling::At(mem) => size(mem),
            Ceiling::Unlimited => "unlimited".to_owned(),
        };
        columns.row(["task limits".to_owned(), String::new(), cpus, mem]);
    }
    let executor = amounts_row("executor", overhead::EXECUTOR, Default::default());
    columns.row(executor);
    let mut out = columns.write();
    notes(sum, &mut out);
    out
}

fn count(number: u64) -> String {
    match number {
        0 => String::new(),
        number => number.to_string(),
    }
}

fn service_row(service: &ServiceSum) -> [String; 7] {
    [
        if service.one_shot {
            format!("{} (one-shot)", service.name)
        } else {
            service.name.clone()
        },
        service.replicas.to_string(),
        with_origin(&service.total.cpus.to_string(), &service.cpus),
        with_origin(&size(service.total.mem), &service.mem),
        with_origin(&size(service.total.disk), &service.disk),
        count(service.gpus),
        count(service.ports),
    ]
}

fn with_origin<T>(amount: &str, figure: &Figure<T>) -> String {
    format!("{amount} {}", figure.origin)
}

fn amounts_row(name: &str, amounts: Amounts, [gpus, ports]: [String; 2]) -> [String; 7] {
    [
        name.to_owned(),
        String::new(),
        amounts.cpus.to_string(),
        size(amounts.mem),
        size(amounts.disk),
        gpus,
        ports,
    ]
}

fn notes(sum: &Sum, out: &mut String) {
    out.push('\n');
    let mut note = |line: String| {
        out.push_str(&line);
        out.push('\n');
    };
    note("The executor's own resources are asked for beside the task's.".to_owned());
    if !sum.task.ports.is_empty() {
        let ports: Vec<String> = sum.task.ports.iter().map(port).collect();
        note(format!("Ports: {}", ports.join(", ")));
    }
    let defaults = [
        ("CPUs", sum.defaults.cpus.to_string()),
        ("memory", size(sum.defaults.mem)),
    ];
    for (resource, default) in defaults {
        let services = sum.defaulted().filter(|(_, cpus, mem)| match resource {
            "CPUs" => *cpus,
            _ => *mem,
        });
        let services: Vec<&str> = services.map(|(name, ..)| name).collect();
        if !services.is_empty() {
            let services = services.join(", ");
            note(format!(
                "No {resource} stated, {default} assumed: {services}"
            ));
        }
    }
    for (reason, why) in [
        (Reason::Profile, "no active profile has it"),
        (Reason::Provider, "a provider runs it"),
        (Reason::NoReplicas, "scaled to 0"),
    ] {
        let names = sum.not_counted.iter().filter(|left| left.reason == reason);
        let names: Vec<&str> = names.map(|left| left.service.as_str()).collect();
        if !names.is_empty() {
            note(format!("Not counted ({why}): {}", names.join(", ")));
        }
    }
}

fn port(port: &OfferPort) -> String {
    let protocols: Vec<&str> = port
        .protocols
        .iter()
        .map(|protocol: &Protocol| protocol_name(*protocol))
        .collect();
    match port.fixed {
        Some(number) => format!("{} ({number}/{})", port.name, protocols.join("+")),
        None => format!("{} (any/{})", port.name, protocols.join("+")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_cells() {
        let mut columns = Columns::default();
        columns.row(["a", "bb", "c"].map(str::to_owned));
        columns.row(["aaa", "0.5"].map(str::to_owned));
        assert_eq!(columns.write(), "a    bb   c\naaa  0.5\n");
    }
}
