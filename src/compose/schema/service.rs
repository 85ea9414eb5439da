//! The keys of a service.

use super::build::{BUILD, DEVELOP};
use super::resources::{BLKIO, COUNTED, DEPLOY, GPUS};
use super::{
    DURATION, ENVIRONMENT, FLAG, Form, INTEGER_OR_STRING, LABELS, List, NUMBER_OR_STRING, Named,
    Names, Rule, Shape, TEXT, TEXT_LIST, TEXT_SET, TRISTATE, Types, kept, key, list, object, ruled,
    scalar, set, strict,
};

pub(super) use super::resources::ULIMITS;

pub(super) static SERVICE: Shape = object(
    &[
        key("annotations", &LABELS),
        key("attach", &TRISTATE),
        key("blkio_config", &BLKIO),
        key("build", &BUILD),
        key("cap_add", &TEXT_SET),
        key("cap_drop", &TEXT_SET),
        key("cgroup", &CGROUP),
        key("cgroup_parent", &TEXT),
        key("command", &Shape::Command),
        key("configs", &FILE_REFERENCES),
        key("container_name", &CONTAINER_NAME),
        key("cpu_count", &CPU_COUNT),
        key("cpu_percent", &CPU_PERCENT),
        key("cpu_period", &INTEGER),
        key("cpu_quota", &INTEGER),
        key("cpu_rt_period", &INTEGER),
        key("cpu_rt_runtime", &INTEGER),
        key("cpu_shares", &INTEGER),
        key("cpus", &CPUS),
        key("cpuset", &TEXT),
        key("credential_spec", &CREDENTIAL_SPEC),
        key("depends_on", &DEPENDS_ON),
        key("deploy", &DEPLOY),
        key("develop", &DEVELOP),
        key("device_cgroup_rules", &TEXT_SET),
        key("devices", &DEVICES),
        key("dns", &Shape::Texts),
        key("dns_opt", &TEXT_SET),
        key("dns_search", &Shape::Texts),
        key("domainname", &TEXT),
        key("entrypoint", &Shape::Command),
        key("env_file", &ENV_FILE),
        key("environment", &ENVIRONMENT),
        key("expose", &EXPOSE),
        key("extends", &EXTENDS),
        key("external_links", &TEXT_SET),
        key("extra_hosts", &Shape::Hosts),
        key("gpus", &GPUS),
        key("group_add", &GROUPS),
        key("healthcheck", &HEALTHCHECK),
        key("hostname", &TEXT),
        key("image", &TEXT),
        key("init", &TRISTATE),
        key("ipc", &TEXT),
        key("isolation", &TEXT),
        key("label_file", &LABEL_FILE),
        key("labels", &LABELS),
        key("links", &TEXT_SET),
        key("logging", &LOGGING),
        key("mac_address", &TEXT),
        key("mem_limit", &BYTES),
        key("mem_reservation", &BYTES_WHOLE),
        key("mem_swappiness", &BYTES_WHOLE),
        key("memswap_limit", &BYTES),
        key("models", &MODELS),
        key("network_mode", &TEXT),
        key("networks", &NETWORKS),
        key("oom_kill_disable", &FLAG),
        key("oom_score_adj", &OOM_SCORE),
        key("pid", &PID),
        key("pids_limit", &INTEGER),
        key("platform", &TEXT),
        key("ports", &PORTS),
        key("post_start", &HOOKS),
        key("pre_stop", &HOOKS),
        key("privileged", &FLAG),
        key("profiles", &TEXT_SET),
        key("provider", &PROVIDER),
        key("pull_policy", &PULL_POLICY),
        key("pull_refresh_after", &TEXT),
        key("read_only", &FLAG),
        key("restart", &TEXT),
        key("runtime", &TEXT),
        key("scale", &COUNTED),
        key("secrets", &FILE_REFERENCES),
        key("security_opt", &TEXT_SET),
        key("shm_size", &BYTES),
        key("stdin_open", &FLAG),
        key("stop_grace_period", &DURATION),
        key("stop_signal", &TEXT),
        key("storage_opt", &Shape::FreeOptions),
        key("sysctls", &LABELS),
        key("tmpfs", &Shape::Texts),
        key("tty", &FLAG),
        key("ulimits", &ULIMITS),
        key("use_api_socket", &API_SOCKET),
        key("user", &TEXT),
        key("userns_mode", &TEXT),
        key("uts", &TEXT),
        key("volumes", &VOLUMES),
        key("volumes_from", &TEXT_SET),
        key("working_dir", &TEXT),
    ],
    &[],
);

