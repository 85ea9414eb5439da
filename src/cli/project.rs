//! stub
#[derive(Debug, Clone, clap::Args)]
pub struct ProjectFlags {
    #[arg(short = 'f', long = "file", global = true)]
    pub files: Vec<std::path::PathBuf>,
}
impl ProjectFlags {
    pub fn load_options(
        &self,
        _e: std::collections::BTreeMap<String, String>,
    ) -> Result<crate::compose::LoadOptions, super::CommandError> {
        Ok(Default::default())
    }
}
