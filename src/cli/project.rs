//! stub
#[derive(Debug, Clone, clap::Args)]
pub struct ProjectFlags {
    #[arg(short = 'f', long = "file", global = true)]
    pub files: Vec<std::path::PathBuf>,
}
impl ProjectFlags {
    pub fn load_options(
        &self,
        e: std::collections::BTreeMap<String, String>,
    ) -> Result<crate::compose::LoadOptions, super::CommandError> {
        Ok(crate::compose::LoadOptions {
            files: self.files.clone(),
            working_dir: std::env::current_dir().unwrap(),
            environment: e,
            ..Default::default()
        })
    }
}
