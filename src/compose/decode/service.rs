//! One service.

use std::path::PathBuf;

use super::Decoder;
use super::fields::Fields;
use super::health::{healthcheck, hook};
use super::mounts::{device, file_reference};
use super::network::{attachment, namespace_mode, network_mode};
use super::resources::{blkio, device_request};
use crate::compose::diagnostic::Diagnostic;
use crate::compose::merge::to_text;
use crate::compose::model::{
    Condition, Dependency, EnvFile, Logging, PullPolicy, Restart, Service,
};
use crate::compose::node::Node;
use crate::compose::source::{Span, Spanned};

impl Decoder {
    pub(super) fn service(&mut self, name: Spanned<String>, fields: Fields<'_>) -> Service {
        let mut service = Service {
            replicas: Spanned::new(1, name.span),
            name,
            ..Service::default()
        };
        self.process(&mut service, fields);
        self.network(&mut service, fields);
        self.resources(&mut service, fields);
        self.files(&mut service, fields);
        service
    }

    /// What it is, and what runs in it.
    fn process(&mut self, service: &mut Service, fields: Fields<'_>) {
        let name = service.name.value.clone();
        let words = |key: &str| {
            let node = fields.node(key)?;
            Some(Spanned::new(fields.strings(key), node.span))
        };
        service.image = fields.text("image");
        service.build = fields.node("build").map(|build| build.span);
        service.pull_policy = fields.text("pull_policy").map(pull_policy);
        service.platform = fields.text("platform");
        service.container_name = fields.text("container_name");
        service.command = words("command");
        service.entrypoint = words("entrypoint");
        service.working_dir = fields.text("working_dir");
        service.user = fields.text("user");
        service.group_add = fields.texts("group_add");
        service.environment = environment(fields);
        service.env_file = env_files(fields);
        service.labels = fields.pairs("labels");
        service.annotations = fields.pairs("annotations");
        service.tty = fields.written_flag("tty");
        service.stdin_open = fields.written_flag("stdin_open");
        service.init = fields.flag("init");
        service.stop_signal = fields.text("stop_signal");
        service.stop_grace_period = self.grace(&name, fields);
        service.restart = fields.text("restart").map(|text| text.map(restart));
        service.depends_on = fields.map("depends_on").map(dependency).collect();
        service.healthcheck = fields.below("healthcheck").map(healthcheck);
        service.post_start = fields.each("post_start").map(hook).collect();
        service.pre_stop = fields.each("pre_stop").map(hook).collect();
        service.profiles = fields.texts("profiles");
        service.runtime = fields.text("runtime");
        service.provider = fields.node("provider").map(|provider| provider.span);
        service.pod = self.service_extension(&name, fields.normal);
    }

    /// How it is reached, and what it shares.
    fn network(&mut self, service: &mut Service, fields: Fields<'_>) {
        let name = service.name.value.clone();
        let namespace = |key: &str| {
            let text = fields.text(key)?;
            Some(text.map(|text| namespace_mode(&text)))
        };
        service.ports = fields
            .each("ports")
            .filter_map(|port| self.port(&name, port))
            .collect();
        service.expose = fields.texts("expose");
        service.network_mode = fields
            .text("network_mode")
            .map(|text| text.map(|text| network_mode(&text)));
        service.networks = fields.map("networks").map(attachment).collect();
        service.links = fields.texts("links");
        service.external_links = fields.texts("external_links");
        service.hostname = fields.text("hostname");
        service.domainname = fields.text("domainname");
        service.extra_hosts = fields
            .items("extra_hosts")
            .iter()
            .filter_map(host)
            .collect();
        service.dns = fields.texts("dns");
        service.dns_search = fields.texts("dns_search");
        service.dns_opt = fields.texts("dns_opt");
        service.mac_address = fields.text("mac_address");
        service.ipc = namespace("ipc");
        service.pid = namespace("pid");
        service.uts = namespace("uts");
        service.cgroup = namespace("cgroup");
        service.userns_mode = fields.text("userns_mode");
        service.cgroup_parent = fields.text("cgroup_parent");
        service.sysctls = fields.pairs("sysctls");
    }

    /// What it may use.
    fn resources(&mut self, service: &mut Service, fields: Fields<'_>) {
        let name = service.name.value.clone();
        self.check_cpus(&name, fields);
        service.deploy = fields
            .below("deploy")
            .map(|deploy| self.deploy(&name, deploy));
        let deployed = service.deploy.as_ref();
        let replicas = deployed.and_then(|deploy| deploy.replicas.clone());
        if let Some(replicas) = fields.unsigned("scale").or(replicas) {
            service.replicas = replicas;
        }
        service.cpus = fields.cpus("cpus").filter(|cpus| cpus.nanos > 0);
        service.cpu_quota = fields.integer("cpu_quota");
        service.cpu_period = fields.integer("cpu_period");
        service.cpu_shares = fields.integer("cpu_shares");
        service.cpu_rt_runtime = fields.integer("cpu_rt_runtime");
        service.cpu_rt_period = fields.integer("cpu_rt_period");
        service.cpuset = fields.text("cpuset");
        service.mem_limit = fields.size("mem_limit");
        service.mem_reservation = fields.size("mem_reservation");
        service.memswap_limit = fields.integer("memswap_limit");
        service.mem_swappiness = fields.integer("mem_swappiness");
        service.oom_kill_disable = fields.written_flag("oom_kill_disable");
        service.oom_score_adj = fields.integer("oom_score_adj");
        // Normal form leaves zero out, which is a word for unlimited here.
        service.pids_limit = fields
            .integer("pids_limit")
            .or_else(|| Fields::plain(fields.raw).integer("pids_limit"));
        service.shm_size = fields.size("shm_size");
        service.blkio_config = fields.below("blkio_config").map(blkio);
        service.storage_opt = fields.pairs("storage_opt");
        service.ulimits = fields
            .map("ulimits")
            .map(|entry| self.ulimit(&name, entry))
            .collect();
        service.gpus = fields.each("gpus").map(device_request).collect();
        service.devices = fields.each("devices").map(device).collect();
        service.device_cgroup_rules = fields.texts("device_cgroup_rules");
    }

