//! Volumes of servers', mounted for a pod before its containers are made.
//!
//! A server may not answer, and who waits for it in mount(2) can only be killed: so a process of its
//! own waits, within a deadline, and until the pod is ordered to stop.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::launch_error::LaunchError;
use super::pod::PodRun;
use super::storage::VolumeError;
use crate::compose::model::NfsVolume;
use crate::journal::Step;
use crate::pod::plan::{PodPlan, VolumePlace};

/// util-linux's. Without the helper of the file system's type, which would resolve names, talk to
/// other daemons and read the host's own settings.
const MOUNT: [&str; 4] = ["/bin/mount", "--internal-only", "-t", "nfs"];
/// How long a server may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why a server's folder is not mounted.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error("mount(8) can't be run")]
    Run(#[source] std::io::Error),
    #[error("{0}")]
    Refused(String),
    #[error("the server does not answer within {} s", PATIENCE.as_secs())]
    Silent,
}

impl PodRun {
    /// Mounts the plan's volumes that are servers'.
    pub(super) async fn mount_remote(&self, plan: &PodPlan) -> Result<(), LaunchError> {
        for volume in &plan.volumes {
            let VolumePlace::Nfs { path, volume: nfs } = &volume.place else {
                continue;
            };
            std::fs::create_dir_all(path).map_err(|source| LaunchError::Write {
                path: path.clone(),
                source,
            })?;
            self.journal.intent(&Step::Mount { path: path.clone() })?;
            let mut orders = self.orders.clone();
            let mounted = tokio::select! {
                mounted = mount(nfs, path) => mounted,
                order = orders.ordered() => return Err(LaunchError::Stopped(order.reason)),
            };
            mounted.map_err(|source| LaunchError::Volume {
                name: volume.name.clone(),
                span: volume.declared,
                source: VolumeError::Remote(source),
            })?;
        }
        Ok(())
    }
}

async fn mount(nfs: &NfsVolume, target: &Path) -> Result<(), RemoteError> {
    let [program, arguments @ ..] = MOUNT;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .args(["-o", &nfs.mount_options(), "--", &nfs.device()])
        .arg(target)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output());
    let output = output.await.map_err(|_| RemoteError::Silent)?;
    let output = output.map_err(RemoteError::Run)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let mut lines = said.lines().map(str::trim);
    Err(RemoteError::Refused(
        match lines.find(|it| !it.is_empty()) {
            // `mount: TARGET: …`, of which the target is a place of ours.
            Some(line) => {
                let what = line.splitn(3, ": ").nth(2).unwrap_or(line);
                what.trim_end_matches('.').to_owned()
            }
            None => format!("mount(8) ended with {}", output.status),
        },
    ))
}
