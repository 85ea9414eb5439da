//! What a service may use, as its cgroup and its process have it.

use std::fs;

use super::Services;
use crate::lab::Lab;
use crate::lab::host;
use crate::trial::{Test, tests};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        memory,
        cpu_time,
        processes_and_files,
        block_devices,
        shared_memory,
    ]
    .into()
}

const MIB: u64 = 1 << 20;

fn memory(lab: &Lab) {
    let own = "mem_limit: 64m\nmem_reservation: 32m\nmemswap_limit: 96m\nmem_swappiness: 10\noom_kill_disable: true";
    let deployed =
        "deploy: {resources: {limits: {memory: 48m}, reservations: {memory: 24m}}}\nmem_limit: 0";
    let services = Services::default()
        .with("own", own, "")
        .with("deployed", deployed, "")
        .with(
            "unset",
            "mem_limit: 0\nmem_reservation: 0\nmemswap_limit: 0",
            "",
        );
    let running = services.run(lab);
    let (limit, reserved) = if host::cgroup_v1() {
        ("memory.limit_in_bytes", "memory.soft_limit_in_bytes")
    } else {
        ("memory.max", "memory.low")
    };
    let number = |service: &str, file: &str| running.cgroup(service, "memory", file).parse::<u64>();
    assert_eq!(number("own", limit), Ok(64 * MIB));
    assert_eq!(number("own", reserved), Ok(32 * MIB));
    assert_eq!(number("deployed", limit), Ok(48 * MIB));
    assert_eq!(number("deployed", reserved), Ok(24 * MIB));
    assert!(number("unset", limit).map_or(true, |limit| limit > 1 << 50));
    if host::cgroup_v1() {
        let swap = "memory.memsw.limit_in_bytes";
        assert_eq!(number("own", swap), Ok(96 * MIB));
        // No swap where the file says nothing of it.
        assert_eq!(number("deployed", swap), Ok(48 * MIB));
        assert_eq!(number("own", "memory.swappiness"), Ok(10));
        let control = running.cgroup("own", "memory", "memory.oom_control");
        assert!(control.contains("oom_kill_disable 1"), "{control}");
    } else {
        assert_eq!(number("own", "memory.swap.max"), Ok(32 * MIB));
        assert_eq!(number("deployed", "memory.swap.max"), Ok(0));
    }
}

fn cpu_time(lab: &Lab) {
    let services = Services::default()
        .with("cpus", "cpus: 0.5\ncpu_quota: 0\ncpu_period: 0", "")
        .with(
            "quota",
            "cpu_quota: 20000\ncpu_period: 50000\ncpu_shares: 512",
            "",
        )
        .with(
            "deployed",
            "deploy: {resources: {limits: {cpus: '0.25'}, reservations: {cpus: '0.25'}}}",
            "",
        )
        .with("pinned", "cpuset: '0'", "");
    let running = services.run(lab);
    if host::cgroup_v1() {
        let number = |service: &str, file: &str| running.cgroup(service, "cpu", file);
        let quota = |service: &str| {
            let (quota, period) = ("cpu.cfs_quota_us", "cpu.cfs_period_us");
            (number(service, quota), number(service, period))
        };
        assert_eq!(quota("cpus"), ("50000".into(), "100000".into()));
        assert_eq!(quota("quota"), ("20000".into(), "50000".into()));
        assert_eq!(quota("deployed"), ("25000".into(), "100000".into()));
        assert_eq!(number("quota", "cpu.shares"), "512");
        assert_eq!(number("deployed", "cpu.shares"), "256");
        assert_eq!(running.cgroup("pinned", "cpuset", "cpuset.cpus"), "0");
    } else {
        let max = |service: &str| running.cgroup(service, "", "cpu.max");
        assert_eq!(max("cpus"), "50000 100000");
        assert_eq!(max("quota"), "20000 50000");
        assert_eq!(max("deployed"), "25000 100000");
        assert_eq!(running.cgroup("pinned", "", "cpuset.cpus"), "0");
    }
    assert_eq!(running.status("pinned", "Cpus_allowed_list"), "0");
}