static CGROUP: Shape = ruled(Types::STRING, Form::Text, Rule::Words(&["host", "private"]));
static CONTAINER_NAME: Shape = ruled(Types::STRING, Form::Text, Rule::ContainerName);
static PULL_POLICY: Shape = ruled(Types::STRING, Form::Text, Rule::PullPolicy);
static CPU_COUNT: Shape = ruled(INTEGER_OR_STRING, Form::Integer, Rule::Between(0, i64::MAX));
static CPU_PERCENT: Shape = ruled(INTEGER_OR_STRING, Form::Float, Rule::Between(0, 100));
static OOM_SCORE: Shape = ruled(INTEGER_OR_STRING, Form::Integer, Rule::Between(-1000, 1000));
static INTEGER: Shape = scalar(NUMBER_OR_STRING, Form::Integer);
static CPUS: Shape = scalar(NUMBER_OR_STRING, Form::Float);
static BYTES: Shape = scalar(NUMBER_OR_STRING, Form::Bytes);
static BYTES_WHOLE: Shape = scalar(INTEGER_OR_STRING, Form::Bytes);
static PID: Shape = scalar(Types::STRING.or(Types::NULL), Form::Text);
static API_SOCKET: Shape = scalar(Types::BOOL, Form::Flag);
static TEXT_OR_NUMBER: Shape = scalar(NUMBER_OR_STRING, Form::Text);
static EXPOSE: Shape = set(&TEXT_OR_NUMBER);
static GROUPS: Shape = set(&TEXT_OR_NUMBER);
static LABEL_FILE: Shape = Shape::OneOf(&[scalar(Types::STRING, Form::Text), list(&TEXT)]);

static CREDENTIAL_SPEC: Shape = object(
    &[
        key("config", &TEXT),
        key("file", &TEXT),
        key("registry", &TEXT),
    ],
    &[],
);

static DEPENDS_ON: Shape = Shape::OneOf(&[
    Shape::List(List {
        item: &TEXT,
        unique: true,
    }),
    Shape::Named(Named {
        item: &DEPENDENCY,
        names: Names::Resource,
        closed: true,
    }),
]);

static DEPENDENCY: Shape = object(
    &[
        key("restart", &FLAG),
        key("required", &REQUIRED),
        key("condition", &CONDITION),
    ],
    &["condition"],
);
static REQUIRED: Shape = kept(Types::BOOL, Form::Flag);
static CONDITION: Shape = ruled(
    Types::STRING,
    Form::Text,
    Rule::Words(&[
        "service_started",
        "service_healthy",
        "service_completed_successfully",
    ]),
);

static DEVICES: Shape = list(&DEVICE);
static DEVICE: Shape = Shape::OneOf(&[
    scalar(Types::STRING, Form::Text),
    object(
        &[
            key("source", &TEXT),
            key("target", &TEXT),
            key("permissions", &TEXT),
        ],
        &["source"],
    ),
]);

static ENV_FILE: Shape = Shape::OneOf(&[scalar(Types::STRING, Form::Text), list(&ENV_FILE_ITEM)]);
static ENV_FILE_ITEM: Shape = Shape::OneOf(&[
    scalar(Types::STRING, Form::Text),
    strict(
        &[
            key("path", &TEXT),
            key("format", &TEXT),
            key("required", &TRISTATE),
        ],
        &["path"],
    ),
]);

static EXTENDS: Shape = Shape::OneOf(&[
    scalar(Types::STRING, Form::Text),
    strict(&[key("service", &TEXT), key("file", &TEXT)], &["service"]),
]);

pub(super) static FILE_REFERENCES: Shape = list(&FILE_REFERENCE);
static FILE_REFERENCE: Shape = Shape::OneOf(&[
    scalar(Types::STRING, Form::Text),
    object(
        &[
            key("source", &TEXT),
            key("target", &TEXT),
            key("uid", &TEXT),
            key("gid", &TEXT),
            key("mode", &MODE),
        ],
        &[],
    ),
]);
static MODE: Shape = kept(NUMBER_OR_STRING, Form::Mode);

static HEALTHCHECK: Shape = object(
    &[
        key("disable", &FLAG),
        key("interval", &DURATION),
        key("retries", &RETRIES),
        key("test", &Shape::Test),
        key("timeout", &DURATION),
        key("start_period", &DURATION),
        key("start_interval", &DURATION),
    ],
    &[],
);
static RETRIES: Shape = kept(NUMBER_OR_STRING, Form::Unsigned);

