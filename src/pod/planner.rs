//! Decides a pod: [`plan`] is where a project's services become containers.

use std::collections::BTreeMap;
use std::time::Duration;

use super::context::{PodContext, PortsRule};
use super::life::LifePlan;
use super::logging::{self, LoggingPlan};
use super::mounts::{Collected, Mounts};
use super::names::ContainerId;
use super::order::StartOrder;
use super::plan::{ContainerPlan, NetworkPlan, PodPlan, SandboxPlan, Signal, StopPlan};
use super::sharing::{self, IpcPlan};
use super::sysctls::Settings;
use super::{dns, hosts, limits, networks, process, rights, security_opt, verdict, volumes_from};
use crate::compose::diagnostic::{Diagnostic, Severity};
use crate::compose::model::{
    ByteSize, DEFAULT_STOP_GRACE, DeployMode, Network, POD_PIDS, Project, Published, PullPolicy,
    Service,
};
use crate::compose::source::Spanned;

/// Docker's size of /dev/shm.
pub(super) const DEFAULT_SHM_SIZE: ByteSize = ByteSize(64 << 20);
/// gethostname(2): what Linux has room for.
const HOSTNAME_MAX: usize = 63;

/// A plan, and what its user should know of it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub plan: PodPlan,
    pub warnings: Vec<Diagnostic>,
}

/// The plan of a project's pod, or everything that stands in its way.
pub fn plan(project: &Project, context: &PodContext) -> Result<Planned, Vec<Diagnostic>> {
    let mut found = Vec::new();
    let project = &without_unscaled(project);
    if project.services.is_empty() {
        let text = match project.disabled.as_slice() {
            [] => "the Compose file has no services".to_owned(),
            disabled => format!(
                "no service is active: the profiles, or a scale of 0, leave out {}",
                disabled.join(", ")
            ),
        };
        return Err(vec![Diagnostic::invalid(text)]);
    }
    pod_checks(project, &mut found);
    networks::check(project, &mut found);
    let names = hosts::names(project, &mut found);
    let network = sharing::network(project, &context.network);
    let mut mounts = Mounts::new(project, context);
    let mut settings = Settings::default();
    let mut containers = Vec::with_capacity(project.services.len());
    for service in &project.services {
        found.extend(verdict::check(service));
        service_checks(service, context, &network, &mut found);
        let mut container = container(
            project,
            service,
            context,
            &network,
            &names,
            &mut mounts,
            &mut found,
        );
        container.sysctls = settings.of(service, &container.namespaces, &network, &mut found);
        container.life = LifePlan::of(service, project, &mut found);
        containers.push(container);
    }
    volumes_from::apply(project, &mut containers, &mut mounts.pins, &mut found);
    check_neighbours(project, &containers, &mut found);
    let shm_size = shm_size(project, &mut found);
    let (errors, warnings): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|diagnostic| diagnostic.severity == Severity::Error);
    if !errors.is_empty() {
        return Err(errors);
    }
    let order = start_order(&containers);
    let stop_grace = stop_grace(&order, &containers);
    let archives = project
        .pod
        .images
        .iter()
        .map(|path| project.working_dir.join(&path.value));
    let Collected {
        volumes,
        images,
        pins,
        anonymous,
    } = mounts.collected();
    let plan = PodPlan {
        id: context.id.clone(),
        task: context.task.clone(),
        project: project.name.clone(),
        sandbox: SandboxPlan {
            id: ContainerId::pause(&context.id),
            cgroup: context.cgroup_base.pod(&context.id),
            network,
            hostname: hostname_of(&context.task),
            shm_size,
            pids_limit: POD_PIDS,
            limits: context.limits,
            sysctls: settings.shared(),
        },
        volumes,
        images,
        pins,
        anonymous,
        logs: containers
            .iter()
            .any(|container| matches!(container.logging, LoggingPlan::Kept { .. }))
            .then(|| context.logs.folder.clone()),
        containers,
        order,
        archives: archives.chain(context.archives.iter().cloned()).collect(),
        stop_grace,
    };
    Ok(Planned { plan, warnings })
}

/// The project without the services of which none is to run; nobody waits for those.
fn without_unscaled(project: &Project) -> Project {
    let mut project = project.clone();
    let left_out: Vec<String> = project
        .services
        .extract_if(.., |service| service.replicas.value == 0)
        .map(|service| service.name.value)
        .collect();
    for service in &mut project.services {
        service
            .depends_on
            .retain(|on| !left_out.contains(&on.service.value));
    }
    project.disabled.extend(left_out);
    project
}

/// What services that share namespaces must have in common, or should know of each other.
fn check_neighbours(project: &Project, containers: &[ContainerPlan], found: &mut Vec<Diagnostic>) {
    let services = || project.services.iter().zip(containers);
    let sharing: Vec<_> = services()
        .map(|(service, container)| (service, container.namespaces))
        .collect();
    sharing::warn_of_neighbours(&sharing, found);
    let rights: Vec<_> = services()
        .map(|(service, container)| {
            let shares_ipc = container.namespaces.ipc == IpcPlan::Pod;
            (service, &container.rights, shares_ipc)
        })
        .collect();
    security_opt::one_label(&rights, found);
}

