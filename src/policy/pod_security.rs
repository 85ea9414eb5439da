//! The Pod Security Standards, rule by rule: what conforms passes, what breaks a rule is refused at
//! the rule's level and below, and names the field that forbids it.

use std::path::Path;

use super::profile::Profile;
use super::{Policy, PolicyFile, Surroundings, Violation, Whom, check};
use crate::compose::testing::{FOLDER, project_of};

/// The lowest level that a piece of a service needs.
use Profile::{Baseline, Privileged, Restricted};

fn violations(text: &str, profile: Profile) -> Vec<Violation> {
    let place = Surroundings {
        sandbox: Path::new(FOLDER),
        guarded: &[],
        archives: &[],
    };
    check(&project_of(text), &PolicyFile::profile(profile), place)
}

fn fields(text: &str, profile: Profile) -> Vec<&'static str> {
    let found = violations(text, profile);
    found.iter().map(|violation| violation.field).collect()
}

/// A service that restricted allows, and one more piece.
fn with(piece: &str) -> String {
    let mut service =
        "image: app:1\nuser: '1000'\ncap_drop: [ALL]\n".to_owned() + &piece.replace("; ", "\n");
    // What the piece says itself is not said twice.
    for key in ["user: ", "cap_drop: "] {
        if piece.split("; ").any(|line| line.starts_with(key)) {
            let (line, rest) = (service.find(key).unwrap(), service.clone());
            let end = rest[line..].find('\n').unwrap() + line + 1;
            service = format!("{}{}", &rest[..line], &rest[end..]);
        }
    }
    let indented: Vec<String> = service.lines().map(|line| format!("    {line}")).collect();
    let top =
        "volumes:\n  data: {}\nsecrets:\n  key: {file: ./key}\nconfigs:\n  conf: {file: ./conf}\n";
    format!("services:\n  web:\n{}\n{top}", indented.join("\n"))
}

