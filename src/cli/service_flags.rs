//! The services that are meant, of the pods that are.

use clap::Args;

use super::exit::CommandError;
use crate::operator::pods::{self, HostPod};

/// The last words of every command that shows services.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ServiceFlags {
    /// Only these services
    #[arg(value_name = "SERVICE")]
    services: Vec<String>,
}

impl ServiceFlags {
    /// A service that none of the pods has is a mistake.
    pub(super) fn check(&self, pods: &[HostPod]) -> Result<(), CommandError> {
        let mut services = self.services.iter();
        services
            .try_for_each(|service| pods::one_has(pods, service))
            .map_err(CommandError::failed)
    }

    /// Whether none is named, and so all are meant.
    pub(super) fn are_all(&self) -> bool {
        self.services.is_empty()
    }

    pub(super) fn mean(&self, service: &str) -> bool {
        self.are_all() || self.services.iter().any(|named| named == service)
    }

    /// Whether a pod is worth a word: it has one that is meant, or none is named.
    pub(super) fn are_of(&self, pod: &HostPod) -> bool {
        let mut services = pod.record.services.iter();
        self.are_all() || services.any(|service| self.mean(&service.service))
    }

    /// Those of a pod that are meant: as they were named, or in the order of the file.
    pub(super) fn of(&self, pod: &HostPod) -> Vec<String> {
        if self.are_all() {
            pod.services()
        } else {
            self.services.clone()
        }
    }
}
