//! The Pod Security Standards' level "restricted", rule by rule, before the real program: a file that
//! conforms runs, and each rule refuses a file that breaks it and nothing else.
//! <https://kubernetes.io/docs/concepts/security/pod-security-standards/>

use std::fs;

use crate::app;
use crate::lab::Lab;
use crate::lab::program::Up;
use crate::lab::task::Task;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    let mut all = Vec::from(tests![Containerd:
        a_file_that_conforms_passes,
        each_rule_refuses_a_file_that_breaks_it,
    ]);
    all.extend(tests![Mesos: a_rule_refuses_a_task]);
    all
}

const RESTRICTED: &str = "[policy]\nprofile = \"restricted\"\n";

/// All that restricted wants, and some of what it leaves free.
const CONFORMING: [&str; 12] = [
    "image: app:1",
    "user: '1000'",
    "cap_drop: [ALL]",
    "cap_add: [NET_BIND_SERVICE]",
    "security_opt: [no-new-privileges]",
    "sysctls: {net.ipv4.tcp_syncookies: 1}",
    "volumes: ['data:/data', './here:/here', {type: tmpfs, target: /scratch}, /anonymous]",
    "tmpfs: [/tmp]",
    "configs: [conf]",
    "secrets: [key]",
    "read_only: true",
    "command: [id, -u]",
];

const TOP: &str =
    "volumes: {data: {}}\nconfigs: {conf: {content: x}}\nsecrets: {key: {file: ./key}}\n";

/// The conforming service with some of its lines replaced: those that say what `breaks` says.
fn compose(breaks: &[&str], top: &str) -> String {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let replaced: Vec<String> = breaks.iter().map(|line| key(line)).collect();
    let kept = CONFORMING
        .iter()
        .filter(|line| !replaced.contains(&key(line)));
    // A key without a value leaves the line out.
    let new = breaks.iter().filter(|line| !line.ends_with(':'));
    let lines: Vec<&str> = kept.chain(new).copied().collect();
    let lines = lines.join("\n    ");
    app::compose(&format!("  web:\n    {lines}\n")) + top
}

/// The standards' rule, the lines that break it, and the field that refuses them.
const RULES: &[(&str, &[&str], &str)] = &[
    (
        "Host Namespaces",
        &["network_mode: host"],
        "namespaces.host_network",
    ),
    ("Host Namespaces", &["pid: host"], "namespaces.host_pid"),
    ("Host Namespaces", &["ipc: host"], "namespaces.host_ipc"),
    (
        "Privileged Containers",
        &["privileged: true"],
        "privileges.privileged",
    ),
    (
        "Capabilities",
        &["cap_add: [SYS_ADMIN]"],
        "privileges.cap_add",
    ),
    (
        "Capabilities",
        &["cap_add: [NET_RAW]"],
        "privileges.cap_add",
    ),
    (
        "Capabilities (restricted)",
        &["cap_add: [CHOWN]"],
        "privileges.cap_add",
    ),
    (
        "Capabilities (restricted)",
        &["cap_drop: [CHOWN]"],
        "privileges.drop_all",
    ),
    (
        "Capabilities (restricted)",
        &["cap_drop:"],
        "privileges.drop_all",
    ),
    (
        "HostPath Volumes",
        &["volumes: ['/etc:/host:ro']"],
        "mounts.host_paths",
    ),
    (
        "HostPath Volumes",
        &["volumes: ['../..:/host']"],
        "mounts.host_paths",
    ),
    (
        "HostPath Volumes",
        &["volumes: [{type: bind, source: /var/run/docker.sock, target: /s}]"],
        "mounts.host_paths",
    ),
    (
        "AppArmor",
        &["security_opt: ['apparmor=unconfined']"],
        "privileges.apparmor",
    ),
    (
        "AppArmor",
        &["security_opt: ['apparmor:mine']"],
        "privileges.apparmor",
    ),
    (
        "SELinux",
        &["security_opt: ['label=type:spc_t']"],
        "privileges.selinux_types",
    ),
    (
        "SELinux",
        &["security_opt: ['label=user:root']"],
        "privileges.selinux_types",
    ),
    (
        "SELinux",
        &["security_opt: ['label=role:sysadm_r']"],
        "privileges.selinux_types",
    ),
    (
        "SELinux",
        &["security_opt: ['label=disable']"],
        "privileges.selinux_types",
    ),
    (
        "/proc Mount Type",
        &["security_opt: ['systempaths=unconfined']"],
        "privileges.unmasked_paths",
    ),
    (
        "Seccomp",
        &["security_opt: ['seccomp=unconfined']"],
        "privileges.seccomp",
    ),
    (
        "Seccomp",
        &["security_opt: ['seccomp=./all.json']"],
        "privileges.seccomp",
    ),
    (
        "Seccomp",
        &["security_opt: ['seccomp=default']"],
        "privileges.seccomp",
    ),
    (
        "Sysctls",
        &["sysctls: {net.core.somaxconn: 1024}"],
        "privileges.sysctls",
    ),
    (
        "Sysctls",
        &["sysctls: {kernel.msgmax: 1}"],
        "privileges.sysctls",
    ),
    (
        "Privilege Escalation",
        &["security_opt: ['no-new-privileges:false']"],
        "privileges.escalation",
    ),
    ("Running as Non-root", &["user:"], "privileges.root"),
    ("Running as Non-root", &["user: app"], "privileges.root"),
    (
        "Running as Non-root user",
        &["user: '0'"],
        "privileges.root",
    ),
    (
        "Running as Non-root user",
        &["user: root"],
        "privileges.root",
    ),
    (
        "Running as Non-root user",
        &["post_start: [{command: [id], user: root}]"],
        "privileges.root",
    ),
];

