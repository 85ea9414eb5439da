//! The keys of a file that are not a service's own: the top level, `x-pod`, and what services refer
//! to.

use super::{Row, Section};

pub(super) const TOP: Section = Section {
    title: "The top level",
    path: "",
    rows: &[
        Row::supported(
            "name",
            "the project's name: of volumes and in interpolation; the task's id names all else",
            "storage::kept_volumes_are_shared_and_removed",
        ),
        Row::harmless("version", "obsolete"),
        Row::supported(
            "services",
            "a container each",
            "services::process_attributes",
        ),
        Row::supported(
            "networks",
            "all become the pod's one network: see below",
            "namespaces::a_service_reaches_another_by_name",
        ),
        Row::supported("volumes", "see below", VOLUMES_SEEN),
        Row::supported("configs", "see below", IN_MEMORY),
        Row::supported("secrets", "see below", IN_MEMORY),
        Row::supported(
            "include",
            "files beneath the sandbox, read when the file is",
            "attributes::process::what_the_loader_merges",
        ),
        Row::refused(
            "include: a remote file",
            "a task's files come with the task: nothing is fetched from git or a registry",
            "have the task fetch the file, and include it by its path",
        ),
        Row::warned(
            "models",
            "no model runner is on an agent; no service uses them",
        ),
        Row::supported(
            "x-pod",
            "what a pod has and Compose has no word for: see below",
            "services::start_order",
        ),
    ],
};

pub(super) const X_POD: Section = Section {
    title: "The extension x-pod",
    path: "x-pod",
    rows: &[
        Row::supported(
            "images",
            "archives in the sandbox that hold images",
            "images::every_form_of_archive_runs",
        ),
        Row::supported(
            "main",
            "the service whose end is the pod's end",
            "services::start_order",
        ),
        Row::supported(
            "share_pid",
            "`false`, for the pod or in a service: a PID namespace of one's own",
            "attributes::sharing::processes",
        ),
        Row::unseen(
            "resources",
            "cpus, mem and disk instead of the sums that `compose-resources` makes",
            "no container is changed by it",
        ),
    ],
};

pub(super) const BUILD: Section = Section {
    title: "build",
    path: "services.*.build",
    rows: &[
        Row::warned("context", NOT_BUILT),
        Row::warned("dockerfile", NOT_BUILT),
        Row::warned("dockerfile_inline", NOT_BUILT),
        Row::warned("args", NOT_BUILT),
        Row::warned("ssh", NOT_BUILT),
        Row::warned("labels", NOT_BUILT),
        Row::warned("cache_from", NOT_BUILT),
        Row::warned("cache_to", NOT_BUILT),
        Row::warned("no_cache", NOT_BUILT),
        Row::warned("additional_contexts", NOT_BUILT),
        Row::warned("network", NOT_BUILT),
        Row::warned("target", NOT_BUILT),
        Row::warned("shm_size", NOT_BUILT),
        Row::warned("extra_hosts", NOT_BUILT),
        Row::warned("isolation", NOT_BUILT),
        Row::warned("privileged", NOT_BUILT),
        Row::warned("secrets", NOT_BUILT),
        Row::warned("tags", NOT_BUILT),
        Row::warned("ulimits", NOT_BUILT),
        Row::warned("platforms", NOT_BUILT),
        Row::warned("pull", NOT_BUILT),
        Row::warned("provenance", NOT_BUILT),
        Row::warned("sbom", NOT_BUILT),
        Row::warned("entitlements", NOT_BUILT),
    ],
};
const NOT_BUILT: &str = "nothing is built on an agent; the service's `image` is used as it is";

pub(super) const DEPLOY: Section = Section {
    title: "deploy",
    path: "services.*.deploy",
    rows: &[
        Row::supported(
            "resources",
            "`limits` as `cpus`, `mem_limit` and `pids_limit`; `reservations` as `mem_reservation` and `cpu_shares`",
            "attributes::limits::memory",
        ),
        Row::refused(
            "resources.reservations.devices",
            "GPUs and other devices of CDI's are refused for now",
            "leave the key out, or run the service as a task of its own with Mesos' GPU isolator",
        ),
        Row::warned(
            "resources.reservations.generic_resources",
            "a cluster's scheduler would have to follow it; ask Mesos for the resource instead",
        ),
        Row::supported(
            "replicas",
            "as `scale`",
            "attributes::process::what_the_loader_merges",
        ),
        Row::supported(
            "mode",
            "`replicated`: one container",
            "attributes::process::what_the_loader_merges",
        ),
        Row::warned(
            "mode: a job",
            "the service runs once and is done when it ends with 0; nobody counts its runs",
        ),
        Row::warned(
            "mode: global",
            "one container runs in the pod; ask the framework for a task on each agent",
        ),
        Row::supported(
            "restart_policy",
            "over `restart`; without a `delay` with Docker's backoff",
            "restarts::a_policy_of_deploy_wins",
        ),
        Row::warned("labels", CLUSTER),
        Row::warned("endpoint_mode", CLUSTER),
        Row::warned("placement", CLUSTER),
        Row::warned("update_config", CLUSTER),
        Row::warned("rollback_config", CLUSTER),
    ],
};
const CLUSTER: &str = "a cluster's scheduler would have to follow it; use the framework's constraints and upgrade strategy";

