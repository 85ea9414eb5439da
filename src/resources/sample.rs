//! Small services and projects for tests.

use std::path::PathBuf;

use crate::compose::model::{
    Condition, Dependency, Deploy, DeployResources, Mount, MountKind, PortMapping, Project,
    Protocol, Published, Service, Volume,
};
use crate::compose::source::{Span, Spanned};

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

pub(super) fn service(name: &str) -> Service {
    Service {
        name: spanned(name.to_owned()),
        replicas: spanned(1),
        ..Service::default()
    }
}

pub(super) fn project(services: Vec<Service>) -> Project {
    Project {
        name: "sample".to_owned(),
        services,
        ..Project::default()
    }
}

pub(super) fn waiting(name: &str, on: &[(&str, Condition)]) -> Service {
    let depends_on = on.iter().map(|(name, condition)| Dependency {
        service: spanned((*name).to_owned()),
        condition: spanned(*condition),
        restart: false,
        required: true,
    });
    Service {
        depends_on: depends_on.collect(),
        ..service(name)
    }
}

pub(super) fn deploy() -> Deploy {
    Deploy {
        span: Span::default(),
        mode: None,
        replicas: None,
        limits: DeployResources::default(),
        reservations: DeployResources::default(),
        restart_policy: None,
        ignored: Vec::new(),
    }
}

pub(super) fn publishing(name: &str, ports: &[(u16, Published)]) -> Service {
    let ports = ports.iter().map(|(target, published)| PortMapping {
        span: Span::default(),
        name: None,
        target: *target,
        published: *published,
        host_ip: None,
        protocol: Protocol::Tcp,
    });
    Service {
        ports: ports.collect(),
        ..service(name)
    }
}

pub(super) fn mounting(name: &str, volumes: &[&str]) -> Service {
    let volumes = volumes.iter().map(|volume| Mount {
        span: Span::default(),
        kind: MountKind::Volume {
            source: Some(spanned((*volume).to_owned())),
            nocopy: false,
            subpath: None,
        },
        target: spanned(PathBuf::from("/data").join(volume)),
        read_only: false,
    });
    Service {
        volumes: volumes.collect(),
        ..service(name)
    }
}

pub(super) fn volume(key: &str, options: &[(&str, &str)]) -> Volume {
    let options = options
        .iter()
        .map(|(key, value)| (spanned((*key).to_owned()), (*value).to_owned()));
    Volume {
        key: spanned(key.to_owned()),
        name: format!("sample_{key}"),
        driver: None,
        driver_opts: options.collect(),
        external: None,
    }
}
