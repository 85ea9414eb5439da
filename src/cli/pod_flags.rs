//! The flags that say which pods of the host are meant.

use clap::Args;

use super::Environment;
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use super::project::ProjectFlags;
use crate::executor::with_causes;
use crate::operator::pods::{self, HostPod, Selector};
use crate::pod::names::PodId;

/// Flags of every command about pods that run.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct PodFlags {
    /// A pod: its id, its task's id, or the beginning of either; may be given again
    #[arg(long = "pod", value_name = "POD")]
    pods: Vec<String>,
    /// All pods of this host, Mesos' and others'
    #[arg(short = 'A', long)]
    all: bool,
}

impl PodFlags {
    /// The pods that are meant: those that are named, or the project's that is named, or those of
    /// the project in the current folder, as Docker Compose has it. Where that has none, all are
    /// meant: whoever asks only looks.
    pub(super) fn select(
        &self,
        project: &ProjectFlags,
        host: &HostFlags,
        environment: &Environment,
    ) -> Result<Vec<HostPod>, CommandError> {
        let pods = all(host)?;
        let selector = self.selector(project, environment)?;
        let found = selector.of(pods.clone()).map_err(CommandError::failed)?;
        match selector {
            Selector::Folder(_) if found.is_empty() => Ok(pods),
            _ => Ok(found),
        }
    }

    /// The one pod that is meant; where the current folder has none, the only one of the host.
    pub(super) fn one(
        &self,
        project: &ProjectFlags,
        host: &HostFlags,
        environment: &Environment,
    ) -> Result<HostPod, CommandError> {
        let pods = all(host)?;
        let selector = self.selector(project, environment)?;
        let here = selector.of(pods.clone()).map_err(CommandError::failed)?;
        let selector = match selector {
            Selector::Folder(_) if here.is_empty() => Selector::All,
            selector => selector,
        };
        selector.one_of(pods).map_err(CommandError::failed)
    }

    /// The one pod that is meant, among those too that are over but for what they wrote: where a pod
    /// of the current folder or of the named project is wanted, the last one.
    pub(super) fn one_even_ended(
        &self,
        project: &ProjectFlags,
        host: &HostFlags,
        environment: &Environment,
    ) -> Result<HostPod, CommandError> {
        let selector = self.selector(project, environment)?;
        let is_here = selector.of(all(host)?).is_ok_and(|pods| !pods.is_empty());
        if !is_here {
            let ended = pods::ended(&host.folders()).map_err(CommandError::failed)?;
            // A word may mean two of them; what is said then is what is said of those that live.
            if let Ok(ended) = selector.of(ended)
                && let Some(last) = ended.into_iter().next()
            {
                return Ok(last);
            }
        }
        self.one(project, host, environment)
    }

    /// The pods to be ended, and those that are over but for what they wrote.
    pub(super) fn to_end(
        &self,
        project: &ProjectFlags,
        host: &HostFlags,
        environment: &Environment,
    ) -> Result<(Vec<HostPod>, Vec<HostPod>), CommandError> {
        let ended = pods::ended(&host.folders()).map_err(CommandError::failed)?;
        // Read after those: a pod may be in both lists, and never in none.
        let pods = all(host)?;
        let is_there = |id: &PodId| pods.iter().any(|pod| pod.record.pod == *id);
        let ended: Vec<_> = ended
            .into_iter()
            .filter(|it| !is_there(&it.record.pod))
            .collect();
        let selector = self.selector(project, environment)?;
        match (selector.of(pods), selector.of(ended)) {
            (Ok(pods), Ok(ended)) => Ok((pods, ended)),
            (Ok(pods), Err(_)) => Ok((pods, Vec::new())),
            (Err(_), Ok(ended)) => Ok((Vec::new(), ended)),
            (Err(error), Err(_)) => Err(CommandError::failed(error)),
        }
    }

    /// Whether some pods are named, and not just those that are here.
    pub(super) fn is_narrow(&self, project: &ProjectFlags) -> bool {
        !self.pods.is_empty() || (!self.all && project.project_name.is_some())
    }

    fn selector(
        &self,
        project: &ProjectFlags,
        environment: &Environment,
    ) -> Result<Selector, CommandError> {
        if self.all {
            return Ok(Selector::All);
        }
        if !self.pods.is_empty() {
            return Ok(Selector::Named(self.pods.clone()));
        }
        let named = environment.get("COMPOSE_PROJECT_NAME");
        let name = project.project_name.as_deref();
        if let Some(name) = name.or_else(|| named.and_then(|name| name.to_str())) {
            return Ok(Selector::Project(name.to_owned()));
        }
        let options = project
            .load_options(environment.texts())
            .map_err(CommandError::failed)?;
        let first = options.files.first().and_then(|file| file.parent());
        let folder = options.project_directory.as_deref().or(first);
        let folder = folder.map_or(options.working_dir.clone(), |folder| {
            options.working_dir.join(folder)
        });
        Ok(Selector::Folder(folder))
    }
}

/// All pods; a record that can't be read is told of.
fn all(host: &HostFlags) -> Result<Vec<HostPod>, CommandError> {
    let (pods, unreadable) = pods::all(&host.folders()).map_err(CommandError::failed)?;
    for error in unreadable {
        exit::warn(&format!("warning: {}", with_causes(&error)));
    }
    Ok(pods)
}
