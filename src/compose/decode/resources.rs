//! `deploy`, `gpus`, `blkio_config`, `ulimits`.

use super::Decoder;
use super::fields::Fields;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{
    BlkioConfig, Deploy, DeployMode, DeployResources, DeviceRequest, RestartCondition,
    RestartPolicy, ThrottleDevice, Ulimit, UlimitRange, WeightDevice,
};
use crate::compose::node::{Map, Node, Value};
use crate::compose::source::{Span, Spanned};

/// What only a cluster's scheduler could follow.
const CLUSTER_KEYS: [&str; 5] = [
    "endpoint_mode",
    "labels",
    "placement",
    "rollback_config",
    "update_config",
];

impl Decoder {
    pub(super) fn deploy(&mut self, service: &str, fields: Fields<'_>) -> Deploy {
        let mode = fields.text("mode").and_then(|text| {
            let mode = match text.value.as_str() {
                "replicated" => DeployMode::Replicated,
                "global" => DeployMode::Global,
                "replicated-job" => DeployMode::ReplicatedJob,
                "global-job" => DeployMode::GlobalJob,
                other => {
                    let problem = format!("services.{service}.deploy: `{other}` is no mode");
                    self.defer(Diagnostic::invalid(problem).at(text.span));
                    return None;
                }
            };
            Some(text.map(|_| mode))
        });
        let resources = fields.below("resources");
        let part = |name: &str| {
            let part = resources.and_then(|resources| resources.below(name));
            part.map(deploy_resources).unwrap_or_default()
        };
        let ignored = fields.raw.as_map().into_iter().flat_map(Map::iter);
        Deploy {
            span: fields.span(),
            mode,
            replicas: fields.unsigned("replicas"),
            limits: part("limits"),
            reservations: part("reservations"),
            restart_policy: fields
                .below("restart_policy")
                .map(|policy| self.restart_policy(service, policy)),
            ignored: ignored
                .filter(|(key, ..)| CLUSTER_KEYS.contains(key))
                .map(|(key, span, _)| Spanned::new(key.to_owned(), span))
                .collect(),
        }
    }

    fn restart_policy(&mut self, service: &str, fields: Fields<'_>) -> RestartPolicy {
        let condition = match fields.str("condition") {
            None | Some("any") => RestartCondition::Any,
            Some("none") => RestartCondition::None,
            Some("on-failure") => RestartCondition::OnFailure,
            Some(other) => {
                let problem =
                    format!("services.{service}.deploy.restart_policy: `{other}` is no condition");
                let span = fields
                    .node("condition")
                    .map_or(fields.span(), |node| node.span);
                self.defer(
                    Diagnostic::invalid(problem)
                        .at(span)
                        .help("the conditions are none, on-failure and any"),
                );
                RestartCondition::Any
            }
        };
        RestartPolicy {
            span: fields.span(),
            condition,
            delay: fields.duration("delay").map(|delay| delay.value),
            max_attempts: fields.unsigned("max_attempts").map(|most| most.value),
            window: fields.duration("window").map(|window| window.value),
        }
    }

    pub(super) fn ulimit(&mut self, service: &str, entry: (&str, Span, &Node)) -> Ulimit {
        let (name, key_span, node) = entry;
        let fields = Fields::plain(node);
        let mut bound = |number: i64| match number {
            -1 => None,
            number => {
                if number < 0 {
                    let problem = format!("services.{service}.ulimits.{name} is below zero");
                    self.defer(
                        Diagnostic::invalid(problem)
                            .at(node.span)
                            .help("-1 is unlimited"),
                    );
                }
                Some(number.unsigned_abs())
            }
        };
        let range = match node.value {
            Value::Int(number) => {
                let bound = bound(number);
                UlimitRange {
                    soft: bound,
                    hard: bound,
                }
            }
            _ => UlimitRange {
                soft: bound(fields.integer("soft").unwrap_or_default().value),
                hard: bound(fields.integer("hard").unwrap_or_default().value),
            },
        };
        Ulimit {
            name: Spanned::new(name.to_lowercase(), key_span),
            range,
        }
    }
}

fn deploy_resources(fields: Fields<'_>) -> DeployResources {
    let generic = fields.each("generic_resources").filter_map(|item| {
        let spec = item.below("discrete_resource_spec")?;
        Some((spec.text("kind")?, spec.unsigned("value")?.value))
    });
    DeployResources {
        cpus: fields.cpus("cpus"),
        memory: fields.size("memory"),
        pids: fields.integer("pids"),
        devices: fields.each("devices").map(device_request).collect(),
        generic: generic.collect(),
    }
}

pub(super) fn device_request(fields: Fields<'_>) -> DeviceRequest {
    DeviceRequest {
        span: fields.span(),
        driver: fields.text("driver").map(|driver| driver.value),
        count: fields.integer("count").map(|count| count.value),
        device_ids: fields.strings("device_ids"),
        capabilities: fields.strings("capabilities"),
    }
}

pub(super) fn blkio(fields: Fields<'_>) -> BlkioConfig {
    let throttles = |key: &str| {
        let throttle = |item: Fields<'_>| ThrottleDevice {
            path: item.text("path").unwrap_or_default(),
            rate: item.unsigned("rate").unwrap_or_default().value,
        };
        fields.each(key).map(throttle).collect()
    };
    let narrow = |number: u64| u16::try_from(number).unwrap_or(u16::MAX);
    let weighed = |item: Fields<'_>| WeightDevice {
        path: item.text("path").unwrap_or_default(),
        weight: narrow(item.unsigned("weight").unwrap_or_default().value),
    };
    BlkioConfig {
        span: fields.span(),
        weight: fields.unsigned("weight").map(|weight| weight.map(narrow)),
        weight_device: fields.each("weight_device").map(weighed).collect(),
        device_read_bps: throttles("device_read_bps"),
        device_write_bps: throttles("device_write_bps"),
        device_read_iops: throttles("device_read_iops"),
        device_write_iops: throttles("device_write_iops"),
    }
}
