//! Keys of a service: what it may use.

use super::{Row, SERVICE, Section};

pub(super) const SECTION: Section = Section {
    title: "Resources",
    path: SERVICE,
    rows: &[
        Row::supported(
            "cpus",
            "`linux.resources.cpu.quota` of a period of 100 ms; no more than the machine has",
            "attributes::limits::cpu_time",
        ),
        Row::supported(
            "cpu_quota",
            "`linux.resources.cpu.quota`",
            "attributes::limits::cpu_time",
        ),
        Row::supported(
            "cpu_period",
            "`linux.resources.cpu.period`",
            "attributes::limits::cpu_time",
        ),
        Row::supported(
            "cpu_shares",
            "`linux.resources.cpu.shares`, among the pod's services",
            "attributes::limits::cpu_time",
        ),
        Row::unseen(
            "cpu_rt_runtime",
            "`linux.resources.cpu.realtimeRuntime`",
            "the kernel has no realtime groups",
        ),
        Row::refused(
            "cpu_rt_runtime: cgroup v2",
            "version 2 of cgroups has no realtime groups",
            "leave the key out",
        ),
        Row::warned(
            "cpu_rt_runtime: a kernel without it",
            "this kernel has no realtime groups, and the key has no effect",
        ),
        Row::unseen(
            "cpu_rt_period",
            "`linux.resources.cpu.realtimePeriod`",
            "the kernel has no realtime groups",
        ),
        Row::refused(
            "cpu_rt_period: cgroup v2",
            "version 2 of cgroups has no realtime groups",
            "leave the key out",
        ),
        Row::warned(
            "cpu_rt_period: a kernel without it",
            "this kernel has no realtime groups, and the key has no effect",
        ),
        Row::warned(
            "cpuset",
            "`linux.resources.cpu.cpus`; Mesos knows nothing of it, and may give the same CPUs to others",
        ),
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
            "`linux.resources.memory.limit`; and no swap, unless `memswap_limit` says so",
            "attributes::limits::memory",
        ),
        Row::supported(
            "mem_reservation",
            "`linux.resources.memory.reservation`",
            "attributes::limits::memory",
        ),
        Row::supported(
            "memswap_limit",
            "`linux.resources.memory.swap`: memory and swap together, where the kernel counts swap",
            "attributes::limits::memory",
        ),
        Row::supported(
            "mem_swappiness",
            "`linux.resources.memory.swappiness`",
            "attributes::limits::memory",
        ),
        Row::warned(
            "mem_swappiness: cgroup v2",
            "version 2 of cgroups has no swappiness, and the key has no effect",
        ),
        Row::warned(
            "oom_kill_disable",
            "at its limit the service hangs instead of being killed (`linux.resources.memory.disableOOMKiller`); on version 2 of cgroups the key has no effect",
        ),
        Row::supported(
            "oom_score_adj",
            "`process.oomScoreAdj`, as low as containerd itself may go",
            "attributes::process::as_its_file_says",
        ),
        Row::supported(
            "pids_limit",
            "`linux.resources.pids.limit`; 1024 where the file says nothing, and 4096 for the pod",
            "attributes::limits::processes_and_files",
        ),
        Row::supported(
            "shm_size",
            "one /dev/shm for the pod, as large as the largest that is asked for",
            "attributes::limits::shared_memory",
        ),
        Row::supported(
            "blkio_config",
            "`linux.resources.blockIO`; devices by their numbers",
            "attributes::limits::block_devices",
        ),
        Row::unseen(
            "blkio_config: weight",
            "`linux.resources.blockIO.weight` and `weightDevice`",
            "the kernel has no weights that every runtime knows",
        ),
        Row::warned(
            "blkio_config: weights without a scheduler",
            "the agent shares no block devices by weight, and the weights have no effect",
        ),
        Row::warned(
            "storage_opt",
            "a container's root has no quota; only the task's disk counts it",
        ),
        Row::supported(
            "ulimits",
            "`process.rlimits`, as far as containerd itself may go",
            "attributes::limits::processes_and_files",
        ),
        Row::refused(
            "gpus",
            "GPUs are refused for now",
            "leave the key out, or run the service as a task of its own with Mesos' GPU isolator",
        ),
        Row::supported(
            "devices",
            "`linux.devices`, and leave to use them; a folder brings all below it",
            "attributes::rights::devices",
        ),
        Row::refused(
            "devices: vendor/class=name",
            "devices of the Container Device Interface are refused for now",
            "name the device's path below /dev",
        ),
        Row::supported(
            "device_cgroup_rules",
            "`linux.resources.devices`",
            "attributes::rights::devices",
        ),
        Row::supported(
            "deploy",
            "see the keys below it",
            "attributes::limits::memory",
        ),
    ],
};
