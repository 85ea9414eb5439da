//! What runs in a container beside its own process: probe and hooks, decided before it is made.

use std::time::Duration;

use super::healthcheck::ServiceProbe;
use super::images::PodImage;
use super::launch_error::LaunchError;
use crate::compose::model::Hook;
use crate::compose::source::Span;
use crate::oci::{self, Accounts, ExecInput, Process, SpecError};
use crate::pod::plan::ContainerPlan;

/// The further processes of one container.
#[derive(Clone, Debug)]
pub(super) struct ExtraProcesses {
    /// The container's own, which every other is made from.
    pub(super) own: Process,
    pub(super) probe: Option<Probe>,
    pub(super) post_start: Vec<Prepared>,
    pub(super) pre_stop: Vec<Prepared>,
}

/// A process, and how people know it.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    pub(super) command: String,
    /// The `process` part of a runtime document, JSON.
    pub(super) process: Vec<u8>,
}

/// What tells of a service's health.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    pub(super) process: Vec<u8>,
    pub(super) timeout: Duration,
}

impl ExtraProcesses {
    /// `process` is the container's own, `users` those of its image.
    pub(super) fn of(
        plan: &ContainerPlan,
        image: &PodImage,
        process: &Process,
        users: &Accounts,
        probe: Option<&ServiceProbe>,
    ) -> Result<Self, LaunchError> {
        let hooks = |hooks: &[Hook]| {
            let hook = |hook: &Hook| self::hook(plan, image, process, users, hook);
            hooks.iter().map(hook).collect::<Result<Vec<_>, _>>()
        };
        let probe = probe.map(|probe| {
            let input = ExecInput {
                args: &probe.command,
                ..ExecInput::default()
            };
            let health = plan.life.healthcheck.as_ref();
            let span = health.map_or(plan.service.span, |health| health.span);
            let timeout = probe.timeout;
            exec(plan, process, &input, span).map(|process| Probe { process, timeout })
        });
        Ok(Self {
            own: process.clone(),
            probe: probe.transpose()?,
            post_start: hooks(&plan.life.post_start)?,
            pre_stop: hooks(&plan.life.pre_stop)?,
        })
    }
}

fn hook(
    plan: &ContainerPlan,
    image: &PodImage,
    process: &Process,
    users: &Accounts,
    hook: &Hook,
) -> Result<Prepared, LaunchError> {
    let user = hook.user.as_ref().map(|user| {
        users.resolve(&user.value).map_err(|source| {
            LaunchError::Spec(Box::new(SpecError::User {
                service: plan.service.value.clone(),
                image: image.name.clone(),
                user: user.value.clone(),
                span: user.span,
                source,
            }))
        })
    });
    let user = user.transpose()?;
    let input = ExecInput {
        args: &hook.command,
        environment: &hook.environment,
        working_dir: hook.working_dir.as_ref().map(|dir| dir.value.as_str()),
        user: user.as_ref(),
        terminal: false,
    };
    Ok(Prepared {
        command: hook.command.join(" "),
        process: exec(plan, process, &input, hook.span)?,
    })
}

/// A process as JSON.
pub(super) fn exec(
    plan: &ContainerPlan,
    process: &Process,
    input: &ExecInput<'_>,
    span: Span,
) -> Result<Vec<u8>, LaunchError> {
    let process = oci::exec_process(process, input).map_err(|fault| {
        LaunchError::Spec(Box::new(SpecError::Process {
            service: plan.service.value.clone(),
            fault,
            span,
        }))
    })?;
    Ok(serde_json::to_vec(&process).expect("a process is made of JSON's own types"))
}
