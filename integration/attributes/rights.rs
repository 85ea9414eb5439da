//! Capabilities, devices, seccomp, privileges.

use super::Services;
use crate::lab::Lab;
use crate::lab::host;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        capabilities,
        devices,
        security_options,
        a_privileged_service,
    ]
    .into()
}

const CHOWN: u64 = 1 << 0;
const NET_BIND_SERVICE: u64 = 1 << 10;
const NET_ADMIN: u64 = 1 << 12;

/// The bounding set of the lab's containerd, which no container can go beyond.
fn containerds(lab: &Lab) -> u64 {
    let pid = lab.containerd().pid().expect("containerd runs");
    let status = super::read(&format!("/proc/{pid}/status"));
    let set = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    u64::from_str_radix(set.expect("a process has one").trim(), 16).expect("a set is a number")
}

fn capabilities(lab: &Lab) {
    let services = Services::default()
        .with("more", "cap_add: [NET_ADMIN]\ncap_drop: [CAP_CHOWN]", "")
        .with("one", "cap_drop: [ALL]\ncap_add: [NET_BIND_SERVICE]", "")
        .with("all", "cap_add: [ALL]\ncap_drop: [CHOWN]", "");
    let running = services.run(lab);
    let of = |service: &str| running.capabilities(service, "CapEff");
    assert_eq!(of("more") & (NET_ADMIN | CHOWN), NET_ADMIN);
    assert_eq!(of("one"), NET_BIND_SERVICE);
    assert_eq!(of("all"), containerds(lab) & !CHOWN);
    for service in ["more", "one", "all"] {
        assert_eq!(running.capabilities(service, "CapBnd"), of(service));
        assert_eq!(running.capabilities(service, "CapAmb"), 0);
    }
    let told = running.up.stderr();
    assert!(
        told.contains("cap_add: NET_ADMIN") && told.contains("the whole pod"),
        "what it can do to the others is told: {told}"
    );
}

fn devices(lab: &Lab) {
    let keys = "devices: ['/dev/full:/dev/brimming:r', '/dev/zero:/dev/nought']\ndevice_cgroup_rules: ['c 10:229 rw']";
    let script = "
        echo \"nodes: $(ls -l /dev/brimming /dev/nought | awk '{print $5, $6, $NF}' | tr '\\n' ' ')\"
        echo \"read: $(head -c 2 /dev/nought | wc -c)\"
        mknod /tmp/fuse c 10 229 && (: < /tmp/fuse) && echo opened by a rule
        mknod /tmp/mem c 1 1 && head -c 1 /tmp/mem 2> /dev/null || echo no memory
    ";
    let services = Services::default().with("own", keys, script).with(
        "other",
        "",
        "mknod /tmp/fuse c 10 229; (: < /tmp/fuse) 2> /dev/null || echo not for others",
    );
    let running = services.run(lab);
    let nodes = running.told("nodes:");
    assert_eq!(nodes, "1, 7 /dev/brimming 1, 5 /dev/nought");
    assert_eq!(running.told("read:"), "2");
    running.assert_told(&["opened by a rule", "no memory", "not for others"]);
    if host::cgroup_v1() {
        let list = running.cgroup("own", "devices", "devices.list");
        assert!(list.lines().any(|rule| rule == "c 10:229 rw"), "{list}");
    }
}

const NO_FOLDERS: &str = r#"{
  "defaultAction": "SCMP_ACT_ALLOW",
  "architectures": [],
  "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38}]
}"#;

fn security_options(lab: &Lab) {
    let open = "security_opt: [seccomp=unconfined, 'no-new-privileges:false', systempaths=unconfined, label=disable, apparmor=unconfined]";
    let shown = "
        grep -q ' /proc/sys ' /proc/self/mounts || echo sysctls are not read-only
        [ -r /proc/keys ] && echo \"keys: $(grep -c . /proc/keys)\"
    ";
    let services = Services::default()
        .with(
            "filtered",
            "security_opt: ['seccomp=./no-folders.json']",
            "mkdir /tmp/x 2>&1 | sed 's/^/mkdir: /'",
        )
        .with("open", open, shown)
        .with(
            "usual",
            "security_opt: [seccomp=builtin, no-new-privileges]",
            "",
        );
    let up = services.up(lab).file("no-folders.json", NO_FOLDERS);
    let running = services.start(up);
    assert!(running.told("mkdir:").contains("not implemented"));
    running.assert_told(&["sysctls are not read-only"]);
    let status = |service: &str| {
        let (filter, fixed) = (
            running.status(service, "Seccomp"),
            running.status(service, "NoNewPrivs"),
        );
        format!("{filter} {fixed}")
    };
    assert_eq!(status("filtered"), "2 1");
    assert_eq!(status("open"), "0 0");
    assert_eq!(status("usual"), "2 1");
}

fn a_privileged_service(lab: &Lab) {
    let script = "
        echo \"sys: $(grep ' /sys ' /proc/self/mounts | cut -d ' ' -f 4 | cut -d , -f 1)\"
        grep -q ' /proc/sys ' /proc/self/mounts || echo nothing is read-only
        ls /dev/loop-control /dev/fuse > /dev/null && echo the devices of the host
    ";
    // Whichever is made first mounts the pod's /sys, and they are made in no order.
    let services = ["first", "second", "third"]
        .into_iter()
        .fold(Services::default(), |all, name| all.with(name, "", ""))
        .with("root", "privileged: true", script)
        .with(
            "usual",
            "privileged: false",
            "grep -c ' /sys sysfs ro' /proc/self/mounts | sed 's/^/sys that is read-only: /'",
        );
    let running = services.run(lab);
    running.assert_told(&[
        "sys: rw",
        "nothing is read-only",
        "sys that is read-only: 1",
    ]);
    assert_eq!(running.capabilities("root", "CapEff"), containerds(lab));
    assert_eq!(running.status("root", "Seccomp"), "0");
    assert_eq!(running.status("root", "NoNewPrivs"), "0");
    assert_eq!(running.status("usual", "Seccomp"), "2");
    if std::fs::exists("/dev/fuse").unwrap_or_default() {
        running.assert_told(&["the devices of the host"]);
    }
}
