//! GPUs: whole devices, some by number and some by name.

use std::collections::BTreeSet;

use super::findings::Findings;
use crate::compose::diagnostic::Diagnostic;
use crate::compose::model::{DeviceRequest, Service};

/// What one service asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct GpuDemand {
    /// Any so many of them.
    pub count: u64,
    /// These. Two services that name one device share it.
    pub ids: BTreeSet<String>,
}

impl GpuDemand {
    /// Of one instance. `all` stands for as many as the caller says; without a word, it is an error.
    pub(super) fn of(service: &Service, all: Option<u64>, findings: &mut Findings) -> Self {
        let mut demand = Self::default();
        for request in requests(service) {
            if !request.device_ids.is_empty() {
                demand.ids.extend(request.device_ids.iter().cloned());
                continue;
            }
            let count = match (request.count.unwrap_or(-1), all) {
                (-1, Some(all)) => Ok(all),
                (-1, None) => Err((
                    "asks for all GPUs, whose number depends on the agent",
                    "say with --gpus how many these are, or give a `count`",
                )),
                (count, _) => u64::try_from(count)
                    .map_err(|_| ("asks for a negative number of GPUs", "-1 is all of them")),
            };
            match count {
                Ok(count) => demand.count = demand.count.saturating_add(count),
                Err((problem, help)) => {
                    let problem = format!("services.{} {problem}", service.name.value);
                    findings.add(Diagnostic::invalid(problem).at(request.span).help(help));
                }
            }
        }
        let generic = service.deploy.iter();
        let generic = generic.flat_map(|deploy| &deploy.reservations.generic);
        for (kind, amount) in generic {
            if kind.eq_ignore_ascii_case("gpu") {
                demand.count = demand.count.saturating_add(*amount);
            }
        }
        demand
    }
}

/// The requests for GPUs of both places; one that stands in both is one.
fn requests(service: &Service) -> Vec<&DeviceRequest> {
    let mut requests: Vec<&DeviceRequest> = service.gpus.iter().collect();
    let mut flat = requests.clone();
    let reserved = service.deploy.iter();
    let reserved = reserved.flat_map(|deploy| &deploy.reservations.devices);
    for request in reserved.filter(|request| is_gpu(request)) {
        let same = |other: &&DeviceRequest| {
            other.device_ids == request.device_ids
                && other.count.unwrap_or(-1) == request.count.unwrap_or(-1)
        };
        match flat.iter().position(same) {
            Some(twin) => {
                flat.swap_remove(twin);
            }
            None => requests.push(request),
        }
    }
    requests
}

fn is_gpu(request: &DeviceRequest) -> bool {
    request.driver.as_deref() == Some("nvidia")
        || request
            .capabilities
            .iter()
            .any(|capability| capability == "gpu")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compose::source::{Span, Spanned};
    use crate::resources::sample::{deploy, service};

    fn request(count: Option<i64>, ids: &[&str]) -> DeviceRequest {
        DeviceRequest {
            span: Span::default(),
            driver: None,
            count,
            device_ids: ids.iter().map(|&id| id.to_owned()).collect(),
            capabilities: vec!["gpu".to_owned()],
        }
    }

    fn demand(service: &Service, all: Option<u64>) -> Result<GpuDemand, Vec<Diagnostic>> {
        let mut findings = Findings::default();
        let demand = GpuDemand::of(service, all, &mut findings);
        if findings.errors.is_empty() {
            Ok(demand)
        } else {
            Err(findings.errors)
        }
    }

    #[test]
    fn a_request_in_both_places_counts_once() {
        let mut twice = service("train");
        twice.gpus = vec![request(Some(2), &[])];
        let mut deploy = deploy();
        deploy.reservations.devices = vec![request(Some(2), &[]), request(Some(1), &[])];
        twice.deploy = Some(deploy);
        assert_eq!(demand(&twice, None).unwrap().count, 3);
    }

    #[test]
    fn all_gpus_need_a_number() {
        let mut greedy = service("train");
        greedy.gpus = vec![request(Some(-1), &[])];
        let errors = demand(&greedy, None).unwrap_err();
        assert_eq!(
            errors[0].message,
            "services.train asks for all GPUs, whose number depends on the agent"
        );
        assert_eq!(demand(&greedy, Some(4)).unwrap().count, 4);
    }

    #[test]
    fn a_negative_number_is_refused() {
        let mut wrong = service("train");
        wrong.gpus = vec![request(Some(-2), &[])];
        assert!(demand(&wrong, Some(4)).is_err());
    }

    #[test]
    fn other_devices_are_no_gpus() {
        let mut other = service("tpu");
        let mut deploy = deploy();
        let mut device = request(Some(1), &[]);
        device.capabilities = vec!["tpu".to_owned()];
        deploy.reservations.devices = vec![device];
        let span = other.name.span;
        deploy.reservations.generic = vec![(Spanned::new("GPU".to_owned(), span), 2)];
        other.deploy = Some(deploy);
        assert_eq!(demand(&other, None).unwrap().count, 2);
    }
}
