//! How many processes a service may have: no resource of Mesos', but a limit that a pod can have.

use super::findings::Findings;
use super::twins::{limited, twin};
use crate::compose::model::Service;
use crate::compose::source::Spanned;

/// The most processes of one instance; none where they are unlimited.
pub(super) fn most(service: &Service, findings: &mut Findings) -> Option<u64> {
    let set = |pids: &Spanned<i64>| pids.value > 0;
    let own = service.pids_limit.clone().filter(set);
    let theirs = limited(service, |limits| &limits.pids).filter(set);
    let pids = twin(
        service,
        ("pids_limit", own),
        ("limits.pids", theirs),
        findings,
    )?;
    u64::try_from(pids.value).ok()
}