/// The level, a piece of a service, and the field that forbids it above that level.
const RULES: &[(Profile, &str, &str)] = &[
    // Host namespaces
    (Privileged, "network_mode: host", "namespaces.host_network"),
    (Privileged, "pid: host", "namespaces.host_pid"),
    (Privileged, "ipc: host", "namespaces.host_ipc"),
    (Privileged, "uts: host", "namespaces.host_uts"),
    (Privileged, "cgroup: host", "namespaces.host_cgroup"),
    (Privileged, "userns_mode: host", "namespaces.host_user"),
    // Privileged containers
    (Privileged, "privileged: true", "privileges.privileged"),
    (
        Privileged,
        "post_start: [{command: x, privileged: true}]",
        "privileges.privileged",
    ),
    (
        Privileged,
        "pre_stop: [{command: x, privileged: true}]",
        "privileges.privileged",
    ),
    // Capabilities
    (Privileged, "cap_add: [NET_RAW]", "privileges.cap_add"),
    (Privileged, "cap_add: [SYS_ADMIN]", "privileges.cap_add"),
    (
        Privileged,
        "cap_add: [cap_sys_ptrace]",
        "privileges.cap_add",
    ),
    (Privileged, "cap_add: [ALL]", "privileges.cap_add"),
    (Baseline, "cap_add: [CHOWN]", "privileges.cap_add"),
    (Baseline, "cap_add: [CAP_SETUID]", "privileges.cap_add"),
    (Baseline, "cap_drop: [NET_RAW]", "privileges.drop_all"),
    (Baseline, "cap_drop: []", "privileges.drop_all"),
    (Restricted, "cap_add: [NET_BIND_SERVICE]", ""),
    (Restricted, "cap_drop: [all]", ""),
    // HostPath volumes
    (Privileged, "volumes: ['/etc:/host']", "mounts.host_paths"),
    (Privileged, "volumes: ['/:/host:ro']", "mounts.host_paths"),
    (Privileged, "volumes: ['../other:/x']", "mounts.host_paths"),
    (
        Privileged,
        "volumes: ['./x/../../etc:/x']",
        "mounts.host_paths",
    ),
    (
        Privileged,
        "volumes: ['/var/run/docker.sock:/var/run/docker.sock']",
        "mounts.host_paths",
    ),
    // Volume types
    (Restricted, "volumes: ['./data:/x']", ""),
    (Restricted, "volumes: ['data:/x']", ""),
    (Restricted, "volumes: ['/x']", ""),
    (Restricted, "tmpfs: [/tmp]", ""),
    (Restricted, "secrets: [key]; configs: [conf]", ""),
    // Host ports: those that Mesos offers, which a launch checks.
    (Restricted, "ports: ['8080:80']", ""),
    // AppArmor
    (
        Privileged,
        "security_opt: ['apparmor=unconfined']",
        "privileges.apparmor",
    ),
    (
        Privileged,
        "security_opt: ['apparmor:unconfined']",
        "privileges.apparmor",
    ),
    (
        Privileged,
        "security_opt: ['apparmor=mine']",
        "privileges.apparmor",
    ),
    // SELinux
    (
        Privileged,
        "security_opt: ['label=disable']",
        "privileges.selinux_types",
    ),
    (
        Privileged,
        "security_opt: ['label=type:spc_t']",
        "privileges.selinux_types",
    ),
    (
        Privileged,
        "security_opt: ['label=user:system_u']",
        "privileges.selinux_types",
    ),
    (
        Privileged,
        "security_opt: ['label:role:system_r']",
        "privileges.selinux_types",
    ),
    (Restricted, "security_opt: ['label=type:container_t']", ""),
    (Restricted, "security_opt: ['label=level:s0:c1,c2']", ""),
    // /proc mount type
    (
        Privileged,
        "security_opt: ['systempaths=unconfined']",
        "privileges.unmasked_paths",
    ),
    // Seccomp
    (
        Privileged,
        "security_opt: ['seccomp=unconfined']",
        "privileges.seccomp",
    ),
    (
        Privileged,
        "security_opt: ['seccomp:unconfined']",
        "privileges.seccomp",
    ),
    (
        Privileged,
        "security_opt: ['seccomp=./mine.json']",
        "privileges.seccomp",
    ),
    // A file of that name: Docker's word for the default is builtin.
    (
        Privileged,
        "security_opt: ['seccomp=default']",
        "privileges.seccomp",
    ),
    (Restricted, "security_opt: ['seccomp=builtin']", ""),
    // Sysctls
    (
        Privileged,
        "sysctls: {kernel.core_pattern: x}",
        "privileges.sysctls",
    ),
    (
        Privileged,
        "sysctls: {net.core.somaxconn: 1024}",
        "privileges.sysctls",
    ),
    (Restricted, "sysctls: {net.ipv4.tcp_syncookies: 1}", ""),
    (Restricted, "sysctls: {kernel.shm_rmid_forced: 1}", ""),
    // Privilege escalation: off unless it is asked for.
    (
        Privileged,
        "security_opt: ['no-new-privileges:false']",
        "privileges.escalation",
    ),
    (
        Privileged,
        "security_opt: ['no-new-privileges=false']",
        "privileges.escalation",
    ),
    (Restricted, "security_opt: ['no-new-privileges:true']", ""),
    (Restricted, "security_opt: [no-new-privileges]", ""),
    // Running as non-root
    (Baseline, "user: root", "privileges.root"),
    (Baseline, "user: '0'", "privileges.root"),
    (Baseline, "user: '00:1000'", "privileges.root"),
    (Baseline, "user: ':1000'", "privileges.root"),
    (Baseline, "user: app", "privileges.root"),
    (Baseline, "user: '4294967296'", "privileges.root"),
    (Baseline, "user: '-1'", "privileges.root"),
    (
        Baseline,
        "post_start: [{command: x, user: root}]",
        "privileges.root",
    ),
    (Restricted, "user: '1000:0'", ""),
    (Restricted, "pre_stop: [{command: x, user: '1001'}]", ""),
    // Beyond the standards: what Compose has and Kubernetes does not.
    (
        Privileged,
        "devices: ['/dev/fuse:/dev/fuse']",
        "privileges.devices",
    ),
    (
        Privileged,
        "device_cgroup_rules: ['c 1:3 mr']",
        "privileges.device_cgroup_rules",
    ),
    (Privileged, "runtime: kata", "privileges.runtimes"),
    (
        Privileged,
        "annotations: {run.oci.seccomp.receiver: /x}",
        "privileges.annotations",
    ),
    (
        Privileged,
        "volumes: [{type: bind, source: ./d, target: /d, bind: {propagation: rshared}}]",
        "mounts.propagation",
    ),
    (Privileged, "shm_size: 1g", "mounts.shm_max"),
    (
        Privileged,
        "mem_limit: 64m; memswap_limit: 128m",
        "resources.swap",
    ),
    (
        Privileged,
        "mem_limit: 64m; memswap_limit: -1",
        "resources.swap",
    ),
    (Restricted, "mem_limit: 64m; memswap_limit: 64m", ""),
    (
        Privileged,
        "oom_kill_disable: true",
        "resources.oom_kill_disable",
    ),
    (
        Privileged,
        "oom_score_adj: -1",
        "resources.oom_score_adj_min",
    ),
    (Restricted, "oom_score_adj: 1", ""),
    (Privileged, "cpu_rt_runtime: 95000", "resources.realtime"),
    (
        Privileged,
        "blkio_config: {device_read_bps: [{path: /dev/sda, rate: 1m}]}",
        "resources.blkio_devices",
    ),
    (Restricted, "blkio_config: {weight: 300}", ""),
    (Privileged, "pids_limit: 5000", "resources.pids_max"),
    (
        Privileged,
        "deploy: {resources: {limits: {pids: 5000}}}",
        "resources.pids_max",
    ),
    (Restricted, "pids_limit: -1", ""),
    (Privileged, "ulimits: {core: -1}", "resources.ulimits"),
    (
        Privileged,
        "ulimits: {nofile: 2000000}",
        "resources.ulimits",
    ),
    (
        Restricted,
        "ulimits: {nofile: {soft: 1024, hard: 65536}}",
        "",
    ),
    (
        Privileged,
        "mac_address: 02:00:00:00:00:01",
        "resources.mac_address",
    ),
    (
        Privileged,
        "stop_grace_period: 1h",
        "lifecycle.stop_grace_max",
    ),
    (Restricted, "restart: always", ""),
];

