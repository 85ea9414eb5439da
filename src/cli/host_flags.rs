//! The flags that say where a host's parts are.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::Environment;
use crate::executor::config::Config;
use crate::journal::Folders;
use crate::supervisor::host::HostOptions;

/// Flags of every command that touches the host.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Host")]
pub(super) struct HostFlags {
    /// containerd's socket
    #[arg(long, global = true, value_name = "SOCKET")]
    pub containerd: Option<PathBuf>,
    /// The operator's configuration [default: /etc/compose-executor/config.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where records and kept volumes are
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "/var/lib/compose-executor"
    )]
    pub root: PathBuf,
    /// Where locks and what ends with a reboot are
    #[arg(
        long,
        global = true,
        value_name = "FOLDER",
        default_value = "/run/compose-executor"
    )]
    pub state: PathBuf,
    /// The cgroup that `up` puts pods below
    #[arg(long, global = true, value_name = "PATH")]
    pub cgroup_parent: Option<String>,
}

/// How a command shows what it found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs; carries a schema version.
    Json,
}

impl HostFlags {
    pub(super) fn folders(&self) -> Folders {
        Folders::new(&self.root, &self.state)
    }

    /// What a flag says, then the environment, then the configuration.
    pub(super) fn options(&self, config: &Config, environment: &Environment) -> HostOptions {
        let named = self
            .containerd
            .clone()
            .or_else(|| environment.get("CONTAINERD_ADDRESS").map(PathBuf::from));
        HostOptions {
            containerd: named
                .as_deref()
                .map_or_else(|| config.containerd.address.clone(), plain),
            runtime: config.containerd.runtime,
            snapshotter: config.containerd.snapshotter.clone(),
            lost_after: config.containerd.lost_after,
            folders: self.folders(),
        }
    }
}

/// containerd's own tools write addresses as URLs.
fn plain(address: &Path) -> PathBuf {
    address
        .strip_prefix("unix:")
        .map_or_else(|_| address.to_owned(), |path| Path::new("/").join(path))
}
