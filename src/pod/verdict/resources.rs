//! Keys of a service: what it may use.

use super::{Row, SERVICE, Section};

pub(super) const SECTION: Section = Section {
    title: "Resources",
    path: SERVICE,
    rows: &[
        Row::supported(
            "cpus",
            "`linux.resources.cpu.quota` of a period of 100 ms",
            "services::limits",
        ),
        Row::not_yet("cpu_quota", "`linux.resources.cpu.quota`"),
        Row::not_yet("cpu_period", "`linux.resources.cpu.period`"),
        Row::not_yet(
            "cpu_shares",
            "`linux.resources.cpu.shares`, among the pod's services",
        ),
        Row::not_yet("cpu_rt_runtime", "`linux.resources.cpu.realtimeRuntime`"),
        Row::not_yet("cpu_rt_period", "`linux.resources.cpu.realtimePeriod`"),
        Row::not_yet("cpuset", "`linux.resources.cpu.cpus`"),
        Row::warned(
            "cpu_count",
            "it is for Windows, and has no effect; `cpus` is what you want",
        ),
        Row::warned(
            "cpu_percent",
            "it is for Windows, and has no effect; `cpus` is what you want",
        ),
        Row::supported(
            "mem_limit",
            "`linux.resources.memory.limit`, and as much again of swap: none",
            "services::limits",
        ),
        Row::not_yet("mem_reservation", "`linux.resources.memory.reservation`"),
        Row::not_yet(
            "memswap_limit",
            "`linux.resources.memory.swap`: memory and swap together",
        ),
        Row::not_yet("mem_swappiness", "`linux.resources.memory.swappiness`"),
        Row::not_yet(
            "oom_kill_disable",
            "`linux.resources.memory.disableOOMKiller`",
        ),
        Row::not_yet("oom_score_adj", "`process.oomScoreAdj`"),
        Row::supported(
            "pids_limit",
            "`linux.resources.pids.limit`; 1024 where the file says nothing, and 4096 for the pod",
            "services::limits",
        ),
        Row::supported(
            "shm_size",
            "one /dev/shm for the pod, as large as the largest that is asked for",
            "attributes::limits::shared_memory",
        ),
        Row::not_yet("blkio_config", "`linux.resources.blockIO`"),
        Row::warned(
            "storage_opt",
            "a container's root has no quota; only the task's disk counts it",
        ),
        Row::not_yet("ulimits", "`process.rlimits`"),
        Row::refused(
            "gpus",
            "GPUs are refused for now",
            "leave the key out, or run the service as a task of its own with Mesos' GPU isolator",
        ),
        Row::not_yet("devices", "`linux.devices`, and leave to use them"),
        Row::not_yet("device_cgroup_rules", "`linux.resources.devices`"),
        Row::not_yet("deploy", "see the keys below it"),
    ],
};
