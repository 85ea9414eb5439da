//! stub
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CleanupArgs {}
pub(super) fn run(
    _: &CleanupArgs,
    _: &super::HostFlags,
    _: &super::Environment,
) -> Result<u8, super::CommandError> {
    Ok(0)
}
