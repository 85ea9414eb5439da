//! What a service that asks for nothing is kept from: item by item what Docker keeps its containers
//! from, or more. Docker's values are those of its daemon's default runtime document.

use std::collections::BTreeSet;

use super::{Running, Services};
use crate::lab::Lab;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd: no_weaker_than_docker].into()
}

/// Docker's fourteen: `CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP
/// SETPCAP NET_BIND_SERVICE SYS_CHROOT KILL AUDIT_WRITE`.
const DOCKERS_CAPABILITIES: u64 = 0xa804_25fb;
const NET_RAW: u64 = 1 << 13;

/// Commands that end in a system call which Docker's profile, or the lack of a capability, denies.
const FORBIDDEN: [(&str, &str); 13] = [
    ("mount", "mount -t tmpfs none /tmp"),
    ("umount2", "umount /etc/hosts"),
    ("unshare", "unshare -m true"),
    ("unshare of users", "unshare -U true"),
    ("setns", "nsenter -t 1 -n true"),
    ("swapon", "swapon /bin/busybox"),
    ("swapoff", "swapoff /bin/busybox"),
    ("init_module", "insmod /bin/busybox"),
    ("syslog", "dmesg"),
    ("pivot_root", "pivot_root /tmp /tmp"),
    // It ends with 0 all the same.
    (
        "clock_settime",
        "date -s 2020-01-01 2>&1 | sh -c '! grep permitted >&2'",
    ),
    ("adjtimex", "adjtimex -f 1"),
    ("sethostname", "hostname other"),
];

/// Of Docker's masked and read-only paths, those that a kernel may have.
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/scsi",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

fn script() -> String {
    let forbidden = FORBIDDEN.map(|(name, command)| {
        format!(
            "if said=$({command} 2>&1); then echo \"allowed: {name}\"; else echo \"denied: {name}: $said\" | tr '\\n' ' '; echo; fi"
        )
    });
    let masked = MASKED.map(|path| {
        format!(
            "if [ -d {path} ]; then echo \"entries: {path} $(ls -A {path} | wc -l)\"; elif [ -e {path} ]; then echo \"bytes: {path} $(wc -c < {path})\"; fi"
        )
    });
    let read_only = READ_ONLY.map(|path| {
        format!(
            "[ ! -e {path} ] || echo \"mount of {path}: $(grep ' {path} ' /proc/self/mounts | cut -d ' ' -f 4 | cut -d , -f 1)\""
        )
    });
    let rest = [
        "echo \"devices: $(find /dev -type b -o -type c | sort | tr '\\n' ' ')\"",
        "echo \"firmware: $(ls -A /sys/firmware | wc -l)\"",
        "echo \"power: $(ls -A /sys/devices/virtual/powercap 2> /dev/null | wc -l)\"",
        "echo \"throttle: $(ls /sys/devices/system/cpu/cpu*/thermal_throttle 2> /dev/null | grep -c count)\"",
        "disk=$(ls /sys/block | head -n 1)",
        "mknod /tmp/disk b $(tr : ' ' < /sys/block/$disk/dev)",
        "head -c 1 /tmp/disk > /dev/null 2>&1 || echo disk denied",
        "mknod /tmp/mem c 1 1",
        "head -c 1 /tmp/mem > /dev/null 2>&1 || echo memory denied",
    ];
    let lines = forbidden.into_iter().chain(masked).chain(read_only);
    let lines = lines.chain(rest.map(str::to_owned));
    lines.collect::<Vec<_>>().join("\n")
}

