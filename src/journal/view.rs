//! What the owner of a pod lets others see of its services: their health, and how often they were
//! started again. containerd knows neither.
//!
//! A file in `--state`, replaced as a whole whenever something in it has changed. It is written for
//! whoever looks now and worth nothing after a crash of the host, so it is never synced. As long as
//! no service has a health check or was started again there is none.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::folders::failed;
use crate::sys::PathError;

const SCHEMA: u32 = 1;

/// The services of a pod by their names; one that is missing has nothing to tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodView {
    schema: u32,
    services: BTreeMap<String, ServiceView>,
}

/// A service, as its pod's owner sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceView {
    /// None where nothing tells of it.
    pub health: Option<HealthView>,
    /// How often it was started again, or is about to be.
    pub restarts: u64,
}

/// Docker's words for a service's health.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthView {
    Starting,
    Healthy,
    Unhealthy,
}

impl HealthView {
    pub fn word(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

impl PodView {
    /// Those with something to tell are kept.
    pub fn of(services: impl IntoIterator<Item = (String, ServiceView)>) -> Self {
        let telling = |(_, view): &(String, ServiceView)| *view != ServiceView::default();
        Self {
            schema: SCHEMA,
            services: services.into_iter().filter(telling).collect(),
        }
    }

    /// Those that have something to tell.
    pub fn services(&self) -> impl Iterator<Item = (&str, ServiceView)> {
        self.services
            .iter()
            .map(|(name, view)| (name.as_str(), *view))
    }

    pub fn service(&self, name: &str) -> ServiceView {
        self.services.get(name).copied().unwrap_or_default()
    }

    /// The view in this file; an empty one where there is none, or one of a later version.
    ///
    /// # Errors
    /// If it is there and can't be read or understood.
    pub fn read(path: &Path) -> Result<Self, PathError> {
        let text = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::of([])),
            result => result.map_err(|source| failed("read", path, source))?,
        };
        let view: Self =
            serde_json::from_slice(&text).map_err(|error| failed("read", path, error.into()))?;
        Ok(if view.schema == SCHEMA {
            view
        } else {
            Self::of([])
        })
    }

    /// Replaces the view in this file: whoever reads it sees this one or the one before.
    pub fn write(&self, path: &Path) -> Result<(), PathError> {
        let text = serde_json::to_vec(self).map_err(|error| failed("write", path, error.into()))?;
        let beside = path.with_extension("new");
        fs::write(&beside, text).map_err(|source| failed("write", &beside, source))?;
        fs::rename(&beside, path).map_err(|source| failed("replace", path, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> PodView {
        let ill = ServiceView {
            health: Some(HealthView::Unhealthy),
            restarts: 3,
        };
        let services = [("web", ill), ("job", ServiceView::default())];
        PodView::of(services.map(|(name, view)| (name.to_owned(), view)))
    }

    #[test]
    fn a_view_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.json");
        assert_eq!(PodView::read(&path).unwrap(), PodView::of([]));
        view().write(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        insta::assert_snapshot!(text, @r#"{"schema":1,"services":{"web":{"health":"unhealthy","restarts":3}}}"#);
        let read = PodView::read(&path).unwrap();
        assert_eq!(read, view());
        assert_eq!(read.service("job"), ServiceView::default());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_later_version_wrote_tells_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("view.json");
        fs::write(&path, r#"{"schema": 2, "services": {}, "new": 1}"#).unwrap();
        assert_eq!(PodView::read(&path).unwrap(), PodView::of([]));
        fs::write(&path, "{").unwrap();
        assert!(PodView::read(&path).is_err());
    }
}
