//! `config.toml`: what the operator of a host decides.
//!
//! The file is root's alone ([`super::trust`]). Where it is missing, the defaults are secure ones;
//! where it can't be read or has a key that is not known here, nothing is launched: a typing
//! mistake must not quietly open what it was meant to close.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::trust::{self, Untrusted};
use crate::compose::model::ByteSize;
use crate::compose::units;
use crate::pod::logging::LogsRule;
use crate::policy::PolicyFile;
use crate::supervisor::runtime::RuntimeChoice;

/// Where the file is when no flag names it.
pub const DEFAULT_PATH: &str = "/etc/compose-executor/config.toml";

/// The whole file. Every table and key may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub containerd: ContainerdConfig,
    pub network: NetworkConfig,
    pub logs: LogsConfig,
    pub policy: PolicyFile,
}

/// `[containerd]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerdConfig {
    /// Its socket.
    pub address: PathBuf,
    pub runtime: RuntimeChoice,
    pub snapshotter: String,
    /// How long it may be gone before the pods that it runs are given up.
    #[serde(rename = "lost_after_seconds", deserialize_with = "seconds")]
    pub lost_after: Duration,
    /// How long it may take to create, start, signal or delete a container.
    #[serde(rename = "deadline_seconds", deserialize_with = "seconds")]
    pub deadline: Duration,
}

impl Default for ContainerdConfig {
    fn default() -> Self {
        Self {
            address: "/run/containerd/containerd.sock".into(),
            runtime: RuntimeChoice::Auto,
            snapshotter: "overlayfs".to_owned(),
            lost_after: Duration::from_mins(2),
            deadline: Duration::from_mins(1),
        }
    }
}

fn seconds<'de, D: Deserializer<'de>>(value: D) -> Result<Duration, D::Error> {
    u64::deserialize(value).map(Duration::from_secs)
}

/// `[network]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkConfig {
    pub mode: NetworkMode,
}

/// `network.mode`: the network that pods are put in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkMode {
    /// The executor's own namespace when Mesos gave it one, else one for the pod.
    #[default]
    Auto,
    /// The host's.
    Host,
}

/// `[logs]`: the executor's own log, and the bounds of each service's. The common output of all
/// services is the sandbox's stdout and stderr, which are Mesos'.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogsConfig {
    pub level: LogLevel,
    /// The most that one file of a service's log may take, as `"100MiB"`.
    #[serde(deserialize_with = "size")]
    pub max_size: ByteSize,
    /// The most files of a service's log. With 0 no service has a log of its own.
    pub max_files: u32,
}

impl Default for LogsConfig {
    fn default() -> Self {
        Self {
            level: LogLevel::Info,
            max_size: ByteSize(100 << 20),
            max_files: 10,
        }
    }
}

impl LogsConfig {
    /// The same for a pod whose logs are in this folder.
    pub fn rule(&self, folder: PathBuf) -> LogsRule {
        LogsRule {
            folder,
            max_size: self.max_size,
            max_files: self.max_files,
        }
    }
}

/// A size as Compose files have it.
fn size<'de, D: Deserializer<'de>>(from: D) -> Result<ByteSize, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = units::bytes(&text).map_err(serde::de::Error::custom)?;
    let size = bytes.and_then(|bytes| u64::try_from(bytes).ok());
    size.filter(|&size| size > 0)
        .map(ByteSize)
        .ok_or_else(|| serde::de::Error::custom(format!("\"{text}\" is no size")))
}

/// `logs.level`: the least grave that is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// Why a configuration refuses every launch.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("the configuration can't be trusted")]
    Untrusted(#[source] Untrusted),
    #[error("the configuration {path} can't be read")]
    Read {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("the configuration {path} is wrong: {message}")]
    Wrong { path: PathBuf, message: String },
}

impl Config {
    /// Reads the file that a flag names, which must be there, or the default one, which may not be.
    pub fn load(named: Option<&Path>) -> Result<Self, ConfigError> {
        let path = named.unwrap_or(Path::new(DEFAULT_PATH));
        if named.is_none() && !path.is_symlink() && !path.exists() {
            return Ok(Self::default());
        }
        trust::file(path).map_err(ConfigError::Untrusted)?;
        Self::read(path)
    }

    /// Reads a file whoever it is of: only to show what it would mean.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|error| {
            let before = error
                .span()
                .and_then(|span| text.get(..span.start))
                .unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let message = format!("line {line}: {}", error.message());
            ConfigError::Wrong {
                path: path.to_owned(),
                message,
            }
        })?;
        config.policy.locate(path, text);
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, String> {
        Config::parse(text, Path::new("config.toml")).map_err(|error| error.to_string())
    }

    #[test]
    fn an_empty_file_means_the_defaults() {
        let empty = parse("").unwrap();
        assert_eq!(empty.containerd, Config::default().containerd);
        assert_eq!(empty.network, Config::default().network);
        assert_eq!(empty.logs, Config::default().logs);
    }

    #[test]
    fn keys_are_read() {
        let config =
            parse("[containerd]\nruntime = \"runc\"\n[network]\nmode = \"host\"\n").unwrap();
        assert_eq!(config.containerd.runtime, RuntimeChoice::Runc);
        assert_eq!(config.network.mode, NetworkMode::Host);
        let logs = parse("[logs]\nmax_size = \"64 MiB\"\nmax_files = 0\n")
            .unwrap()
            .logs;
        assert_eq!((logs.max_size, logs.max_files), (ByteSize(64 << 20), 0));
    }

    #[test]
    fn an_unknown_key_refuses_with_its_line() {
        let error = parse("[network]\nmod = \"host\"\n").unwrap_err();
        assert_eq!(
            error,
            "the configuration config.toml is wrong: line 2: unknown field `mod`, expected `mode`"
        );
        assert!(parse("[polcy]\n").is_err());
        let error = parse("[policy.privileges]\n\nprivilegd = true\n").unwrap_err();
        assert!(
            error.contains("line 3: unknown field `privilegd`"),
            "{error}"
        );
        let error = parse("[logs]\nmax_size = \"many\"\n").unwrap_err();
        assert!(error.contains("line 2"), "{error}");
        assert!(
            parse("[network]\nmode = \"bridge\"\n")
                .unwrap_err()
                .contains("line 2")
        );
    }
}
