//! stub
#[derive(Debug, Clone, clap::Subcommand)]
pub(super) enum ImageCommand {
    Load,
    Ls,
}
pub(super) fn run(
    _: ImageCommand,
    _: super::HostFlags,
    _: &super::Environment,
) -> Result<u8, super::CommandError> {
    Ok(0)
}
