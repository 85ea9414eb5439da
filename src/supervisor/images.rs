//! stub
use super::launch::LaunchError;
use super::user_files::UserFiles;
use crate::containerd::*;
use crate::oci::ImageDefaults;
use crate::pod::plan::*;
pub(super) struct PodImage {
    pub(super) chain_id: String,
    pub(super) defaults: ImageDefaults,
    pub(super) name: String,
    pub(super) stop_signal: Option<Signal>,
}
pub(super) async fn of_pod(
    _c: &Client,
    _s: &str,
    _p: &PodPlan,
    _u: &UserFiles,
) -> Result<Vec<PodImage>, LaunchError> {
    Ok(vec![])
}
pub(super) async fn abort_imports(_c: &Client, _l: &LeaseId) -> Result<(), RpcError> {
    Ok(())
}
