//! Every key of a service that is supported, seen from inside a running container or in what the
//! kernel tells of it. Many keys share a pod, so that the theme is quick.

mod documents;
mod hardening;
mod limits;
mod process;
mod rights;
mod sharing;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::app;
use crate::lab::Lab;
use crate::lab::host::CGROUPS;
use crate::lab::pod::{Pod, Process};
use crate::lab::program::{Up, UpRun};
use crate::trial::Test;

pub(crate) fn tests() -> Vec<Test> {
    let themes = [
        process::tests(),
        limits::tests(),
        rights::tests(),
        sharing::tests(),
        hardening::tests(),
        documents::tests(),
    ];
    themes.into_iter().flatten().collect()
}

/// Services that tell something and then wait to be asked to stop.
#[derive(Debug, Default)]
struct Services {
    names: Vec<String>,
    yaml: String,
}

impl Services {
    /// One more: its keys, as YAML that is not indented, and the lines of shell that it begins with.
    fn with(mut self, name: &str, keys: &str, script: &str) -> Self {
        let mut line = |indent: usize, text: &str| {
            writeln!(self.yaml, "{:indent$}{text}", "").expect("a string takes it");
        };
        line(2, &format!("{name}:"));
        line(4, "image: app:1");
        for key in keys.lines().filter(|key| !key.trim().is_empty()) {
            line(4, key);
        }
        line(4, "command:");
        line(6, "- sh");
        line(6, "- -c");
        line(6, "- |");
        let wait = format!(
            "echo ready {name}\ntrap 'echo asked {name}; exit 0' TERM\nwhile :; do sleep 0.1; done"
        );
        for command in script.lines().chain(wait.lines()) {
            line(8, &command.trim_start().replace('$', "$$"));
        }
        self.names.push(name.to_owned());
        self
    }

    fn up<'lab>(&self, lab: &'lab Lab) -> Up<'lab> {
        Up::app(lab, &self.yaml)
    }

    /// With an image of the test's own.
    fn start(&self, up: Up<'_>) -> Running {
        let mut up = up.start();
        for name in &self.names {
            up.until_stdout(&format!("ready {name}"));
        }
        let pod = up.pod();
        Running { up, pod }
    }

    fn run(&self, lab: &Lab) -> Running {
        self.start(self.up(lab))
    }
}

/// A pod that runs.
#[derive(Debug)]
struct Running {
    up: UpRun,
    pod: Pod,
}

impl Running {
    fn stdout(&self) -> String {
        self.up.stdout()
    }

    /// What a service wrote behind `key`.
    fn told(&self, key: &str) -> String {
        let text = self.stdout();
        let found = text.lines().find_map(|line| line.split_once(key));
        let (_, value) = found.unwrap_or_else(|| panic!("no {key:?} in\n{text}"));
        value.trim().to_owned()
    }

    fn assert_told(&self, lines: &[&str]) {
        let text = self.stdout();
        for line in lines {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
    }

    /// The first process of a service.
    fn process(&self, service: &str) -> Process {
        let mut processes = self.pod.service(service);
        processes.sort_by_key(|process| process.pid);
        let first = processes.into_iter().next();
        first.unwrap_or_else(|| panic!("no process of {service}"))
    }

    /// A file of /proc about a service's first process.
    fn proc(&self, service: &str, file: &str) -> String {
        read(&format!("/proc/{}/{file}", self.process(service).pid))
    }

    /// The value of a line of its /proc/<pid>/status.
    fn status(&self, service: &str, key: &str) -> String {
        let status = self.proc(service, "status");
        let line = status.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap_or_else(|| panic!("no {key} in\n{status}"))
            .trim_start_matches(':')
            .trim()
            .to_owned()
    }

    fn capabilities(&self, service: &str, set: &str) -> u64 {
        u64::from_str_radix(&self.status(service, set), 16).expect("a set is a number")
    }

    /// A file of a service's cgroup: the hierarchy of version 1 that has it, or the only one.
    fn cgroup(&self, service: &str, controller: &str, file: &str) -> String {
        let group = format!("{}/svc-{service}", self.pod.cgroup());
        let first = format!("{CGROUPS}/{controller}");
        let hierarchy = if Path::new(&first).is_dir() {
            first
        } else {
            CGROUPS.to_owned()
        };
        read(&format!("{hierarchy}{group}/{file}"))
    }
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.trim().to_owned()
}

/// containerd's record of the container of a pod whose name ends so.
fn record(lab: &Lab, pod: &Pod, ends: &str) -> serde_json::Value {
    let containerd = lab.containerd();
    let names = containerd.ctr("compose-executor", &["containers", "list", "-q"]);
    let names = names.expect("containerd answers");
    let name = names
        .lines()
        .find(|name| name.contains(pod.id()) && name.ends_with(ends))
        .unwrap_or_else(|| panic!("no container of {ends} in {names}"));
    let info = containerd.ctr("compose-executor", &["containers", "info", name]);
    serde_json::from_str(&info.expect("the container is there")).expect("it is JSON")
}

/// The image that most tests here run, with users, groups and a home.
fn image() -> crate::image_archive::Image {
    app::image()
        .file(
            "/etc/passwd",
            0o644,
            b"root:x:0:0::/root:/bin/sh\nweb:x:1000:1001::/srv:/bin/sh\n",
        )
        .file(
            "/etc/group",
            0o644,
            b"root:x:0:\nweb:x:1001:\naudio:x:29:\n",
        )
}