/// What concerns the pod as a whole.
fn pod_checks(project: &Project, found: &mut Vec<Diagnostic>) {
    if let Some(main) = &project.pod.main
        && project.service(&main.value).is_none()
    {
        let text = format!("x-pod.main: there is no active service \"{}\"", main.value);
        found.push(Diagnostic::invalid(text).at(main.span));
    }
    for network in &project.networks {
        networks(network, found);
    }
    if let Some(models) = project.models {
        found.extend(verdict::of("", "models", "", models));
    }
}

/// All networks of a file become one; what only the operator can configure is told.
fn networks(network: &Network, found: &mut Vec<Diagnostic>) {
    let at = format!("networks.{}", network.key.value);
    let mut say = |key, span| found.extend(verdict::of("networks.*", key, &at, span));
    if let Some(external) = &network.external {
        say("external", external.span);
    }
    match network.driver.as_ref().map(|driver| driver.as_str()) {
        None | Some("bridge" | "") => {}
        Some("host") => say("driver: host", network.key.span),
        Some(_) => say("driver: not bridge", network.key.span),
    }
    if let Some(internal) = network.internal.as_ref().filter(|internal| internal.value) {
        say("internal", internal.span);
    }
    if let Some(ipam) = network.ipam {
        say("ipam", ipam);
    }
}

/// Values of supported keys that are not supported yet themselves.
fn service_checks(
    service: &Service,
    context: &PodContext,
    network: &NetworkPlan,
    found: &mut Vec<Diagnostic>,
) {
    let name = &service.name.value;
    process::check_platform(service, &context.kernel, found);
    deploy_checks(service, found);
    if service.image.is_none() {
        // The loader wants an image, a build or a provider.
        let span = service
            .build
            .or(service.provider)
            .unwrap_or(service.name.span);
        found.extend(verdict::of_service(
            service,
            "build: without an image",
            span,
        ));
    }
    if service.replicas.value > 1 {
        let span = service.replicas.span;
        found.extend(verdict::of_service(service, "scale: more than one", span));
    }
    let mut not_yet = |what: String, span| {
        found.push(
            Diagnostic::unsupported(format!("services.{name}.{what} is not supported yet"))
                .at(span),
        );
    };
    if let Some(policy) = &service.pull_policy
        && !matches!(policy.value, PullPolicy::Never | PullPolicy::Missing)
    {
        not_yet(
            "pull_policy: any but \"never\" and \"missing\"".into(),
            policy.span,
        );
    }
    if let Some(signal) = &service.stop_signal
        && Signal::parse(&signal.value).is_none()
    {
        let text = format!(
            "services.{name}.stop_signal: there is no signal \"{}\"",
            signal.value
        );
        found.push(
            Diagnostic::invalid(text)
                .at(signal.span)
                .help("a name as SIGTERM, or a number from 1 to 64"),
        );
    }
    // The host's network may be the file's wish, and not what was to be.
    let ports = if *network == context.network {
        &context.ports
    } else {
        &context.host_ports
    };
    port_checks(service, ports, found);
}

/// What only a cluster's scheduler could follow, and what no agent has.
fn deploy_checks(service: &Service, found: &mut Vec<Diagnostic>) {
    let Some(deploy) = &service.deploy else {
        return;
    };
    let at = format!("services.{}.deploy", service.name.value);
    let mut say = |key: &str, span| {
        found.extend(verdict::of("services.*.deploy", key, &at, span));
    };
    for key in &deploy.ignored {
        say(key, key.span);
    }
    if let Some(device) = deploy.reservations.devices.first() {
        say("resources.reservations.devices", device.span);
    }
    if let Some((kind, _)) = deploy.reservations.generic.first() {
        say("resources.reservations.generic_resources", kind.span);
    }
    if let Some(mode) = &deploy.mode {
        match mode.value {
            DeployMode::Replicated => {}
            DeployMode::Global => say("mode: global", mode.span),
            DeployMode::ReplicatedJob | DeployMode::GlobalJob => say("mode: a job", mode.span),
        }
    }
}

