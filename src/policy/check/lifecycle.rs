//! How services begin and end.

use super::Check;
use crate::compose::model::{Restart, RestartCondition, Service};
use crate::compose::source::Span;

pub(super) fn service(check: &mut Check<'_>, service: &Service) {
    let lifecycle = &check.policy.lifecycle;
    let grace = &lifecycle.stop_grace_max;
    if let Some(period) = &service.stop_grace_period
        && !grace.allows(period.value)
    {
        let what = format!("to take {:?} for a stop", period.value);
        check.forbid(
            grace,
            "stop_grace_period",
            period.span,
            what,
            "ask for less",
        );
    }
    for (key, hooks) in [
        ("post_start", &service.post_start),
        ("pre_stop", &service.pre_stop),
    ] {
        if let Some(hook) = hooks.first().filter(|_| !*lifecycle.hooks) {
            let hint = "do it in the service's own command";
            check.forbid(&lifecycle.hooks, key, hook.span, "a hook", hint);
        }
    }
    restart(check, service);
}

/// How often a service asks to be started again; `Err` is for ever.
fn restarts(service: &Service) -> Option<(&'static str, Span, Result<u64, ()>)> {
    // What `deploy` says counts more.
    let deployed = service.deploy.as_ref();
    if let Some(policy) = deployed.and_then(|deploy| deploy.restart_policy.as_ref()) {
        let times = match policy.condition {
            RestartCondition::None => Ok(0),
            RestartCondition::OnFailure | RestartCondition::Any => {
                policy.max_attempts.filter(|times| *times > 0).ok_or(())
            }
        };
        return Some(("deploy.restart_policy", policy.span, times));
    }
    let restart = service.restart.as_ref()?;
    let times = match restart.value {
        Restart::No | Restart::Unknown(_) => Ok(0),
        Restart::OnFailure(times) => times.filter(|times| *times > 0).ok_or(()),
        Restart::Always | Restart::UnlessStopped => Err(()),
    };
    Some(("restart", restart.span, times))
}

fn restart(check: &mut Check<'_>, service: &Service) {
    let max = &check.policy.lifecycle.restart_max;
    let Some((key, span, times)) = restarts(service) else {
        return;
    };
    let what = match times {
        Ok(times) if !max.allows(times) => format!("to be started again {times} times"),
        Err(()) if !max.is_unlimited() => "to be started again for ever".to_owned(),
        _ => return,
    };
    let hint = "bound it: restart: \"on-failure:N\"";
    check.forbid(max, key, span, what, hint);
}
