//! A project as its files say it: typed, merged, with defaults in place, and the span of each value.
//!
//! This is all that the rest of the program knows of Compose. The words are the specification's
//! (<https://github.com/compose-spec/compose-spec>); an `Option` is a key that was not given.

mod health;
mod local_volume;
mod port;
mod project;
mod resource;
mod security_opt;
mod service;
mod volume;

pub use health::{Healthcheck, HealthcheckTest, Hook};
pub use local_volume::{LocalVolume, LocalVolumeError, NfsVolume};
pub use port::{PortMapping, Protocol, Published};
pub use project::{
    Config, ConfigSource, DEFAULT_STOP_GRACE, External, Network, POD_PIDS, PodExtension,
    PodResources, Project, SERVICE_PIDS, Secret, SecretSource, Volume,
};
pub use resource::{
    BlkioConfig, BlkioRate, ByteSize, Cpus, Deploy, DeployMode, DeployResources, DeviceRequest,
    RestartCondition, RestartPolicy, ThrottleDevice, Ulimit, UlimitRange, WeightDevice,
};
pub use security_opt::SecurityOption;
pub use service::{
    Condition, Dependency, Device, EnvFile, FileReference, Logging, NamespaceMode,
    NetworkAttachment, NetworkMode, PullPolicy, Restart, Service, ServiceExtension,
};
pub use volume::{BindOptions, Mount, MountKind, Propagation};