pub(super) const HEALTHCHECK: Section = Section {
    title: "healthcheck",
    path: "services.*.healthcheck",
    rows: &[
        Row::supported(
            "test",
            "the program, run as the container's own user",
            "health::a_probe_runs_in_the_container_as_the_container_does",
        ),
        Row::supported(
            "interval",
            "between the end of one probe and the next; 30 s",
            "health::running_is_healthy",
        ),
        Row::supported(
            "timeout",
            "after which a probe is killed with its children; 30 s",
            "health::a_probe_that_hangs_is_killed_with_its_children",
        ),
        Row::supported(
            "retries",
            "failures in a row that make the service unhealthy; 3",
            "health::ill_health_before_running_fails_the_task",
        ),
        Row::supported(
            "start_period",
            "in which failures don't count; 0 s",
            "health::a_young_service_may_fail_its_probes",
        ),
        Row::supported(
            "start_interval",
            "the interval in it; 5 s",
            "health::a_young_service_may_fail_its_probes",
        ),
        Row::supported(
            "disable",
            "no probe, not even the image's",
            "health::a_check_can_be_turned_off",
        ),
    ],
};

pub(super) const NETWORKS: Section = Section {
    title: "networks",
    path: "networks.*",
    rows: &[
        Row::harmless("name", ONE_NETWORK),
        Row::refused(
            "external",
            "a pod has one network of its own, and joins none that was made outside of it",
            "leave the network out: the services of a pod share one network; reach others by their addresses",
        ),
        Row::harmless("driver", ONE_NETWORK),
        Row::warned(
            "driver: not bridge",
            "the pod's network is the operator's to configure",
        ),
        Row::refused(
            "driver: host",
            "a network of the host's for some services would break the pod apart",
            "say `network_mode: host` in every service",
        ),
        Row::harmless("driver_opts", ONE_NETWORK),
        Row::warned("ipam", "addresses are the operator's to configure"),
        Row::warned(
            "internal",
            "whether the pod reaches the outside is the operator's to configure",
        ),
        Row::harmless("attachable", ONE_NETWORK),
        Row::harmless("enable_ipv4", ONE_NETWORK),
        Row::harmless("enable_ipv6", ONE_NETWORK),
        Row::harmless("labels", ONE_NETWORK),
    ],
};
const VOLUMES_SEEN: &str = "storage::volumes_of_every_kind";
const ONE_NETWORK: &str = "all networks of a file become the pod's one";

pub(super) const VOLUMES: Section = Section {
    title: "volumes",
    path: "volumes.*",
    rows: &[
        Row::supported(
            "name",
            "with `up`, of the folder; under Mesos a volume lives in the sandbox and dies with it",
            "storage::kept_volumes_are_shared_and_removed",
        ),
        Row::supported(
            "external: one of the operator's",
            "a folder of the host's by the name that the policy gives it (`mounts.external_volumes`), read-only unless it says otherwise; nothing of the image is put in it",
            "operators_volumes::an_external_volume_is_a_name_of_the_operators",
        ),
        Row::refused(
            "external",
            "a volume of a pod lives in its task's sandbox, and the operator has given none this name",
            "have the task fetch what is to be in the volume, bind a folder that the operator allows, or ask the operator for a volume of this name (`mounts.external_volumes`)",
        ),
        Row::harmless("driver", "`local` is what volumes are"),
        Row::refused(
            "driver: not local",
            "storage plug-ins are not run: the volumes of a pod are folders in its task's sandbox",
            "mount the storage on the agents, and bind a folder of it that the operator allows",
        ),
        Row::supported(
            "external: with up",
            "a volume that an earlier `up` has kept",
            "storage::kept_volumes_are_shared_and_removed",
        ),
        Row::supported(
            "driver_opts",
            "`type: tmpfs` for one in memory, `o: bind` for a folder as `device`",
            VOLUMES_SEEN,
        ),
        Row::unseen(
            "driver_opts: nfs",
            "`type: nfs`, `o: addr=` the server's IP address, and `device: :/path`, where the policy allows it (`mounts.nfs`); mounted for the pod, without set-user-id programs and devices",
            "the kernel has no NFS",
        ),
        Row::refused(
            "driver_opts: another type",
            "the host's root would mount what a file asks for",
            "mount it on the agents, and bind a folder of it that the operator allows",
        ),
        Row::harmless("labels", "nothing lists volumes by label"),
    ],
};

pub(super) const CONFIGS: Section = Section {
    title: "configs",
    path: "configs.*",
    rows: &[
        Row::supported("file", "a file beneath the sandbox", IN_MEMORY),
        Row::supported("environment", "a variable's value", IN_MEMORY),
        Row::supported("content", "the text itself", IN_MEMORY),
        Row::refused(
            "external",
            "there is no cluster that keeps configs",
            "have the task fetch the file, and say `file:`",
        ),
        Row::refused(
            "template_driver",
            "no plug-in is there to fill in templates",
            "fill the file in before the task fetches it, or use `content:` with variables",
        ),
        Row::harmless("name", "a pod's configs are its own"),
        Row::harmless("labels", "nothing lists configs by label"),
    ],
};

pub(super) const SECRETS: Section = Section {
    title: "secrets",
    path: "secrets.*",
    rows: &[
        Row::supported("file", "a file beneath the sandbox", IN_MEMORY),
        Row::supported("environment", "a variable's value", IN_MEMORY),
        Row::refused(
            "external",
            "there is no cluster that keeps secrets",
            "have the task fetch the file, or give it by `environment:`",
        ),
        Row::refused(
            "driver",
            PLUG_IN,
            "have the task fetch the file, or give it by `environment:`",
        ),
        Row::harmless("driver_opts", "it goes with `driver`"),
        Row::refused(
            "template_driver",
            PLUG_IN,
            "fill the file in before the task fetches it",
        ),
        Row::harmless("name", "a pod's secrets are its own"),
        Row::harmless("labels", "nothing lists secrets by label"),
    ],
};
const IN_MEMORY: &str = "storage::configs_and_secrets_are_files_in_memory";
const PLUG_IN: &str = "plug-ins for secrets are not run";
