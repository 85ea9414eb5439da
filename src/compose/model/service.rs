//! One service: everything a Compose file can say of it that something here acts on or refuses.

use std::path::PathBuf;
use std::time::Duration;

use super::health::{Healthcheck, Hook};
use super::port::PortMapping;
use super::project::PodResources;
use super::resource::{BlkioConfig, ByteSize, Cpus, Deploy, DeviceRequest, Ulimit};
use super::volume::Mount;
use crate::compose::source::{Span, Spanned};

/// A service. Lists keep the file's order.
#[derive(Clone, Debug, Default)]
pub struct Service {
    pub name: Spanned<String>,
    /// The keys that were given, each with its place: the verdict on a key looks here first.
    pub keys: Vec<Spanned<String>>,

    pub image: Option<Spanned<String>>,
    pub build: Option<Span>,
    pub pull_policy: Option<Spanned<PullPolicy>>,
    pub platform: Option<Spanned<String>>,
    pub container_name: Option<Spanned<String>>,
    /// `Some(empty)` clears the image's.
    pub command: Option<Spanned<Vec<String>>>,
    pub entrypoint: Option<Spanned<Vec<String>>>,
    pub working_dir: Option<Spanned<String>>,
    pub user: Option<Spanned<String>>,
    pub group_add: Vec<Spanned<String>>,
    /// With env files, in order; a name without a value is removed from the image's.
    pub environment: Vec<(Spanned<String>, Option<String>)>,
    pub env_file: Vec<EnvFile>,
    pub labels: Vec<(Spanned<String>, String)>,
    pub annotations: Vec<(Spanned<String>, String)>,
    pub tty: Option<Spanned<bool>>,
    pub stdin_open: Option<Spanned<bool>>,
    pub init: Option<Spanned<bool>>,
    pub stop_signal: Option<Spanned<String>>,
    pub stop_grace_period: Option<Spanned<Duration>>,
    pub restart: Option<Spanned<Restart>>,
    pub depends_on: Vec<Dependency>,
    pub healthcheck: Option<Healthcheck>,
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
    pub profiles: Vec<Spanned<String>>,
    /// How many of it; 1 where nothing says otherwise.
    pub replicas: Spanned<u64>,
    pub runtime: Option<Spanned<String>>,
    pub provider: Option<Span>,
    pub pod: ServiceExtension,

    pub ports: Vec<PortMapping>,
    pub expose: Vec<Spanned<String>>,
    pub network_mode: Option<Spanned<NetworkMode>>,
    pub networks: Vec<NetworkAttachment>,
    pub links: Vec<Spanned<String>>,
    pub external_links: Vec<Spanned<String>>,
    pub hostname: Option<Spanned<String>>,
    pub domainname: Option<Spanned<String>>,
    /// Name and address; `host-gateway` is kept as it is.
    pub extra_hosts: Vec<(Spanned<String>, String)>,
    pub dns: Vec<Spanned<String>>,
    pub dns_search: Vec<Spanned<String>>,
    pub dns_opt: Vec<Spanned<String>>,
    pub mac_address: Option<Spanned<String>>,
    pub ipc: Option<Spanned<NamespaceMode>>,
    pub pid: Option<Spanned<NamespaceMode>>,
    pub uts: Option<Spanned<NamespaceMode>>,
    pub cgroup: Option<Spanned<NamespaceMode>>,
    pub userns_mode: Option<Spanned<String>>,
    pub cgroup_parent: Option<Spanned<String>>,
    pub sysctls: Vec<(Spanned<String>, String)>,

