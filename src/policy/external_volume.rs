//! Volumes that are there before any task: which folder of the host's each name stands for.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::host_path::{absolute, read_only};

/// The names that a file may call `external`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "Vec<ExternalVolume>")]
pub struct ExternalVolumes(Vec<ExternalVolume>);

/// One volume.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ExternalVolume {
    pub name: String,
    #[serde(deserialize_with = "absolute")]
    pub path: PathBuf,
    /// It may only be read. True where it is not said.
    #[serde(default = "read_only")]
    pub read_only: bool,
}

impl TryFrom<Vec<ExternalVolume>> for ExternalVolumes {
    type Error = String;

    fn try_from(volumes: Vec<ExternalVolume>) -> Result<Self, String> {
        for (place, volume) in volumes.iter().enumerate() {
            if volume.path == Path::new("/") {
                return Err(format!("\"{}\" would be the whole host", volume.name));
            }
            if volumes[..place].iter().any(|it| it.name == volume.name) {
                return Err(format!("\"{}\" is there twice", volume.name));
            }
        }
        Ok(Self(volumes))
    }
}

impl ExternalVolumes {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub fn iter(&self) -> impl Iterator<Item = &ExternalVolume> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_is_a_name_and_a_folder_read_only_unless_it_says_otherwise() {
        let read = |text: &str| serde_json::from_str::<ExternalVolumes>(text);
        let text = r#"[{"name": "models", "path": "/srv/models"}, {"name": "spool", "path": "/srv/spool", "read_only": false}]"#;
        let volumes = read(text).unwrap();
        let shown: Vec<_> = volumes
            .iter()
            .map(|it| (it.name.as_str(), it.read_only))
            .collect();
        assert_eq!(shown, [("models", true), ("spool", false)]);
        for wrong in [
            r#"[{"name": "a", "path": "srv"}]"#,
            r#"[{"name": "a", "path": "/srv/../etc"}]"#,
            r#"[{"name": "a", "path": "/"}]"#,
            r#"[{"name": "a"}]"#,
            r#"[{"name": "a", "path": "/x", "ro": true}]"#,
            r#"[{"name": "a", "path": "/x"}, {"name": "a", "path": "/y"}]"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