fn port_checks(service: &Service, rule: &PortsRule, found: &mut Vec<Diagnostic>) {
    let name = &service.name.value;
    for port in &service.ports {
        match rule {
            PortsRule::Reachable => {}
            PortsRule::Refused => found.push(
                Diagnostic::unsupported(format!(
                    "services.{name}.ports: publishing ports from a network of the pod's own comes later"
                ))
                .at(port.span)
                .help("leave ports out, or ask the operator for [network] mode = \"host\""),
            ),
            PortsRule::NotPublished => found.push(
                Diagnostic::warning(format!("services.{name}.ports: port {} is not published yet", port.target))
                    .at(port.span),
            ),
            PortsRule::Offered(offer) => {
                let wanted = match port.published {
                    // In the host's network the container listens on the host's port itself.
                    Published::Any | Published::Range(..) => port.target,
                    Published::Port(published) => published,
                };
                if wanted != port.target {
                    found.push(
                        Diagnostic::invalid(format!(
                            "services.{name}.ports: in the host's network port {} can't be published as {wanted}",
                            port.target
                        ))
                        .at(port.span),
                    );
                } else if !offer.iter().any(|range| range.contains(&wanted)) {
                    found.push(
                        Diagnostic::error(
                            crate::compose::diagnostic::Kind::Forbidden,
                            format!("services.{name}.ports: port {wanted} is not among the ports offered to the task"),
                        )
                        .at(port.span),
                    );
                }
            }
        }
    }
}

fn container(
    project: &Project,
    service: &Service,
    context: &PodContext,
    network: &NetworkPlan,
    names: &[String],
    mounts: &mut Mounts<'_>,
    found: &mut Vec<Diagnostic>,
) -> ContainerPlan {
    let name = &service.name.value;
    let hostname = service
        .hostname
        .as_ref()
        .map_or_else(|| hostname_of(&context.task), |name| name.value.clone());
    let namespaces = sharing::of(project, service, network, found);
    ContainerPlan {
        service: service.name.clone(),
        id: ContainerId::service(&context.task, &context.id, name),
        cgroup: context.cgroup_base.pod(&context.id).service(name),
        image: service
            .image
            .clone()
            .unwrap_or_else(|| Spanned::new(String::new(), service.name.span)),
        process: process::of(service, context, &namespaces),
        runtime: process::runtime(service, found),
        annotations: process::annotations(service, found),
        rights: rights::of(project, service, &context.kernel, found),
        namespaces,
        sysctls: BTreeMap::new(),
        hosts: hosts::entries(service, names, &hostname, context.host_address, found),
        hostname,
        domainname: service.domainname.as_ref().map(|name| name.value.clone()),
        dns: dns::plan(service, found),
        mounts: mounts.of(service, found),
        volumes_from: Vec::new(),
        read_only: service
            .read_only
            .as_ref()
            .is_some_and(|read_only| read_only.value),
        limits: limits::of(service, &context.kernel, found),
        stop: StopPlan {
            signal: service
                .stop_signal
                .as_ref()
                .and_then(|signal| Signal::parse(&signal.value)),
            grace: service
                .stop_grace_period
                .as_ref()
                .map_or(DEFAULT_STOP_GRACE, |grace| grace.value),
        },
        life: LifePlan::default(),
        logging: logging::plan(service, &context.logs, found),
        labels: service
            .labels
            .iter()
            .map(|(key, value)| (key.value.clone(), value.clone()))
            .collect(),
    }
}

fn start_order(containers: &[ContainerPlan]) -> StartOrder {
    let dependencies = |container: &ContainerPlan| {
        let depends_on = container.life.depends_on.iter();
        depends_on.map(|dependency| dependency.on).collect()
    };
    let dependencies: Vec<Vec<usize>> = containers.iter().map(dependencies).collect();
    StartOrder::of(&dependencies)
}

fn stop_grace(order: &StartOrder, containers: &[ContainerPlan]) -> Duration {
    let longest = |level: &Vec<usize>| {
        level
            .iter()
            .map(|&i| containers[i].stop.grace)
            .max()
            .unwrap_or_default()
    };
    order
        .levels
        .iter()
        .map(longest)
        .fold(Duration::ZERO, Duration::saturating_add)
}

/// One shm for all: as large as the largest that any service asks for.
fn shm_size(project: &Project, found: &mut Vec<Diagnostic>) -> ByteSize {
    let asked: Vec<_> = project
        .services
        .iter()
        .filter_map(|service| service.shm_size.as_ref())
        .filter(|size| size.value.0 > 0)
        .collect();
    let Some(largest) = asked.iter().max_by_key(|size| size.value) else {
        return DEFAULT_SHM_SIZE;
    };
    if let Some(other) = asked.iter().find(|size| size.value != largest.value) {
        let text = format!(
            "shm_size: a pod has one /dev/shm; all services get the largest, {}",
            largest.value
        );
        found.push(
            Diagnostic::warning(text)
                .at(other.span)
                .label(largest.span, "the largest"),
        );
    }
    largest.value
}

/// A host name that shows the task: what no host name may hold is made a hyphen.
fn hostname_of(task: &str) -> String {
    let kept = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c.to_ascii_lowercase()
        } else {
            '-'
        }
    };
    let name: String = task.chars().map(kept).take(HOSTNAME_MAX).collect();
    match name.trim_matches(['-', '.']) {
        "" => "pod".to_owned(),
        name => name.to_owned(),
    }
}
