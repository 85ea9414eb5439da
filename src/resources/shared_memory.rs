//! /dev/shm: one for the pod.

use crate::compose::model::{ByteSize, Service};

/// What is to be added for it: the largest size that a service without a memory limit declares. Of
/// a service with a limit the pages are inside that.
pub(super) fn unbounded(services: &[(&Service, bool)]) -> ByteSize {
    let unlimited = services.iter().filter(|(_, limited)| !limited);
    let declared = unlimited.filter_map(|(service, _)| service.shm_size.as_ref());
    declared.map(|size| size.value).max().unwrap_or_default()
}
