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
            "services::process_attributes",
        ),
        Row::not_yet(
            "privileged",
            "all capabilities and devices, and nothing masked or filtered",
        ),
        Row::not_yet("cap_add", "`process.capabilities`"),
        Row::not_yet("cap_drop", "`process.capabilities`"),
        Row::not_yet(
            "security_opt",
            "seccomp, AppArmor, SELinux, masked paths, new privileges",
        ),
        Row::warned(
            "logging",
            "output goes to the task's stdout and stderr, which Mesos keeps and rotates",
        ),
    ],
};
