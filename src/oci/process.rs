//! `process`: what runs, as whom, with which environment and which limits.

use std::path::{Component, Path, PathBuf};

use oci_spec::runtime::{PosixRlimit, PosixRlimitBuilder, PosixRlimitType, Process};

use super::capabilities;
use super::error::SpecError;
use super::host::HostFacts;
use super::spec::ContainerInput;
use super::user::ResolvedUser;
use crate::compose::source::Span;
use crate::pod::plan::{ContainerPlan, ProcessPlan};

/// The base document's process, filled in.
pub(super) fn process(
    base: &Process,
    input: &ContainerInput<'_>,
    host: &HostFacts,
) -> Result<Process, SpecError> {
    let user = user(input)?;
    let mut process = base.clone();
    process
        .set_args(Some(args(input)?))
        .set_env(Some(environment(base, input, &user.home)?))
        .set_cwd(working_dir(input)?)
        .set_capabilities(Some(capabilities::of(base, &user, host)))
        .set_rlimits(
            base.rlimits()
                .as_deref()
                .map(|rlimits| clamp(rlimits, host)),
        )
        // Without the field a container would inherit the shim's score.
        .set_oom_score_adj(Some(host.oom_score_floor.max(0)))
        .set_terminal(input.plan.process.tty.then_some(true));
    process
        .user_mut()
        .set_uid(user.uid)
        .set_gid(user.gid)
        .set_additional_gids(Some(user.groups));
    Ok(process)
}

/// The file's words over the image's. A given entrypoint silences the image's command, too: it was
/// meant for another program.
fn args(input: &ContainerInput<'_>) -> Result<Vec<String>, SpecError> {
    let ProcessPlan {
        entrypoint,
        command,
        ..
    } = &input.plan.process;
    let none = Vec::new();
    let head = entrypoint.as_ref().unwrap_or(&input.image.entrypoint);
    let tail = match (command, entrypoint) {
        (Some(command), _) => command,
        (None, Some(_)) => &none,
        (None, None) => &input.image.cmd,
    };
    let args: Vec<String> = head.iter().chain(tail).cloned().collect();
    let plan = input.plan;
    if args.first().is_none_or(String::is_empty) {
        return Err(SpecError::NothingToRun {
            service: plan.service.value.clone(),
            image: plan.image.value.clone(),
            span: plan.service.span,
        });
    }
    if args.iter().any(|arg| arg.contains('\0')) {
        return Err(SpecError::Argument {
            service: plan.service.value.clone(),
            span: plan.service.span,
        });
    }
    Ok(args)
}

/// From the weakest to the strongest: the defaults, the image's, the task's, the file's.
fn environment(
    base: &Process,
    input: &ContainerInput<'_>,
    home: &str,
) -> Result<Vec<String>, SpecError> {
    let plan = input.plan;
    let mut env = Environment::default();
    env.set_all(base.env().as_deref().unwrap_or_default());
    env.set("HOSTNAME", &plan.hostname);
    env.set("HOME", home);
    if plan.process.tty {
        env.set("TERM", "xterm");
    }
    env.set_all(&input.image.env);
    for (name, value) in &plan.process.task_environment {
        env.set(name, value);
    }
    for (name, value) in &plan.process.environment {
        match value {
            Some(value) => env.set(name, value),
            None => env.remove(name),
        }
    }
    env.into_entries(plan)
}

/// Variables in the order in which they were first set.
#[derive(Default)]
struct Environment(Vec<(String, String)>);

impl Environment {
    fn set(&mut self, name: &str, value: &str) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => value.clone_into(old),
            None => self.0.push((name.to_owned(), value.to_owned())),
        }
    }

    /// Passes over what is no `NAME=value`.
    fn set_all(&mut self, entries: &[String]) {
        for (name, value) in entries.iter().filter_map(|entry| entry.split_once('=')) {
            self.set(name, value);
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(known, _)| known != name);
    }

    /// As `NAME=value`. What can't be passed to execve(2) that way is an error.
    fn into_entries(self, plan: &ContainerPlan) -> Result<Vec<String>, SpecError> {
        let entry = |(name, value): (String, String)| {
            let service = plan.service.value.clone();
            let span = plan.service.span;
            if name.is_empty() || name.contains(['=', '\0']) {
                Err(SpecError::EnvironmentName {
                    service,
                    name,
                    span,
                })
            } else if value.contains('\0') {
                Err(SpecError::EnvironmentValue {
                    service,
                    name,
                    span,
                })
            } else {
                Ok(format!("{name}={value}"))
            }
        };
        self.0.into_iter().map(entry).collect()
    }
}

/// The file's, else the image's, else `/`. Through a path in /proc a process could be set down in
/// a folder of the host's that the runtime has open (CVE-2024-21626).
fn working_dir(input: &ContainerInput<'_>) -> Result<PathBuf, SpecError> {
    let text = match (&input.plan.process.working_dir, &input.image.working_dir) {
        (Some(dir), _) | (None, Some(dir)) if !dir.is_empty() => dir,
        _ => "/",
    };
    let path = Path::new(text);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    // Drops doubled and trailing slashes, and "." between them.
    let clean: PathBuf = path.components().collect();
    let kernels = clean.starts_with("/proc") || clean.starts_with("/sys");
    if !path.is_absolute() || climbs || kernels || text.contains('\0') {
        return Err(SpecError::WorkingDir {
            service: input.plan.service.value.clone(),
            path: text.to_owned(),
            span: input.plan.service.span,
        });
    }
    Ok(clean)
}

/// The file's user, else the image's, else root.
fn user(input: &ContainerInput<'_>) -> Result<ResolvedUser, SpecError> {
    let plan = input.plan;
    let (user, span): (&str, Span) = match (&plan.process.user, &input.image.user) {
        (Some(user), _) => (&user.value, user.span),
        (None, Some(user)) => (user, plan.image.span),
        (None, None) => ("", plan.service.span),
    };
    input
        .accounts
        .resolve(user)
        .map_err(|source| SpecError::User {
            service: plan.service.value.clone(),
            image: plan.image.value.clone(),
            user: user.to_owned(),
            span,
            source,
        })
}

/// setrlimit(2) fails where the hard limit is above containerd's own.
fn clamp(rlimits: &[PosixRlimit], host: &HostFacts) -> Vec<PosixRlimit> {
    let clamp = |rlimit: &PosixRlimit| {
        if rlimit.typ() != PosixRlimitType::RlimitNofile {
            return *rlimit;
        }
        let hard = rlimit.hard().min(host.nofile_hard);
        PosixRlimitBuilder::default()
            .typ(rlimit.typ())
            .hard(hard)
            .soft(rlimit.soft().min(hard))
            .build()
            .expect("every field has a default")
    };
    rlimits.iter().map(clamp).collect()
}