#[test]
fn each_rule_refuses_what_breaks_it_and_nothing_else() {
    for (level, piece, field) in RULES {
        let text = with(piece);
        for profile in [Privileged, Baseline, Restricted] {
            let allowed = match level {
                Privileged => profile == Privileged,
                Baseline => profile != Restricted,
                Restricted => true,
            };
            let found = fields(&text, profile);
            if allowed {
                assert!(found.is_empty(), "{profile} refuses {piece:?}: {found:?}");
            } else {
                assert_eq!(found, [*field], "{profile} and {piece:?}");
            }
        }
    }
}

/// A file that says nothing of its user conforms to baseline, not to restricted.
#[test]
fn a_plain_file_is_baseline() {
    let text = "services: {web: {image: app}}";
    assert!(violations(text, Baseline).is_empty());
    assert_eq!(
        fields(text, Restricted),
        ["privileges.root", "privileges.drop_all"]
    );
}

#[test]
fn a_pod_is_bounded_in_its_size() {
    let services: Vec<String> = (0..33).map(|i| format!("s{i}: {{image: a}}")).collect();
    let text = format!("services: {{{}}}", services.join(", "));
    assert_eq!(fields(&text, Baseline), ["limits.services"]);
    let labels: Vec<String> = (0..257).map(|i| format!("l{i}: x")).collect();
    let text = format!(
        "services: {{a: {{image: a, labels: {{{}}}}}}}",
        labels.join(", ")
    );
    assert_eq!(fields(&text, Baseline), ["limits.labels"]);
    let text = format!(
        "services: {{a: {{image: a, environment: {{A: {}}}}}}}",
        "x".repeat(300 << 10)
    );
    assert_eq!(fields(&text, Baseline), ["limits.env_bytes"]);
}

/// A limit of the operator's own holds for who says nothing, and for who says "unlimited", too.
#[test]
fn processes_are_counted_as_the_pod_counts_them() {
    let policy = |max: &str| {
        let text = format!("[resources]\npids_max = {max}\n");
        let file: PolicyFile = toml::from_str(&text).unwrap();
        file.in_force(&Whom::default())
    };
    let place = Surroundings {
        sandbox: Path::new(FOLDER),
        guarded: &[],
        archives: &[],
    };
    for (max, service, allowed) in [
        ("100", "", false),
        ("100", ", pids_limit: -1", false),
        ("100", ", pids_limit: 0", false),
        ("100", ", pids_limit: 101", false),
        ("100", ", deploy: {resources: {limits: {pids: 101}}}", false),
        ("100", ", pids_limit: 100", true),
        ("100", ", deploy: {resources: {limits: {pids: 100}}}", true),
        ("2000", "", true),
        ("2000", ", pids_limit: -1", false),
        ("\"unlimited\"", ", pids_limit: 5000", true),
    ] {
        let project = project_of(&format!("services: {{a: {{image: i{service}}}}}"));
        let found = check(&project, &policy(max), place);
        assert_eq!(found.is_empty(), allowed, "{max}{service}: {found:?}");
    }
}

