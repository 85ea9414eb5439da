//! A task's checks, as the pod carries them out.

use crate::compose::model::{Project, Published};
use crate::mesos::{
    Check, Command, CommandLine, Family as MesosFamily, HealthCheck, Probe, Scheme as MesosScheme,
    Task,
};
use crate::pod::plan::NetworkPlan;
use crate::supervisor::checks::{
    CheckPlan, ChecksPlan, Family, HealthPlan, HttpGet, Scheme, TryBy,
};

/// Who reads a command that is a line.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A check that can't be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum CheckError {
    #[error("the task's check is of a kind that is not known, or lacks what its kind needs")]
    Unknown,
    #[error("the path of the task's check holds a blank or a control character")]
    Path,
    #[error("the command of the task's check is empty")]
    NoCommand,
}

/// The checks of a task whose pod is in that network.
pub(super) fn plan(
    task: &Task,
    project: &Project,
    network: &NetworkPlan,
) -> Result<ChecksPlan, CheckError> {
    let port = |port| container_port(port, project, network);
    let health = task.health_check.as_ref().map(|check: &HealthCheck| {
        Ok(HealthPlan {
            check: CheckPlan {
                try_by: try_by(&check.probe, port)?,
                delay: check.delay,
                interval: check.interval,
                timeout: check.timeout,
            },
            grace: check.grace_period,
            consecutive_failures: check.consecutive_failures,
        })
    });
    let info = task.check.as_ref().map(|check: &Check| {
        Ok(CheckPlan {
            try_by: try_by(&check.probe, port)?,
            delay: check.delay,
            interval: check.interval,
            timeout: check.timeout,
        })
    });
    Ok(ChecksPlan {
        health: health.transpose()?,
        info: info.transpose()?,
    })
}

fn try_by(probe: &Probe, port_of: impl Fn(u16) -> u16) -> Result<TryBy, CheckError> {
    match probe {
        Probe::Command(command) => self::command(command),
        Probe::Http { path, .. } if path.contains(|c: char| c.is_control() || c == ' ') => {
            Err(CheckError::Path)
        }
        Probe::Http {
            port,
            path,
            scheme,
            family,
        } => Ok(TryBy::Http(HttpGet {
            scheme: match scheme {
                MesosScheme::Http => Scheme::Http,
                MesosScheme::Https => Scheme::Https,
            },
            port: port_of(*port),
            path: path.clone(),
            family: self::family(*family),
        })),
        Probe::Tcp { port, family } => Ok(TryBy::Tcp {
            port: port_of(*port),
            family: self::family(*family),
        }),
        Probe::Unknown => Err(CheckError::Unknown),
    }
}

fn command(command: &Command) -> Result<TryBy, CheckError> {
    let args = match &command.line {
        CommandLine::Shell(line) => {
            let shell = SHELL.map(str::to_owned).into_iter();
            shell.chain([line.clone()]).collect()
        }
        // The zeroth argument is the program's name for itself.
        CommandLine::Exec { program, arguments } => {
            let arguments = arguments.iter().skip(1).cloned();
            [program.clone()].into_iter().chain(arguments).collect()
        }
        CommandLine::None => return Err(CheckError::NoCommand),
    };
    Ok(TryBy::Command {
        args,
        environment: command.environment.clone(),
    })
}

fn family(family: MesosFamily) -> Family {
    match family {
        MesosFamily::Ipv4 => Family::Ipv4,
        MesosFamily::Ipv6 => Family::Ipv6,
    }
}

/// Marathon names the host's port where an app has no container of its own; in the pod's network it
/// is the one that is published as that.
fn container_port(port: u16, project: &Project, network: &NetworkPlan) -> u16 {
    if !matches!(network, NetworkPlan::Own { .. }) {
        return port;
    }
    let ports = project.services.iter().flat_map(|service| &service.ports);
    let published = |published: &Published| matches!(published, Published::Port(it) if *it == port);
    let mut found = ports.filter(|mapping| published(&mapping.published));
    found.next().map_or(port, |mapping| mapping.target)
}