/// A volume's type is said at the top.
const VOLUME_RULES: &[(&str, &str, &str)] = &[
    (
        "HostPath Volumes",
        "{driver: local, driver_opts: {type: none, o: bind, device: /etc}}",
        "mounts.host_paths",
    ),
    (
        "Volume Types",
        "{driver: local, driver_opts: {type: nfs, o: addr=192.0.2.7, device: ':/x'}}",
        "mounts.nfs",
    ),
    (
        "Volume Types",
        "{driver: local, driver_opts: {type: ext4, device: /dev/sda1}}",
        "mounts.volume_types",
    ),
];

/// Every rule, as a file that breaks it.
fn broken() -> Vec<(String, String, &'static str)> {
    let services = RULES
        .iter()
        .map(|(rule, lines, field)| (format!("{rule}: {lines:?}"), compose(lines, TOP), *field));
    let volumes = VOLUME_RULES.iter().map(|(rule, volume, field)| {
        let top = TOP.replace("data: {}", &format!("data: {volume}"));
        (format!("{rule}: {volume}"), compose(&[], &top), *field)
    });
    services.chain(volumes).collect()
}

fn a_file_that_conforms_passes(lab: &Lab) {
    let mut up = Up::app(lab, "")
        .compose(&compose(&[], TOP))
        .file("key", "secret")
        .config(RESTRICTED)
        .start();
    assert_eq!(up.until_end().code(), Some(0), "{}", up.stderr());
    assert_eq!(up.stdout(), "1000\n");
    let file = |name: &str| up.folder().join(name).display().to_string();
    for command in ["config", "plan"] {
        let words = [
            "-f",
            &file("compose.yaml"),
            command,
            "--policy",
            &file("config.toml"),
        ];
        let output = lab.output(&words);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{command}: {told}");
    }
}

/// Each by what checks a file without a host, and by what would run it: one violation, and no effect.
fn each_rule_refuses_a_file_that_breaks_it(lab: &Lab) {
    let folder = lab.fixture();
    let config = folder.join("config.toml");
    fs::write(&config, RESTRICTED).expect("a fixture takes a file");
    let config = config.display().to_string();
    let file = folder.join("compose.yaml");
    for (rule, text, field) in broken() {
        fs::write(&file, text).expect("a fixture takes a file");
        let file = file.display().to_string();
        let off_line = ["-f", &file, "config", "-q", "--policy", &config];
        let plan = ["-f", &file, "plan", "--policy", &config];
        for words in [&off_line[..], &plan[..]] {
            let output = lab.output(words);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{rule}: {told}");
            let violations = told.matches("by the operator's policy (").count();
            assert_eq!(violations, 1, "{rule}: {told}");
            assert!(
                told.contains(&format!("policy ({field} = ")),
                "{rule}: {told}"
            );
        }
    }
}

fn a_rule_refuses_a_task(lab: &Lab) {
    let [first, .., last] = &broken()[..] else {
        panic!("there are rules");
    };
    let middle = &broken()[19];
    for (rule, text, field) in [first, middle, last] {
        let task = Task::app(lab, "").compose(text).config(RESTRICTED);
        let mut run = task.launch();
        let end = run.until_end();
        assert_eq!(end.reason(), "REASON_TASK_UNAUTHORIZED", "{rule}");
        assert_eq!(end.data()["errors"][0]["policy_field"], *field, "{rule}");
        run.until_gone();
    }
}
