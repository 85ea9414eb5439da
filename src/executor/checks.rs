//! A task's checks, as the pod carries them out.

use crate::compose::model::{PortMapping, Project, Protocol, Published};
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
    // No check is by UDP.
    let leads_there = |mapping: &&PortMapping| {
        mapping.protocol == Protocol::Tcp
            && matches!(mapping.published, Published::Port(it) if it == port)
    };
    let mut found = ports.filter(leads_there);
    found.next().map_or(port, |mapping| mapping.target)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::project_of;
    use crate::mesos::CommandLine;

    #[test]
    fn a_port_of_the_host_is_looked_for_where_it_leads() {
        let project = project_of(
            "services: {web: {image: i, ports: ['31000:53/udp', '31000:8080', '31001:9090']}}",
        );
        let own = NetworkPlan::Own {
            netns: "/run/netns".into(),
        };
        let port = |port| container_port(port, &project, &own);
        assert_eq!([port(31_000), port(31_001)], [8080, 9090]);
        assert_eq!(port(8080), 8080, "one of the container's is meant as it is");
        let shared = container_port(31_000, &project, &NetworkPlan::Host);
        assert_eq!(
            shared, 31_000,
            "nothing leads anywhere in the host's network"
        );
    }

    #[test]
    fn a_probe_is_carried_out_as_it_is_meant() {
        let plan = |probe: &Probe| try_by(probe, |port| port + 1);
        let http = |scheme, path: &str| Probe::Http {
            port: 80,
            path: path.to_owned(),
            scheme,
            family: MesosFamily::Ipv6,
        };
        let get = HttpGet {
            scheme: Scheme::Https,
            port: 81,
            path: "/health".to_owned(),
            family: Family::Ipv6,
        };
        let https = plan(&http(MesosScheme::Https, "/health"));
        assert_eq!(https.unwrap(), TryBy::Http(get));
        let split = plan(&http(MesosScheme::Http, "/ HTTP/1.1\r\nX: y"));
        assert!(matches!(split, Err(CheckError::Path)));
        let command = |line| {
            Probe::Command(Command {
                line,
                environment: Vec::new(),
                user: None,
            })
        };
        let words = |probe| match plan(&probe).unwrap() {
            TryBy::Command { args, .. } => args.join(" "),
            other => panic!("{other:?}"),
        };
        let shell = command(CommandLine::Shell("exit 0".to_owned()));
        assert_eq!(words(shell), "/bin/sh -c exit 0");
        let exec = command(CommandLine::Exec {
            program: "/probe".to_owned(),
            arguments: vec!["probe".to_owned(), "-v".to_owned()],
        });
        assert_eq!(words(exec), "/probe -v");
        let nothing = plan(&command(CommandLine::None));
        assert!(matches!(nothing, Err(CheckError::NoCommand)));
        assert!(matches!(plan(&Probe::Unknown), Err(CheckError::Unknown)));
    }
}
