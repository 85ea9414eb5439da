//! What Docker Compose leaves to the engine to refuse, and what it takes without a word: there is no
//! engine here, so a launch and `plan` check it beforehand. `config` does not.

mod mounts;
mod network;
mod process;
mod resources;

use super::diagnostic::Diagnostic;
use super::model::{Project, Service};
use super::source::Span;

/// Everything that keeps a project from being run anywhere: wrong on any machine, under any policy.
pub fn engine_checks(project: &Project) -> Vec<Diagnostic> {
    let mut found = project.deferred.clone();
    for service in &project.services {
        let mut check = Check {
            service,
            found: &mut found,
        };
        process::check(&mut check);
        resources::check(&mut check);
        mounts::check(&mut check);
        network::check(&mut check);
    }
    network::check_host_ports(project, &mut found);
    found
}

/// One service, and what is wrong with it.
struct Check<'a> {
    service: &'a Service,
    found: &'a mut Vec<Diagnostic>,
}

impl Check<'_> {
    /// Reports what a key's value has wrong.
    fn fail(&mut self, key: &str, span: Span, problem: &str) -> &mut Diagnostic {
        let message = format!("services.{}.{key}: {problem}", self.service.name.value);
        self.found.push(Diagnostic::invalid(message).at(span));
        self.found.last_mut().expect("just pushed")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::testing::{errors_of, project_of};

    fn found(service: &str) -> Vec<String> {
        let project = project_of(&format!("services: {{a: {{image: i, {service}}}}}"));
        let found = engine_checks(&project);
        found.into_iter().map(|it| it.message).collect()
    }

    #[test]
    fn a_sound_service_passes() {
        let sound: [&str; 0] = [];
        assert_eq!(found("restart: on-failure:3"), sound);
        assert_eq!(found("mem_limit: 64m"), sound);
        assert_eq!(found("volumes: [/data]"), sound);
    }

    #[test]
    fn zero_is_unset() {
        let sound: [&str; 0] = [];
        for zero in [
            "mem_limit: 0",
            "mem_limit: 0, mem_reservation: 64m, memswap_limit: 0",
            "mem_limit: 64m, mem_reservation: 0",
            "cpus: 0, cpu_quota: 50000",
            "cpu_period: 0, cpu_quota: 0, cpus: 0.5",
            "cpu_shares: 0",
            "pids_limit: 0",
            "shm_size: 0",
            "oom_score_adj: 0",
            "blkio_config: {weight: 0}",
            "deploy: {resources: {limits: {cpus: '0', memory: '0'}}}",
        ] {
            assert_eq!(found(zero), sound, "{zero}");
        }
    }

    #[test]
    fn what_the_engine_would_refuse_is_told() {
        for service in [
            "restart: sometimes",
            "hostname: a_b.-c",
            "expose: [x]",
            "working_dir: data",
            "volumes: ['./x:data']",
            "mem_limit: 64m, mem_reservation: 128m",
            "mem_limit: 1m",
            "memswap_limit: 1g",
            "cpu_period: 5",
            "stop_signal: SIGNOTHING",
            "cpus: -1",
            "mem_limit: 1.5",
            "mem_limit: 9999999999g",
            "command: 'a && b'",
            "volumes: ['v:/d']",
            "profiles: ['']",
            "ulimits: {nofile: {soft: 2, hard: 1}}",
            "ulimits: {nofiles: 1}",
            "dns: [nameserver]",
            "extra_hosts: ['h=nowhere']",
            "mac_address: zz",
            "devices: ['/dev/a:/dev/a:x']",
            "healthcheck: {test: x, start_interval: 1s}",
            "blkio_config: {weight: 5}",
        ] {
            assert!(!found(service).is_empty(), "{service}");
        }
    }

    #[test]
    fn a_host_port_belongs_to_one_service() {
        let project = project_of(
            "services:\n  a: {image: i, ports: ['80:80']}\n  b: {image: i, ports: ['80:81']}\n",
        );
        assert_eq!(engine_checks(&project).len(), 1);
        let project = project_of(
            "services:\n  a: {image: i, ports: ['80:80']}\n  b: {image: i, ports: ['80:81/udp']}\n",
        );
        assert_eq!(engine_checks(&project).len(), 0);
    }

    #[test]
    fn the_loader_itself_refuses_none_of_it() {
        let sound: [String; 0] = [];
        assert_eq!(
            errors_of("services: {a: {image: i, restart: sometimes}}"),
            sound
        );
    }
}