fn no_weaker_than_docker(lab: &Lab) {
    let services = Services::default()
        .with("one", "", &script())
        .with("two", "", "");
    let running = services.run(lab);
    let text = running.stdout();

    // Capabilities: Docker's at most, and no raw sockets.
    for set in ["CapBnd", "CapEff", "CapPrm"] {
        let found = running.capabilities("one", set);
        assert_eq!(
            found & !(DOCKERS_CAPABILITIES & !NET_RAW),
            0,
            "{set}: {found:x}"
        );
    }
    // CVE-2022-24769.
    for set in ["CapInh", "CapAmb"] {
        assert_eq!(running.capabilities("one", set), 0, "{set}");
    }

    // A filter, and no way to more: Docker leaves new privileges on.
    assert_eq!(running.status("one", "Seccomp"), "2");
    assert_eq!(running.status("one", "NoNewPrivs"), "1");
    assert!(!text.contains("allowed:"), "{text}");
    let denied = text.lines().filter(|line| line.contains("denied: "));
    let denied: BTreeSet<&str> = denied.collect();
    for line in &denied {
        let known = ["ermitted", "ermission denied", "not implemented"];
        assert!(known.iter().any(|words| line.contains(words)), "{line}");
    }
    assert_eq!(denied.len(), FORBIDDEN.len(), "{denied:?}");

    // Devices: Docker's six, terminals, and nothing that can be made.
    let devices = running.told("devices:");
    let allowed = |path: &str| {
        let six = ["full", "null", "random", "tty", "urandom", "zero"];
        let name = path.trim_start_matches("/dev/");
        six.contains(&name) || name.starts_with("pts/") || name == "ptmx"
    };
    assert!(devices.split_whitespace().all(allowed), "{devices}");
    running.assert_told(&["disk denied", "memory denied"]);

    // Paths.
    for line in text.lines() {
        for key in ["entries: ", "bytes: "] {
            if let Some((_, masked)) = line.split_once(key) {
                assert!(masked.ends_with(" 0"), "{line}");
            }
        }
        if let Some((_, mount)) = line.split_once("mount of ") {
            assert!(mount.ends_with(": ro"), "{line}");
        }
    }
    for key in ["firmware:", "power:", "throttle:"] {
        assert_eq!(running.told(key), "0", "{key}");
    }

    // Mounts: flags of each file system. Nobody makes cgroups of his own.
    let mounts = running.proc("one", "mounts");
    for line in mounts.lines() {
        let mut words = line.split(' ').skip(2);
        if words.next().is_some_and(|kind| kind.starts_with("cgroup")) {
            let flags = words.next().unwrap_or_default();
            assert!(flags.split(',').any(|flag| flag == "ro"), "{line}");
        }
    }
    let flags = |path: &str| -> BTreeSet<String> {
        let line = mounts
            .lines()
            .find(|line| line.split(' ').nth(1) == Some(path));
        let line = line.unwrap_or_else(|| panic!("no {path} in\n{mounts}"));
        let flags = line.split(' ').nth(3).unwrap_or_default();
        flags.split(',').map(str::to_owned).collect()
    };
    for (path, least) in [
        ("/proc", "nosuid,noexec,nodev"),
        ("/dev", "nosuid"),
        ("/dev/pts", "nosuid,noexec"),
        ("/dev/shm", "nosuid,noexec,nodev"),
        ("/dev/mqueue", "nosuid,noexec,nodev"),
        ("/sys", "nosuid,noexec,nodev,ro"),
        ("/etc/hosts", "nosuid,noexec,nodev"),
    ] {
        let found = flags(path);
        for flag in least.split(',') {
            assert!(found.contains(flag), "{path} lacks {flag}: {found:?}");
        }
    }

    limits(lab, &running);
}

/// No core files, and a number of open files that programs can count to.
fn limits(lab: &Lab, running: &Running) {
    let own = running.proc("one", "limits");
    let containerd = lab.containerd().pid().expect("containerd runs");
    let theirs = super::read(&format!("/proc/{containerd}/limits"));
    let of = |limits: &str, name: &str, column: usize| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let mut words = line.unwrap_or_default().split_whitespace();
        words.nth(column).unwrap_or_default().to_owned()
    };
    let limit = |name: &str| of(&own, name, 0);
    // What is not said is containerd's, as with Docker's daemon.
    for name in ["Max locked memory", "Max processes", "Max stack size"] {
        for column in [0, 1] {
            assert_eq!(of(&own, name, column), of(&theirs, name, column), "{name}");
        }
    }
    let most: u64 = of(&own, "Max open files", 1)
        .parse()
        .expect("it is a number");
    assert!(most <= 1 << 20, "{most}");
    assert_eq!(limit("Max core file size"), "0");
    assert_eq!(limit("Max open files"), "1024");
    assert_eq!(running.cgroup("one", "pids", "pids.max"), "1024");
    // No harder to kill than others; how easy is containerd's own measure.
    let score: i32 = running
        .proc("one", "oom_score_adj")
        .parse()
        .expect("a score is a number");
    assert!(score >= 0, "{score}");
}
