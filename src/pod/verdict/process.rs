//! Keys of a service: what it is, what runs in it, and how long.

use super::{Row, SERVICE, Section};

pub(super) const SECTION: Section = Section {
    title: "What runs",
    path: SERVICE,
    rows: &[
        Row::supported(
            "image",
            "pulled or taken from an archive; `docker.io`, `library/` and `latest` are added as Docker adds them",
            "images::every_form_of_archive_runs",
        ),
        Row::warned(
            "build",
            "nothing is built on an agent; the image is used as it is",
        ),
        Row::refused(
            "build: without an image",
            "nothing is built on an agent, and the service has only `build:`",
            "push an image, and set `image:`",
        ),
        Row::refused(
            "pre_start",
            "containers that run before a service are not there yet",
            "make a service of it, for which the other waits: `depends_on: {NAME: {condition: service_completed_successfully}}`",
        ),
        Row::unseen(
            "pull_policy",
            "whether a registry is asked; `never` and `missing` so far",
            "no registry is asked yet",
        ),
        Row::warned(
            "pull_refresh_after",
            "an agent keeps no age of images; the pull policy alone decides",
        ),
        Row::supported(
            "platform",
            "the image for this machine's platform is taken, and no other fits",
            "image::an_image_for_another_processor_is_refused",
        ),
        Row::refused(
            "platform: another architecture",
            "the pod runs on this machine, and its processor can't run it",
            "constrain the task to agents of that architecture, or leave the key out",
        ),
        Row::supported(
            "container_name",
            "a host name that all services know; the name in containerd is the task's",
            "services::names_and_hosts",
        ),
        Row::supported(
            "command",
            "`process.args`, over the image's; a warning tells of shell operators, which no shell sees",
            "services::process_attributes",
        ),
        Row::supported(
            "entrypoint",
            "`process.args`, over the image's; the image's command goes with it",
            "services::process_attributes",
        ),
        Row::supported(
            "working_dir",
            "`process.cwd`; made where the image lacks it",
            "attributes::process::as_its_file_says",
        ),
        Row::supported(
            "user",
            "`process.user`; names are looked up in the image",
            "attributes::process::as_its_file_says",
        ),
        Row::supported(
            "group_add",
            "`process.user.additionalGids`; names are looked up in the image",
            "attributes::process::as_its_file_says",
        ),
        Row::supported(
            "environment",
            "`process.env`, over the image's and the task's",
            "services::environment_and_its_files",
        ),
        Row::supported(
            "env_file",
            "as `environment`; read beneath the sandbox",
            "services::environment_and_its_files",
        ),
        Row::supported(
            "labels",
            "kept for `inspect`; they never become labels of containerd's, which acts on some",
            "attributes::process::labels_stay_in_our_own_records",
        ),
        Row::supported(
            "label_file",
            "as `labels`",
            "attributes::process::labels_stay_in_our_own_records",
        ),
        Row::supported(
            "annotations",
            "`annotations` of the runtime document",
            "attributes::process::as_its_file_says",
        ),
        Row::refused(
            "annotations: of a runtime's",
            "runtimes and shims take orders by annotations of these names: programs to run, groups to join",
            "leave it out; what it would switch on is the operator's to decide",
        ),
        Row::supported(
            "tty",
            "`process.terminal`; standard error goes the way of standard output",
            "attributes::process::a_terminal",
        ),
        Row::harmless("stdin_open", "a task has no input"),
        Row::harmless("attach", "all services are attached to the task's output"),
        Row::supported(
            "init",
            "an init of the service's own, where it keeps its processes to itself (`x-pod: {share_pid: false}`); else the pod's pause container is PID 1, and reaps",
            "attributes::process::an_init_of_its_own",
        ),
        Row::supported(
            "stop_signal",
            "sent to the container's first process; the image's otherwise, else SIGTERM",
            "attributes::process::how_it_is_stopped",
        ),
        Row::supported(
            "stop_grace_period",
            "how long until SIGKILL, within what the task's kill policy gives",
            "attributes::process::how_it_is_stopped",
        ),
        Row::supported(
            "restart",
            "a container that ends is started again on its root, with Docker's backoff; once it is not, it fails or finishes the pod",
            "restarts::a_container_keeps_its_root_and_its_log",
        ),
        Row::supported(
            "depends_on",
            "each service starts as soon as its own conditions are met; the stop is in reverse. `restart` concerns commands on single services, of which a pod has none",
            "order::a_healthy_dependency_is_waited_for",
        ),
        Row::supported(
            "healthcheck",
            "a probe run in the container, with Docker's timing; the image's where the file has none",
            "health::running_is_healthy",
        ),
        Row::supported(
            "post_start",
            "programs run in the container after its first start, before others count it as started; not privileged",
            "hooks::post_start_runs_before_others_depend_on_it",
        ),
        Row::supported(
            "pre_stop",
            "programs run in the container before it is asked to stop, within its grace; not privileged",
            "hooks::pre_stop_runs_before_the_signal",
        ),
        Row::refused(
            "provider",
            "a plug-in on the agent would have to provide the service, and there is none",
            "run what it provides as a service of its own, or outside of the pod",
        ),
        Row::harmless("develop", "a task is no place to develop in"),
        Row::supported(
            "profiles",
            "services of inactive profiles are left out",
            "marathon::two_files_and_a_profile",
        ),
        Row::supported(
            "extends",
            "merged before anything else looks at the file",
            "attributes::process::what_the_loader_merges",
        ),
        Row::supported(
            "scale",
            "1; 0 leaves the service out",
            "attributes::process::what_the_loader_merges",
        ),
        Row::refused(
            "scale: more than one",
            "copies of a service would share the pod's network, and their ports would clash",
            "scale the Mesos task instead",
        ),
        Row::supported(
            "runtime",
            "`runc` or `crun` for this container alone",
            "runtimes::a_service_can_name_its_runtime",
        ),
        Row::refused(
            "runtime: any other",
            "the containers of a pod share namespaces, which runc and crun can join",
            "leave the key out, or say runc or crun",
        ),
        Row::warned("isolation", "it is for Windows, and has no effect"),
        Row::warned("credential_spec", "it is for Windows, and has no effect"),
        Row::refused(
            "use_api_socket",
            "there is no Docker engine on an agent whose socket could be mounted",
            "leave the key out; the service can't manage containers from a task",
        ),
        Row::refused(
            "models",
            "there is no model runner on an agent",
            "run the model as a service of its own, and name its address in `environment`",
        ),
        Row::supported(
            "x-pod",
            "what a pod has and Compose has no word for",
            "services::start_order",
        ),
    ],
};