    /// What is mounted into it, and what it is allowed.
    fn files(&mut self, service: &mut Service, fields: Fields<'_>) {
        let name = service.name.value.clone();
        service.volumes = fields
            .each("volumes")
            .map(|volume| self.mount(&name, volume))
            .collect();
        service.volumes_from = fields.texts("volumes_from");
        service.tmpfs = fields
            .items("tmpfs")
            .iter()
            .map(|tmpfs| self.tmpfs(&name, tmpfs))
            .collect();
        service.configs = fields.each("configs").map(file_reference).collect();
        service.secrets = fields.each("secrets").map(file_reference).collect();
        service.read_only = fields.written_flag("read_only");
        service.privileged = fields.written_flag("privileged");
        service.cap_add = fields.texts("cap_add");
        service.cap_drop = fields.texts("cap_drop");
        service.security_opt = fields.texts("security_opt");
        service.logging = fields.below("logging").map(|logging| Logging {
            span: logging.span(),
            driver: logging.text("driver"),
            options: logging.pairs("options"),
        });
    }

    fn grace(&mut self, service: &str, fields: Fields<'_>) -> Option<Spanned<std::time::Duration>> {
        let grace = fields.duration("stop_grace_period");
        if grace.is_none()
            && let Some(node) = fields.node("stop_grace_period")
        {
            let problem = format!("services.{service}.stop_grace_period is below zero");
            self.defer(Diagnostic::invalid(problem).at(node.span));
        }
        grace
    }

    /// Docker Compose's loader takes a negative number of CPUs; its engine does not.
    fn check_cpus(&mut self, service: &str, fields: Fields<'_>) {
        let deploy = fields.below("deploy").and_then(|d| d.below("resources"));
        let part = |name: &str| deploy.and_then(|deploy| deploy.below(name));
        for holder in [Some(fields), part("limits"), part("reservations")] {
            let Some(node) = holder.and_then(|holder| holder.node("cpus")) else {
                continue;
            };
            if super::fields::cpus(node).is_none() {
                let problem = format!("services.{service}: a number of CPUs can't be negative");
                self.defer(Diagnostic::invalid(problem).at(node.span));
            }
        }
    }
}

fn environment(fields: Fields<'_>) -> Vec<(Spanned<String>, Option<String>)> {
    fields
        .map("environment")
        .map(|(name, span, node)| {
            let value = (!node.is_null()).then(|| to_text(&node.value));
            (Spanned::new(name.to_owned(), span), value)
        })
        .collect()
}

/// The files that were read: normal form has their variables, and no longer them.
fn env_files(fields: Fields<'_>) -> Vec<EnvFile> {
    let files = Fields::plain(fields.raw).each("env_file");
    files
        .filter_map(|file| {
            Some(EnvFile {
                path: file.text("path")?.map(PathBuf::from),
                required: file.flag("required").is_none_or(|flag| flag.value),
                raw: file.str("format") == Some("raw"),
            })
        })
        .collect()
}

fn dependency((name, span, node): (&str, Span, &Node)) -> Dependency {
    let fields = Fields::plain(node);
    let condition = fields.text("condition");
    let condition_span = condition.as_ref().map_or(span, |condition| condition.span);
    let condition = match condition.as_ref().map(|condition| condition.as_str()) {
        Some("service_healthy") => Condition::Healthy,
        Some("service_completed_successfully") => Condition::CompletedSuccessfully,
        _ => Condition::Started,
    };
    Dependency {
        service: Spanned::new(name.to_owned(), span),
        condition: Spanned::new(condition, condition_span),
        restart: fields.is_set("restart"),
        required: fields.flag("required").is_none_or(|flag| flag.value),
    }
}

fn pull_policy(text: Spanned<String>) -> Spanned<PullPolicy> {
    text.map(|text| match text.as_str() {
        "always" => PullPolicy::Always,
        "never" => PullPolicy::Never,
        "missing" => PullPolicy::Missing,
        "build" => PullPolicy::Build,
        _ => PullPolicy::Every(text),
    })
}

fn restart(text: String) -> Restart {
    match text.split_once(':') {
        Some(("on-failure", most)) => match most.parse() {
            Ok(most) => Restart::OnFailure(Some(most)),
            Err(_) => Restart::Unknown(text),
        },
        _ => match text.as_str() {
            "no" => Restart::No,
            "always" => Restart::Always,
            "on-failure" => Restart::OnFailure(None),
            "unless-stopped" => Restart::UnlessStopped,
            _ => Restart::Unknown(text),
        },
    }
}

fn host(node: &Node) -> Option<(Spanned<String>, String)> {
    let (host, address) = node.as_str()?.split_once('=')?;
    Some((Spanned::new(host.to_owned(), node.span), address.to_owned()))
}