fn processes_and_files(lab: &Lab) {
    let keys = "pids_limit: 77\nulimits: {nofile: {soft: 300, hard: 400}, core: 0, nproc: 500}";
    let services = Services::default()
        .with("own", keys, "echo files: $(ulimit -n) of $(ulimit -Hn)")
        .with("unlimited", "pids_limit: 0", "")
        .with("deployed", "deploy: {resources: {limits: {pids: 88}}}", "")
        .with("silent", "", "");
    let running = services.run(lab);
    let pids = |service: &str| running.cgroup(service, "pids", "pids.max");
    assert_eq!(pids("own"), "77");
    assert_eq!(pids("deployed"), "88");
    assert_eq!(pids("silent"), "1024");
    assert_eq!(pids("unlimited"), "max");
    running.assert_told(&["files: 300 of 400"]);
    let limits = running.proc("own", "limits");
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name));
        let words = line.unwrap_or_default().split_whitespace();
        words.take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(limit("Max open files"), "300 400");
    assert_eq!(limit("Max processes"), "500 500");
    assert_eq!(limit("Max core file size"), "0 0");
}

/// A disk of the machine's, by its path and numbers.
pub(super) fn disk() -> (String, String) {
    let disks = fs::read_dir("/sys/block").expect("the machine has block devices");
    let mut names: Vec<_> = disks
        .flatten()
        .filter_map(|disk| disk.file_name().into_string().ok())
        // Loops and memory come and go, and have no scheduler.
        .filter(|name| {
            !["loop", "ram", "zram"]
                .iter()
                .any(|it| name.starts_with(it))
        })
        .filter(|name| fs::exists(format!("/dev/{name}")).unwrap_or_default())
        .collect();
    names.sort();
    let name = names.first().expect("the machine has a disk");
    let numbers = super::read(&format!("/sys/block/{name}/dev"));
    (format!("/dev/{name}"), numbers)
}

/// Whether the agent's cgroups share devices by weight in a way that every runtime knows.
fn has_weights() -> bool {
    ["blkio/blkio.weight", "io.weight", "io.bfq.weight"]
        .iter()
        .any(|file| fs::exists(format!("{}/{file}", host::CGROUPS)).unwrap_or_default())
}

fn block_devices(lab: &Lab) {
    let (path, numbers) = disk();
    let keys = format!(
        "blkio_config:\n  device_read_bps: [{{path: {path}, rate: 1mb}}]\n  device_write_bps: [{{path: {path}, rate: 2mb}}]\n  device_read_iops: [{{path: {path}, rate: 100}}]\n  device_write_iops: [{{path: {path}, rate: 200}}]\n  weight: 300"
    );
    let running = Services::default().with("own", &keys, "").run(lab);
    if !has_weights() {
        let told = running.up.stderr();
        assert!(told.contains("weights have no effect"), "{told}");
    }
    if host::cgroup_v1() {
        let throttle =
            |name: &str| running.cgroup("own", "blkio", &format!("blkio.throttle.{name}_device"));
        assert_eq!(throttle("read_bps"), format!("{numbers} {MIB}"));
        assert_eq!(throttle("write_bps"), format!("{numbers} {}", 2 * MIB));
        assert_eq!(throttle("read_iops"), format!("{numbers} 100"));
        assert_eq!(throttle("write_iops"), format!("{numbers} 200"));
    } else {
        let max = running.cgroup("own", "", "io.max");
        let expected = format!("{numbers} rbps={MIB} wbps={} riops=100 wiops=200", 2 * MIB);
        assert_eq!(max, expected);
    }
}

fn shared_memory(lab: &Lab) {
    let services = Services::default()
        .with("small", "shm_size: 8m", "echo word > /dev/shm/shared")
        .with(
            "large",
            "shm_size: 32m\ndepends_on: [small]",
            "
            until [ -s /dev/shm/shared ]; do sleep 0.05; done
            echo \"shared: $(cat /dev/shm/shared) of $(df -k /dev/shm | tail -1 | awk '{print $2}')\"
            ",
        );
    let running = services.run(lab);
    running.assert_told(&["shared: word of 32768"]);
}
