//! The tasks of a pod's services, created one after the other, and started meanwhile.
//!
//! A shim makes one container at a time, and tells nothing of any other meanwhile. containerd (1.6
//! to 2.1) asks it for the pid before it answers a `Create`: with the next creation under way, the
//! answer comes only after that. The event that tells of the task does not wait. So it is the event
//! that has the next one created, and this one started; where none comes, the answer does.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;
use tracing::debug;

use super::container::{self, NewContainer, Running};
use super::exits::Created;
use super::images::PodImage;
use super::launch_error::{LaunchError, create_error};
use super::pod::PodRun;
use super::report::ServiceState;
use crate::containerd::RpcError;
use crate::pod::plan::Signal;

/// How many tasks the shim is given to create: one that it makes, and one that waits for it.
const CREATED_AT_ONCE: usize = 2;

impl PodRun {
    /// Creates every service's task, whose process waits in its namespaces, and begins to start
    /// those that wait for no other service.
    pub(super) async fn create_all(
        &mut self,
        wanted: Vec<NewContainer>,
        images: &[PodImage],
    ) -> Result<(), LaunchError> {
        let client = self.host.client.clone();
        let create = |(service, new): (usize, NewContainer)| {
            let client = &client;
            async move { (service, container::create(client, new).await) }
        };
        let mut created = self.exits.created();
        let mut left = wanted.into_iter().enumerate();
        let mut answers: FuturesUnordered<_> =
            left.by_ref().take(CREATED_AT_ONCE).map(create).collect();
        let mut failure = None;
        loop {
            // Answers are waited for to the last, also of what is there already: nothing may be
            // made after this has returned.
            let (service, result) = tokio::select! {
                answer = answers.next() => match answer {
                    Some(answer) => answer,
                    None => break,
                },
                Some(Created { container, pid }) = created.recv() => {
                    match self.place(&container) {
                        Some(service) => (service, Ok(pid)),
                        None => continue, // Pause.
                    }
                }
            };
            if self.containers[service].is_some() {
                if let Err(error) = result {
                    debug!(%error, "a container was made, but containerd could not tell");
                }
                continue;
            }
            let made = self.made(service, result, &images[service]);
            failure = failure.or(made.err());
            if failure.is_none() && self.go_on().is_ok() {
                answers.extend(left.next().map(create));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    /// A container's place in the plan.
    fn place(&self, container: &str) -> Option<usize> {
        let mut containers = self.plan.containers.iter();
        containers.position(|plan| plan.id.as_str() == container)
    }

    /// A service's task is there, or why not.
    fn made(
        &mut self,
        service: usize,
        result: Result<u32, RpcError>,
        image: &PodImage,
    ) -> Result<(), LaunchError> {
        let plan = &self.plan.containers[service];
        let pid = result.map_err(|source| create_error(&plan.service.value, source))?;
        self.containers[service] = Some(Running {
            id: plan.id.to_string(),
            pid,
            state: ServiceState::NotStarted,
            stop_signal: plan
                .stop
                .signal
                .or(image.stop_signal)
                .unwrap_or(Signal::TERM),
            forced: false,
            oom_kills_before: 0,
        });
        let placed = self.host.cgroups.verify(pid, plan.cgroup.as_str());
        placed.map_err(LaunchError::Cgroup)?;
        self.watch_service(service);
        self.course.made(service);
        if self.course.verdict().is_some() {
            // Who waits for what can't be is told of before anything has started.
            return Ok(());
        }
        let due = self.course.due(Instant::now());
        due.into_iter().try_for_each(|action| self.act(action))
    }
}
