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
        let called = name.value.clone();
        let deploy = fields
            .below("deploy")
            .map(|deploy| self.deploy(&called, deploy));
        let scale = fields.unsigned("scale");
        let deployed = deploy.as_ref().and_then(|deploy| deploy.replicas.clone());
        let replicas = scale.or(deployed).unwrap_or(Spanned::new(1, name.span));
        let words = |key: &str| {
            let node = fields.node(key)?;
            Some(Spanned::new(fields.strings(key), node.span))
        };
        let namespace = |key: &str| {
            let text = fields.text(key)?;
            Some(text.map(|text| namespace_mode(&text)))
        };
        self.check_cpus(&called, fields);
        Service {
            keys: Vec::new(),
            image: fields.text("image"),
            build: fields.node("build").map(|build| build.span),
            pull_policy: fields.text("pull_policy").map(pull_policy),
            platform: fields.text("platform"),
            container_name: fields.text("container_name"),
            command: words("command"),
            entrypoint: words("entrypoint"),
            working_dir: fields.text("working_dir"),
            user: fields.text("user"),
            group_add: fields.texts("group_add"),
            environment: environment(fields),
            env_file: env_files(fields),
            labels: fields.pairs("labels"),
            annotations: fields.pairs("annotations"),
            tty: fields.written_flag("tty"),
            stdin_open: fields.written_flag("stdin_open"),
            init: fields.flag("init"),
            stop_signal: fields.text("stop_signal"),
            stop_grace_period: self.grace(&called, fields),
            restart: fields.text("restart").map(|text| text.map(restart)),
            depends_on: fields.map("depends_on").map(dependency).collect(),
            healthcheck: fields.below("healthcheck").map(healthcheck),
            post_start: fields.each("post_start").map(hook).collect(),
            pre_stop: fields.each("pre_stop").map(hook).collect(),
            profiles: fields.texts("profiles"),
            replicas,
            runtime: fields.text("runtime"),
            provider: fields.node("provider").map(|provider| provider.span),
            pod: self.service_extension(&called, fields.normal),

            ports: fields
                .each("ports")
                .filter_map(|port| self.port(&called, port))
                .collect(),
            expose: fields.texts("expose"),
            network_mode: fields
                .text("network_mode")
                .map(|text| text.map(|text| network_mode(&text))),
            networks: fields.map("networks").map(attachment).collect(),
            links: fields.texts("links"),
            external_links: fields.texts("external_links"),
            hostname: fields.text("hostname"),
            domainname: fields.text("domainname"),
            extra_hosts: fields
                .items("extra_hosts")
                .iter()
                .filter_map(host)
                .collect(),
            dns: fields.texts("dns"),
            dns_search: fields.texts("dns_search"),
            dns_opt: fields.texts("dns_opt"),
            mac_address: fields.text("mac_address"),
            ipc: namespace("ipc"),
            pid: namespace("pid"),
            uts: namespace("uts"),
            cgroup: namespace("cgroup"),
            userns_mode: fields.text("userns_mode"),
            cgroup_parent: fields.text("cgroup_parent"),
            sysctls: fields.pairs("sysctls"),

            cpus: fields.cpus("cpus").filter(|cpus| cpus.nanos > 0),
            cpu_quota: fields.integer("cpu_quota"),
            cpu_period: fields.integer("cpu_period"),
            cpu_shares: fields.integer("cpu_shares"),
            cpu_rt_runtime: fields.integer("cpu_rt_runtime"),
            cpu_rt_period: fields.integer("cpu_rt_period"),
            cpuset: fields.text("cpuset"),
            mem_limit: fields.size("mem_limit"),
            mem_reservation: fields.size("mem_reservation"),
            memswap_limit: fields.integer("memswap_limit"),
            mem_swappiness: fields.integer("mem_swappiness"),
            oom_kill_disable: fields.written_flag("oom_kill_disable"),
            oom_score_adj: fields.integer("oom_score_adj"),
            pids_limit: fields.integer("pids_limit"),
            shm_size: fields.size("shm_size"),
            blkio_config: fields.below("blkio_config").map(blkio),
            storage_opt: fields.pairs("storage_opt"),
            ulimits: fields
                .map("ulimits")
                .map(|entry| self.ulimit(&called, entry))
                .collect(),
            gpus: fields.each("gpus").map(device_request).collect(),
            devices: fields.each("devices").map(device).collect(),
            device_cgroup_rules: fields.texts("device_cgroup_rules"),
            deploy,

            volumes: fields
                .each("volumes")
                .map(|volume| self.mount(&called, volume))
                .collect(),
            volumes_from: fields.texts("volumes_from"),
            tmpfs: fields
                .items("tmpfs")
                .iter()
                .map(|tmpfs| self.tmpfs(&called, tmpfs))
                .collect(),
            configs: fields.each("configs").map(file_reference).collect(),
            secrets: fields.each("secrets").map(file_reference).collect(),
            read_only: fields.written_flag("read_only"),
            privileged: fields.written_flag("privileged"),
            cap_add: fields.texts("cap_add"),
            cap_drop: fields.texts("cap_drop"),
            security_opt: fields.texts("security_opt"),
            logging: fields.below("logging").map(|logging| Logging {
                span: logging.span(),
                driver: logging.text("driver"),
                options: logging.pairs("options"),
            }),
            name,
        }
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
