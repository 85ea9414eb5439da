//! The executor, as a Mesos agent starts it: without a command.

use std::ffi::OsString;

use super::Environment;
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
    let options = ExecutorOptions {
        refused: host.cgroup_parent.is_some().then_some("cgroup-parent"),
        folders: host.folders(),
        config: host.config,
        containerd: host.containerd,
        files: project.files.clone(),
    };
    block_on(async {
        Box::pin(executor::run(env, options, variables, log))
            .await
            .map_err(CommandError::failed)?;
        Ok(exit::SUCCESS)
    })
}
