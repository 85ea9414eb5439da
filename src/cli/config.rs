//! stub
#[derive(Debug, Clone, clap::Args)]
pub struct ConfigArgs {}
pub(super) fn run(
    _: &ConfigArgs,
    _: &super::ProjectFlags,
    _: &super::Environment,
) -> Result<u8, super::CommandError> {
    Ok(0)
}
