//! The flags that say where a host's parts are.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::{Args, ValueEnum};

use super::containerd::{Containerd, ContainerdChoice};
use crate::executor::config::{Config, DEFAULT_PATH};
use crate::journal::Folders;
use crate::supervisor::host::HostOptions;

/// Flags of every command that touches the host.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Host")]
pub(super) struct HostFlags {
    /// containerd's socket; or "managed": one of our own; or "auto": the system's, else one of our own
    #[arg(long, global = true, value_name = "SOCKET|auto|managed", default_value = "auto", value_parser = ContainerdChoice::from_str)]
    pub containerd: ContainerdChoice,
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
    /// The operator's configuration, there or not.
    pub(super) fn config_path(&self) -> &Path {
        self.config.as_deref().unwrap_or(Path::new(DEFAULT_PATH))
    }

    pub(super) fn folders(&self) -> Folders {
        Folders::new(&self.root, &self.state)
    }

    /// How pods are run on the containerd that a command has found.
    pub(super) fn options(&self, config: &Config, containerd: &Containerd) -> HostOptions {
        HostOptions {
            containerd: containerd.socket.clone(),
            runtime: config.containerd.runtime,
            snapshotter: config.containerd.snapshotter.clone(),
            lost_after: config.containerd.lost_after,
            deadline: config.containerd.deadline,
            folders: self.folders(),
        }
    }
}
