//! Keys of a service: what is mounted into it, what it is allowed, and where its output goes.

use super::{Row, SERVICE, Section};

const CONFIGS: &str = "storage::configs_and_secrets_are_files_in_memory";

pub(super) const SECTION: Section = Section {
    title: "Files, rights, logs",
    path: SERVICE,
    rows: &[
        Row::supported(
            "volumes",
            "binds beneath the sandbox; named volumes, which live in it, filled from the image at first; tmpfs; images, read-only",
            "storage::volumes_of_every_kind",
        ),
        Row::warned("volumes: z, Z", "files are not labelled for SELinux"),
        Row::refused(
            "volumes: npipe, cluster",
            "this is nothing that Linux mounts",
            "use a bind, a volume, a tmpfs or an image",
        ),
        Row::supported(
            "volumes_from",
            "another service's binds, volumes and images, `:ro` read-only",
            "storage::volumes_of_every_kind",
        ),
        Row::refused(
            "volumes_from: container:…",
            "a container that is not of this file is none of the pod's",
            "make the other container a service of this file",
        ),
        Row::supported(
            "tmpfs",
            "a tmpfs, charged to the service; 64 MiB where no size is given",
            "storage::memory_of_a_services_own",
        ),
        Row::supported("configs", "files in memory, read-only", CONFIGS),
        Row::supported(
            "secrets",
            "files in memory that is never swapped out, read-only; who may read each is said by `uid`, `gid` and `mode`",
            CONFIGS,
        ),
        Row::supported(
            "read_only",
            "`root.readonly`",
            "attributes::process::as_its_file_says",
        ),
        Row::supported(
            "privileged",
            "all capabilities and devices, and nothing masked or filtered",
            "attributes::rights::a_privileged_service",
        ),
        Row::supported(
            "cap_add",
            "`process.capabilities`, as far as containerd itself has them; a warning tells what reaches the pod's other services",
            "attributes::rights::capabilities",
        ),
        Row::supported(
            "cap_drop",
            "`process.capabilities`",
            "attributes::rights::capabilities",
        ),
        Row::supported(
            "security_opt",
            "`seccomp=` a profile, `unconfined` or `builtin`; `no-new-privileges:false`; `systempaths=unconfined`",
            "attributes::rights::security_options",
        ),
        Row::unseen(
            "security_opt: apparmor",
            "`process.apparmorProfile`: a profile that the agent has loaded",
            "the kernel has no AppArmor",
        ),
        Row::refused(
            "security_opt: apparmor without a kernel that has it",
            "this kernel has no AppArmor to confine the service with",
            "leave the option out, or say apparmor=unconfined",
        ),
        Row::unseen(
            "security_opt: label",
            "`process.selinuxLabel` and `linux.mountLabel`; one for all services that share IPC",
            "the kernel has no SELinux",
        ),
        Row::refused(
            "security_opt: label without a kernel that has SELinux",
            "this kernel has no SELinux to confine the service with",
            "leave the option out, or say label=disable",
        ),
        Row::refused(
            "security_opt: any other",
            "it is no option of Docker's for Linux",
            "the options are seccomp, apparmor, label, systempaths=unconfined and no-new-privileges",
        ),
        Row::supported(
            "logging",
            "`none`, and the bounds `max-size` and `max-file` of the service's own log; the driver is ours",
            "logs::each_service_has_a_bounded_log_of_its_own",
        ),
    ],
};
