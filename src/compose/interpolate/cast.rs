//! Which values are numbers or booleans although interpolation leaves text.

use crate::compose::node::Value;
use crate::compose::units::float;

/// What a text is read as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cast {
    Integer,
    Float,
    Boolean,
}

/// The cast for a path; none where text stays text.
pub(super) fn of(path: &[&str]) -> Option<Cast> {
    let cast = match path {
        ["services", _, rest @ ..] => return service(rest),
        [
            "networks",
            _,
            "external" | "internal" | "attachable" | "enable_ipv4" | "enable_ipv6",
        ]
        | ["volumes" | "secrets" | "configs", _, "external"] => Cast::Boolean,
        _ => return None,
    };
    Some(cast)
}

fn service(path: &[&str]) -> Option<Cast> {
    Some(match path {
        [
            "cpu_count" | "cpu_period" | "cpu_quota" | "cpu_rt_period" | "cpu_rt_runtime"
            | "cpu_shares" | "oom_score_adj" | "pids_limit" | "scale",
        ]
        | ["deploy", "replicas"]
        | ["deploy", "update_config" | "rollback_config", "parallelism"]
        | ["deploy", "restart_policy", "max_attempts"]
        | ["deploy", "placement", "max_replicas_per_node"]
        | ["healthcheck", "retries"]
        | ["ports", "[]", "target"]
        | ["ulimits", _]
        | ["ulimits", _, "hard" | "soft"] => Cast::Integer,
        ["cpu_percent" | "cpus"]
        | [
            "deploy",
            "update_config" | "rollback_config",
            "max_failure_ratio",
        ] => Cast::Float,
        ["init" | "oom_kill_disable" | "privileged" | "read_only" | "stdin_open" | "tty"]
        | ["healthcheck", "disable"]
        | ["volumes", "[]", "read_only"]
        | ["volumes", "[]", "volume", "nocopy"] => Cast::Boolean,
        _ => return None,
    })
}

impl Cast {
    /// The value, and whether it is a boolean only to YAML 1.1.
    pub(super) fn apply(self, text: &str) -> Result<(Value, bool), String> {
        match self {
            Self::Integer => text
                .parse()
                .map(|number| (Value::Int(number), false))
                .map_err(|_| format!("`{text}` is no integer")),
            Self::Float => float(text)
                .map(|number| (Value::Float(number), false))
                .ok_or_else(|| format!("`{text}` is no number")),
            Self::Boolean => match text.to_lowercase().as_str() {
                "true" => Ok((Value::Bool(true), false)),
                "false" => Ok((Value::Bool(false), false)),
                "y" | "yes" | "on" => Ok((Value::Bool(true), true)),
                "n" | "no" | "off" => Ok((Value::Bool(false), true)),
                _ => Err(format!("`{text}` is no boolean")),
            },
        }
    }
}