static HOOKS: Shape = list(&HOOK);
pub(super) static HOOK: Shape = object(
    &[
        key("command", &Shape::Command),
        key("user", &TEXT),
        key("privileged", &FLAG),
        key("working_dir", &TEXT),
        key("environment", &ENVIRONMENT),
    ],
    &["command"],
);

static LOGGING: Shape = object(&[key("driver", &TEXT), key("options", &LOG_OPTIONS)], &[]);
static LOG_OPTIONS: Shape = Shape::Options(NUMBER_OR_STRING.or(Types::NULL));

static MODELS: Shape = Shape::OneOf(&[
    Shape::List(List {
        item: &TEXT,
        unique: true,
    }),
    Shape::Named(Named {
        item: &MODEL,
        names: Names::Resource,
        closed: false,
    }),
]);
static MODEL: Shape = super::nullable(&[key("endpoint_var", &TEXT), key("model_var", &TEXT)]);

static NETWORKS: Shape = Shape::OneOf(&[
    Shape::List(List {
        item: &TEXT,
        unique: true,
    }),
    Shape::Named(Named {
        item: &ATTACHMENT,
        names: Names::Resource,
        closed: true,
    }),
]);
static ATTACHMENT: Shape = super::nullable(&[
    key("aliases", &TEXT_SET),
    key("interface_name", &TEXT),
    key("ipv4_address", &TEXT),
    key("ipv6_address", &TEXT),
    key("link_local_ips", &TEXT_SET),
    key("mac_address", &TEXT),
    key("driver_opts", &DRIVER_OPTS),
    key("priority", &PRIORITY),
    key("gw_priority", &PRIORITY),
]);
pub(super) static DRIVER_OPTS: Shape = Shape::Options(NUMBER_OR_STRING);
static PRIORITY: Shape = scalar(Types::NUMBER, Form::Integer);

static PORTS: Shape = set(&PORT);
static PORT: Shape = Shape::OneOf(&[
    scalar(NUMBER_OR_STRING, Form::Text),
    object(
        &[
            key("name", &TEXT),
            key("mode", &TEXT),
            key("host_ip", &TEXT),
            key("target", &TARGET_PORT),
            key("published", &PUBLISHED),
            key("protocol", &TEXT),
            key("app_protocol", &TEXT),
        ],
        &[],
    ),
]);
static TARGET_PORT: Shape = scalar(INTEGER_OR_STRING, Form::Port);
static PUBLISHED: Shape = scalar(INTEGER_OR_STRING, Form::Text);

static PROVIDER: Shape = object(
    &[key("type", &TEXT), key("options", &Shape::MultiOptions)],
    &["type"],
);

static VOLUMES: Shape = set(&VOLUME);
static VOLUME: Shape = Shape::OneOf(&[
    scalar(Types::STRING, Form::Text),
    object(
        &[
            key("type", &VOLUME_TYPE),
            key("source", &TEXT),
            key("target", &TEXT),
            key("read_only", &FLAG),
            key("consistency", &TEXT),
            key("bind", &BIND),
            key("volume", &VOLUME_OPTIONS),
            key("tmpfs", &TMPFS),
            key("image", &IMAGE_OPTIONS),
        ],
        &["type"],
    ),
]);
static VOLUME_TYPE: Shape = ruled(
    Types::STRING,
    Form::Text,
    Rule::Words(&["bind", "volume", "tmpfs", "cluster", "npipe", "image"]),
);
static BIND: Shape = object(
    &[
        key("propagation", &TEXT),
        key("create_host_path", &FLAG),
        key("recursive", &RECURSIVE),
        key("selinux", &SELINUX),
    ],
    &[],
);
static RECURSIVE: Shape = ruled(
    Types::STRING,
    Form::Text,
    Rule::Words(&["enabled", "disabled", "writable", "readonly"]),
);
static SELINUX: Shape = ruled(Types::STRING, Form::Text, Rule::Words(&["z", "Z"]));
static VOLUME_OPTIONS: Shape = object(
    &[
        key("labels", &LABELS),
        key("nocopy", &FLAG),
        key("subpath", &TEXT),
    ],
    &[],
);
static TMPFS: Shape = object(&[key("size", &TMPFS_SIZE), key("mode", &TMPFS_MODE)], &[]);
static TMPFS_SIZE: Shape = ruled(INTEGER_OR_STRING, Form::Bytes, Rule::Between(0, i64::MAX));
static TMPFS_MODE: Shape = scalar(NUMBER_OR_STRING, Form::Unsigned);
static IMAGE_OPTIONS: Shape = object(&[key("subpath", &TEXT)], &[]);

/// For keys of other tables that hold a list of plain strings.
pub(super) static PLAIN_TEXTS: &Shape = &TEXT_LIST;