    pub cpus: Option<Spanned<Cpus>>,
    pub cpu_quota: Option<Spanned<i64>>,
    pub cpu_period: Option<Spanned<i64>>,
    pub cpu_shares: Option<Spanned<i64>>,
    pub cpu_rt_runtime: Option<Spanned<i64>>,
    pub cpu_rt_period: Option<Spanned<i64>>,
    pub cpuset: Option<Spanned<String>>,
    pub mem_limit: Option<Spanned<ByteSize>>,
    pub mem_reservation: Option<Spanned<ByteSize>>,
    /// `-1` is unlimited.
    pub memswap_limit: Option<Spanned<i64>>,
    pub mem_swappiness: Option<Spanned<i64>>,
    pub oom_kill_disable: Option<Spanned<bool>>,
    pub oom_score_adj: Option<Spanned<i64>>,
    /// `0` and `-1` are unlimited.
    pub pids_limit: Option<Spanned<i64>>,
    pub shm_size: Option<Spanned<ByteSize>>,
    pub blkio_config: Option<BlkioConfig>,
    pub storage_opt: Vec<(Spanned<String>, String)>,
    pub ulimits: Vec<Ulimit>,
    pub gpus: Vec<DeviceRequest>,
    pub devices: Vec<Device>,
    pub device_cgroup_rules: Vec<Spanned<String>>,
    pub deploy: Option<Deploy>,

    pub volumes: Vec<Mount>,
    pub volumes_from: Vec<Spanned<String>>,
    /// The short key `tmpfs`; the long form is among `volumes`.
    pub tmpfs: Vec<Mount>,
    pub configs: Vec<FileReference>,
    pub secrets: Vec<FileReference>,
    pub read_only: Option<Spanned<bool>>,
    pub privileged: Option<Spanned<bool>>,
    pub cap_add: Vec<Spanned<String>>,
    pub cap_drop: Vec<Spanned<String>>,
    pub security_opt: Vec<Spanned<String>>,
    pub logging: Option<Logging>,
}

/// The extension `x-pod` of a service.
#[derive(Clone, Debug, Default)]
pub struct ServiceExtension {
    pub share_pid: Option<Spanned<bool>>,
    pub resources: PodResources,
}

/// `pull_policy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PullPolicy {
    Always,
    Never,
    Missing,
    Build,
    /// `refresh`, `daily`, `weekly`, `every_…`, as written.
    Every(String),
}

/// `restart`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Restart {
    No,
    Always,
    /// At most so often; without a number, for ever.
    OnFailure(Option<u64>),
    UnlessStopped,
    /// Docker's loader takes any word; its engine does not.
    Unknown(String),
}

/// One entry of `depends_on`, given or implied.
#[derive(Clone, Debug)]
pub struct Dependency {
    pub service: Spanned<String>,
    pub condition: Spanned<Condition>,
    pub restart: bool,
    /// False: start anyway where it can't be met.
    pub required: bool,
}

/// What a dependency must have reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Started,
    Healthy,
    CompletedSuccessfully,
}

/// One of `env_file`.
#[derive(Clone, Debug)]
pub struct EnvFile {
    pub path: Spanned<PathBuf>,
    pub required: bool,
    /// `format: raw`.
    pub raw: bool,
}

/// `network_mode`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkMode {
    None,
    Host,
    Bridge,
    Service(String),
    Container(String),
    Other(String),
}

/// `ipc`, `pid`, `uts`, `cgroup`: whose namespace it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceMode {
    None,
    Private,
    Shareable,
    Host,
    Service(String),
    Container(String),
    Other(String),
}

/// One of a service's `networks`.
#[derive(Clone, Debug)]
pub struct NetworkAttachment {
    pub network: Spanned<String>,
    pub aliases: Vec<Spanned<String>>,
    pub ipv4_address: Option<Spanned<String>>,
    pub ipv6_address: Option<Spanned<String>>,
    pub mac_address: Option<Spanned<String>>,
}

/// One of `devices`.
#[derive(Clone, Debug)]
pub struct Device {
    pub source: Spanned<String>,
    pub target: Option<Spanned<String>>,
    pub permissions: Option<Spanned<String>>,
}

/// One of a service's `configs` or `secrets`.
#[derive(Clone, Debug)]
pub struct FileReference {
    pub source: Spanned<String>,
    /// As written or by default; relative targets of secrets are below /run/secrets.
    pub target: Option<Spanned<PathBuf>>,
    pub uid: Option<Spanned<String>>,
    pub gid: Option<Spanned<String>>,
    pub mode: Option<u32>,
}

/// `logging`.
#[derive(Clone, Debug)]
pub struct Logging {
    pub span: Span,
    pub driver: Option<Spanned<String>>,
    pub options: Vec<(Spanned<String>, String)>,
}
