//! A service's life as its file has it: what it waits for, how its health is told, whether it is
//! started again, and what is run beside its start and stop.

use std::time::Duration;

use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{
    Condition, Healthcheck, Hook, Project, Restart, RestartCondition, Service,
};

/// All of it. What only the image knows of health is added at the launch.
#[derive(Clone, Debug, Default)]
pub struct LifePlan {
    pub depends_on: Vec<DependencyPlan>,
    pub healthcheck: Option<Healthcheck>,
    pub restart: RestartPlan,
    /// Run in the container, one after the other, once it has been started.
    pub post_start: Vec<Hook>,
    /// The same, before it is asked to stop.
    pub pre_stop: Vec<Hook>,
}

/// One thing that a service waits for before it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyPlan {
    /// An index into the plan's containers.
    pub on: usize,
    pub condition: Condition,
    /// False: start all the same where it can't be met any more.
    pub required: bool,
}

/// Whether a container that has ended is started again. `restart` and `deploy.restart_policy`; the
/// latter wins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartPlan {
    pub when: RestartWhen,
    /// Without a number, for ever.
    pub max_attempts: Option<u64>,
    /// Between end and start. None: Docker's backoff.
    pub delay: Option<Duration>,
    /// A run of this length is a success, after which attempts are counted anew. None: never.
    pub window: Option<Duration>,
}

/// After which ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartWhen {
    #[default]
    Never,
    OnFailure,
    Always,
}

impl LifePlan {
    /// A dependency that the project leaves out, which only an optional one can be, is none.
    pub(super) fn of(service: &Service, project: &Project, found: &mut Vec<Diagnostic>) -> Self {
        check_hooks(service, found);
        let depends_on = service.depends_on.iter().filter_map(|dependency| {
            let name = &dependency.service.value;
            let named = |other: &Service| other.name.value == *name;
            Some(DependencyPlan {
                on: project.services.iter().position(named)?,
                condition: dependency.condition.value,
                required: dependency.required,
            })
        });
        Self {
            depends_on: depends_on.collect(),
            healthcheck: service.healthcheck.clone(),
            restart: RestartPlan::of(service, found),
            post_start: service.post_start.clone(),
            pre_stop: service.pre_stop.clone(),
        }
    }
}

impl RestartPlan {
    fn of(service: &Service, found: &mut Vec<Diagnostic>) -> Self {
        let deploy = service.deploy.as_ref();
        if let Some(policy) = deploy.and_then(|deploy| deploy.restart_policy.as_ref()) {
            return Self {
                when: match policy.condition {
                    RestartCondition::None => RestartWhen::Never,
                    RestartCondition::OnFailure => RestartWhen::OnFailure,
                    RestartCondition::Any => RestartWhen::Always,
                },
                max_attempts: limit(policy.max_attempts),
                delay: policy.delay,
                window: policy.window.filter(|window| !window.is_zero()),
            };
        }
        let Some(restart) = &service.restart else {
            return Self::default();
        };
        let (when, max_attempts) = match &restart.value {
            Restart::No => (RestartWhen::Never, None),
            // Nobody stops a single service of a pod, which is all that sets them apart.
            Restart::Always | Restart::UnlessStopped => (RestartWhen::Always, None),
            Restart::OnFailure(attempts) => (RestartWhen::OnFailure, limit(*attempts)),
            Restart::Unknown(word) => {
                let name = &service.name.value;
                let text = format!("services.{name}.restart: there is no policy \"{word}\"");
                found.push(
                    Diagnostic::invalid(text)
                        .at(restart.span)
                        .help("no, always, on-failure[:attempts] or unless-stopped"),
                );
                (RestartWhen::Never, None)
            }
        };
        Self {
            when,
            max_attempts,
            ..Self::default()
        }
    }
}

/// Docker's 0 is no limit.
fn limit(attempts: Option<u64>) -> Option<u64> {
    attempts.filter(|&attempts| attempts > 0)
}

fn check_hooks(service: &Service, found: &mut Vec<Diagnostic>) {
    let name = &service.name.value;
    let hooks = [
        ("post_start", &service.post_start),
        ("pre_stop", &service.pre_stop),
    ];
    for (key, hooks) in hooks {
        for hook in hooks.iter().filter(|hook| hook.privileged) {
            let text = format!("services.{name}.{key}: a privileged hook is not supported");
            found.push(
                Diagnostic::unsupported(text)
                    .at(hook.span)
                    .help("a hook has the rights of its service, and no more"),
            );
        }
        for hook in hooks.iter().filter(|hook| hook.command.is_empty()) {
            let text = format!("services.{name}.{key}: the hook has no command");
            found.push(Diagnostic::invalid(text).at(hook.span));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::model::{Deploy, DeployResources, RestartPolicy};
    use crate::compose::source::{Span, Spanned};

    fn service(restart: Option<Restart>) -> Service {
        Service {
            restart: restart.map(|restart| Spanned::new(restart, Span::default())),
            ..Service::default()
        }
    }

    #[test]
    fn each_policy_has_its_meaning() {
        let plan = |restart| {
            let mut found = Vec::new();
            let plan = RestartPlan::of(&service(Some(restart)), &mut found);
            (plan.when, plan.max_attempts, found.len())
        };
        assert_eq!(plan(Restart::No), (RestartWhen::Never, None, 0));
        assert_eq!(plan(Restart::Always), (RestartWhen::Always, None, 0));
        assert_eq!(plan(Restart::UnlessStopped), (RestartWhen::Always, None, 0));
        let on_failure = (RestartWhen::OnFailure, Some(3), 0);
        assert_eq!(plan(Restart::OnFailure(Some(3))), on_failure);
        let for_ever = (RestartWhen::OnFailure, None, 0);
        assert_eq!(plan(Restart::OnFailure(Some(0))), for_ever);
        let unknown = plan(Restart::Unknown("sometimes".into()));
        assert_eq!(unknown, (RestartWhen::Never, None, 1));
    }

    #[test]
    fn the_deploy_policy_wins() {
        let mut service = service(Some(Restart::Always));
        service.deploy = Some(Deploy {
            span: Span::default(),
            mode: None,
            replicas: None,
            limits: DeployResources::default(),
            reservations: DeployResources::default(),
            restart_policy: Some(RestartPolicy {
                span: Span::default(),
                condition: RestartCondition::OnFailure,
                delay: Some(Duration::from_secs(5)),
                max_attempts: Some(2),
                window: Some(Duration::ZERO),
            }),
            ignored: Vec::new(),
        });
        let plan = RestartPlan::of(&service, &mut Vec::new());
        let expected = RestartPlan {
            when: RestartWhen::OnFailure,
            max_attempts: Some(2),
            delay: Some(Duration::from_secs(5)),
            window: None,
        };
        assert_eq!(plan, expected);
    }
}