/// Of several sizes the kernel takes the last, and `nr_blocks` is one as well.
#[test]
fn a_volume_in_memory_is_as_large_as_its_largest_size() {
    let file = "[mounts]\ntmpfs_max = \"1MiB\"\n";
    let file: PolicyFile = toml::from_str(file).unwrap();
    let policy = file.in_force(&Whom::default());
    let place = Surroundings {
        sandbox: Path::new(FOLDER),
        guarded: &[],
        archives: &[],
    };
    for (options, allowed) in [
        ("size=1m", true),
        ("size=1m,uid=70", true),
        ("size=1m,size=1g", false),
        ("size=1g,size=1m", false),
        ("size=1m,nr_blocks=1000000", false),
        ("size=1m,size=50%", false),
        ("uid=70", false),
    ] {
        let project = project_of(&format!(
            "services: {{a: {{image: i, volumes: ['data:/v']}}}}\nvolumes: {{data: {{driver: local, driver_opts: {{type: tmpfs, device: tmpfs, o: '{options}'}}}}}}"
        ));
        let found = check(&project, &policy, place);
        assert_eq!(found.is_empty(), allowed, "{options}: {found:?}");
    }
}

#[test]
fn what_is_mounted_by_nfs_is_named_by_the_operator() {
    let file = "[mounts]\nnfs = [\"192.0.2.7:/exports/*\"]\n";
    let file: PolicyFile = toml::from_str(file).unwrap();
    let place = Surroundings {
        sandbox: Path::new(FOLDER),
        guarded: &[],
        archives: &[],
    };
    let ask = |policy: &Policy, address: &str, path: &str| {
        let project = project_of(&format!(
            "services: {{a: {{image: i, volumes: ['data:/v']}}}}\nvolumes: {{data: {{driver: local, driver_opts: {{type: nfs, o: 'addr={address}', device: ':{path}'}}}}}}"
        ));
        let found = check(&project, policy, place);
        found.iter().map(|it| it.field).collect::<Vec<_>>()
    };
    let policy = file.in_force(&Whom::default());
    let allowed: [&str; 0] = [];
    assert_eq!(ask(&policy, "192.0.2.7", "/exports/a/b"), allowed);
    assert_eq!(ask(&policy, "192.0.2.8", "/exports/a/b"), ["mounts.nfs"]);
    assert_eq!(ask(&policy, "192.0.2.7", "/secret"), ["mounts.nfs"]);
    let baseline = PolicyFile::profile(Baseline);
    assert_eq!(ask(&baseline, "192.0.2.7", "/exports/a"), ["mounts.nfs"]);
}

#[test]
fn a_volume_that_is_a_bind_is_judged_as_one() {
    let volume = |options: &str| {
        let text = format!(
            "services: {{a: {{image: a, volumes: ['data:/v']}}}}\nvolumes: {{data: {{driver: local, driver_opts: {{{options}}}}}}}"
        );
        fields(&text, Baseline)
    };
    assert_eq!(
        volume("type: none, o: 'rw,bind', device: /etc"),
        ["mounts.host_paths"]
    );
    assert_eq!(
        volume("type: cifs, o: addr=10.0.0.1, device: '//x/y'"),
        ["mounts.volume_types"]
    );
    assert_eq!(
        volume("type: ext4, device: /dev/sda1"),
        ["mounts.volume_types"]
    );
    let allowed: [&str; 0] = [];
    assert_eq!(volume("type: tmpfs, o: size=1m, device: tmpfs"), allowed);
    assert_eq!(volume("type: none, o: bind, device: ./data"), allowed);
}

#[test]
fn all_violations_come_at_once_each_with_its_place() {
    let text = "services:\n  web:\n    image: app\n    privileged: true\n    pid: host\n    cap_add: [SYS_ADMIN, CHOWN]\n";
    let found = violations(text, Baseline);
    let shown: Vec<String> = found
        .iter()
        .map(|it| format!("{} {} {}", it.code, it.span.start, it.message()))
        .collect();
    insta::assert_snapshot!(shown.join("\n"), @r#"
    CE-POLICY-PRIVILEGED 48 services.web.privileged: a privileged container is not allowed by the operator's policy (privileges.privileged = false, profile baseline, the default)
    CE-POLICY-HOST-PID 62 services.web.pid: the host's PID namespace is not allowed by the operator's policy (namespaces.host_pid = false, profile baseline, the default)
    CE-POLICY-CAP-ADD 81 services.web.cap_add[0]: the capability "SYS_ADMIN" is not allowed by the operator's policy (privileges.cap_add = ["@baseline"], profile baseline, the default)
    "#);
}
