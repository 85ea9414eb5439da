//! Whose namespaces a service is in, and their settings.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::Signal;

use super::{Running, Services};
use crate::lab::Lab;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        processes,
        ipc,
        alone_in_its_network,
        the_hosts_network,
        cgroups,
        settings,
        a_pod_that_shares_no_processes,
    ]
    .into()
}

fn namespace(running: &Running, service: &str, kind: &str) -> PathBuf {
    running.process(service).namespace(kind)
}

fn hosts(kind: &str) -> PathBuf {
    fs::read_link(format!("/proc/self/ns/{kind}")).expect("we have one")
}

fn processes(lab: &Lab) {
    let services = Services::default()
        .with(
            "one",
            "",
            "echo \"one sees: $(ps -o args | grep -c 'ready [o]ther')\"",
        )
        .with("other", "pid: service:one", "")
        .with(
            "apart",
            "x-pod: {share_pid: false}",
            "echo \"apart is: $$\"",
        )
        .with("host", "pid: host", "");
    let mut running = services.run(lab);
    let pid = |service: &str| namespace(&running, service, "pid");
    assert_eq!(pid("one"), pid("other"));
    assert_ne!(pid("one"), pid("apart"));
    assert_eq!(pid("host"), hosts("pid"));
    assert!(![pid("one"), pid("apart")].contains(&hosts("pid")));
    assert_eq!(running.told("apart is:"), "1");
    running.up.signal(Signal::SIGINT);
    assert_eq!(running.up.until_end().code(), Some(130));
    running.assert_told(&["asked apart", "asked host"]);
}

/// Services that outlive pause are killed all the same.
fn a_pod_that_shares_no_processes(lab: &Lab) {
    let services = Services::default()
        .with("one", "", "trap '' USR1")
        .with("two", "", "");
    let compose = format!(
        "name: app\nx-pod: {{images: [./app.tar], share_pid: false}}\nservices:\n{}",
        services.yaml
    );
    let mut running = services.start(services.up(lab).compose(&compose));
    let pid = |service: &str| namespace(&running, service, "pid");
    assert_ne!(pid("one"), pid("two"));
    let ipc = |service: &str| namespace(&running, service, "ipc");
    assert_eq!(ipc("one"), ipc("two"));
    // Twice: the second kills at once.
    running.up.signal(Signal::SIGINT);
    running.up.signal(Signal::SIGINT);
    running.up.until_end();
    running.pod.until_dead();
}

fn ipc(lab: &Lab) {
    let shm = "echo \"NAME shm: $(df -k /dev/shm | tail -1 | awk '{print $2, $NF}')\"";
    let script = |name: &str| shm.replace("NAME", name);
    let services = Services::default()
        .with("one", "ipc: shareable", "")
        .with("other", "ipc: service:one", "")
        .with("apart", "ipc: private\nshm_size: 4m", &script("apart"))
        .with(
            "bare",
            "ipc: none",
            "grep -q ' /dev/shm ' /proc/self/mounts || echo no shm",
        )
        .with("host", "ipc: host", "");
    let running = services.run(lab);
    let ipc = |service: &str| namespace(&running, service, "ipc");
    assert_eq!(ipc("one"), ipc("other"));
    assert_eq!(ipc("host"), hosts("ipc"));
    for service in ["apart", "bare"] {
        assert_ne!(ipc(service), ipc("one"));
        assert_ne!(ipc(service), hosts("ipc"));
    }
    assert_eq!(running.told("apart shm:"), "4096 /dev/shm");
    running.assert_told(&["no shm"]);
}

fn alone_in_its_network(lab: &Lab) {
    let script = "
        echo \"interfaces: $(tail -n +3 /proc/net/dev | cut -d : -f 1 | tr -d ' \\n')\"
        echo hello > /tmp/index.html && httpd -p 127.0.0.1:8080 -h /tmp
        echo \"itself: $(wget -q -O - http://127.0.0.1:8080/)\"
    ";
    let services = Services::default()
        .with("alone", "network_mode: none", script)
        .with("other", "network_mode: bridge", "")
        .with("joins", "network_mode: service:other", "");
    let running = services.run(lab);
    assert_ne!(
        namespace(&running, "alone", "net"),
        namespace(&running, "other", "net")
    );
    assert_eq!(
        namespace(&running, "joins", "net"),
        namespace(&running, "other", "net")
    );
    assert_ne!(namespace(&running, "alone", "net"), hosts("net"));
    assert_eq!(running.told("interfaces:"), "lo");
    assert_eq!(running.told("itself:"), "hello");
    assert!(running.up.stderr().contains("network_mode: none"));
}

fn the_hosts_network(lab: &Lab) {
    let services = Services::default()
        .with(
            "one",
            "network_mode: host",
            "echo \"abstract: $(grep -c '@.*containerd' /proc/net/unix)\"",
        )
        .with("two", "network_mode: host", "");
    let running = services.run(lab);
    // CVE-2020-15257: a shim's socket without a path is everybody's who is in its network.
    assert_eq!(running.told("abstract:"), "0");
    for service in ["one", "two"] {
        assert_eq!(namespace(&running, service, "net"), hosts("net"));
    }
}

fn cgroups(lab: &Lab) {
    let services = Services::default().with("own", "cgroup: private", "").with(
        "host",
        "cgroup: host\ncgroup_parent: /elsewhere",
        "",
    );
    let running = services.run(lab);
    assert_eq!(namespace(&running, "host", "cgroup"), hosts("cgroup"));
    assert_ne!(namespace(&running, "own", "cgroup"), hosts("cgroup"));
    // A parent of the file's own would escape the task.
    let path = running.process("host").cgroups["freezer"].clone();
    assert!(path.starts_with(running.pod.cgroup()), "{path}");
    assert!(running.up.stderr().contains("cgroup_parent"));
}

fn settings(lab: &Lab) {
    let show = |name: &str| {
        format!(
            "echo \"{name} has $(cat /proc/sys/net/core/somaxconn) $(cat /proc/sys/kernel/msgmax) $(cat /proc/sys/fs/mqueue/msg_max)\""
        )
    };
    let services = Services::default()
        .with(
            "one",
            "sysctls: {net.core.somaxconn: 777, kernel.msgmax: 9000, fs.mqueue.msg_max: 20}",
            &show("one"),
        )
        .with("two", "sysctls: [net.core.somaxconn=777]", &show("two"))
        .with(
            "apart",
            "ipc: private\nsysctls: {kernel.msgmax: 8000}",
            &show("apart"),
        );
    let running = services.run(lab);
    assert_eq!(running.told("one has"), "777 9000 20");
    assert_eq!(running.told("two has"), "777 9000 20");
    assert!(running.told("apart has").starts_with("777 8000 "));
}
