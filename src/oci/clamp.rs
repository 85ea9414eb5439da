//! What a file asks for and this host can't give: it is lowered, and that is told.

use super::capabilities;
use super::host::HostFacts;
use super::process::rlimit_type;
use crate::pod::plan::ContainerPlan;

/// A line for each of a service's wishes that containerd's own limits stand in the way of.
pub fn lowered(plan: &ContainerPlan, host: &HostFacts) -> Vec<String> {
    let service = &plan.service.value;
    let mut lines = Vec::new();
    for limit in &plan.process.rlimits {
        let Some(kind) = rlimit_type(&limit.name) else {
            continue;
        };
        let (wanted, most) = (limit.hard.unwrap_or(u64::MAX), host.rlimit_max(kind));
        if wanted > most {
            let name = limit
                .name
                .trim_start_matches("RLIMIT_")
                .to_ascii_lowercase();
            lines.push(format!(
                "services.{service}.ulimits.{name} is lowered to {most}: containerd itself may not have more"
            ));
        }
    }
    let (added, _) = capabilities::named(&plan.rights.capabilities.add);
    for capability in added.difference(&host.bounding) {
        lines.push(format!(
            "services.{service}.cap_add: {capability} is not given: containerd itself lacks it"
        ));
    }
    if let Some(score) = plan.process.oom_score_adj
        && score < host.oom_score_floor
    {
        lines.push(format!(
            "services.{service}.oom_score_adj is raised to {}: containerd may not go lower",
            host.oom_score_floor
        ));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::fixture::Fixture;
    use super::*;
    use crate::pod::plan::RlimitPlan;

    #[test]
    fn each_wish_that_is_not_met_is_told() {
        let mut fixture = Fixture::new();
        assert_eq!(lowered(&fixture.plan, &fixture.host), Vec::<String>::new());
        fixture.plan.process.rlimits = vec![RlimitPlan {
            name: "RLIMIT_NOFILE".into(),
            soft: Some(1),
            hard: None,
        }];
        fixture.plan.rights.capabilities.add = vec!["CAP_SYS_TIME".into()];
        fixture.plan.process.oom_score_adj = Some(-500);
        fixture.host.oom_score_floor = 0;
        insta::assert_snapshot!(lowered(&fixture.plan, &fixture.host).join("\n"), @r"
        services.web.ulimits.nofile is lowered to 1048576: containerd itself may not have more
        services.web.cap_add: SYS_TIME is not given: containerd itself lacks it
        services.web.oom_score_adj is raised to 0: containerd may not go lower
        ");
    }
}
