//! The executor, as a Mesos agent starts it: without a command.

use std::ffi::OsString;

use super::Environment;
use super::containerd::ContainerdChoice;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use super::project::ProjectFlags;
use crate::executor::config::LogLevel;
use crate::executor::{self, ExecutorOptions, LogTarget};
use crate::mesos::ExecutorEnv;

/// The agent's token: read once, and never handed on.
const TOKEN: &str = "MESOS_EXECUTOR_AUTHENTICATION_TOKEN";

pub(super) fn run(
    project: &ProjectFlags,
    host: HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    crate::sys::environment::scrub(TOKEN).map_err(CommandError::failed)?;
    let log = LogTarget::start(LogLevel::Info).map_err(CommandError::failed)?;
    let vars = |name: &str| -> Option<OsString> { environment.get(name).cloned() };
    let env = ExecutorEnv::from_vars(&vars).map_err(CommandError::failed)?;
    let mut variables = environment.texts();
    variables.remove(TOKEN);
    let managed = host.containerd == ContainerdChoice::Managed;
    let options = ExecutorOptions {
        refused: match host.cgroup_parent {
            Some(_) => Some("cgroup-parent"),
            None => managed.then_some("containerd managed"),
        },
        folders: host.folders(),
        config: host.config,
        // CONTAINERD_ADDRESS is the user's, and none of our own outlives an executor.
        containerd: match host.containerd {
            ContainerdChoice::Address(socket) => Some(socket),
            ContainerdChoice::Auto | ContainerdChoice::Managed => None,
        },
        files: project.files.clone(),
    };
    block_on(async {
        Box::pin(executor::run(env, options, variables, log))
            .await
            .map_err(CommandError::failed)?;
        Ok(exit::SUCCESS)
    })
}
