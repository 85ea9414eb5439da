//! The documents that all others start from: `runtime-specs/`, embedded, and replaceable.

use oci_spec::runtime::{Linux, Process, Spec};
use serde::de::DeserializeOwned;

use super::seccomp::SeccompProfile;

/// One of the files in `runtime-specs/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Document {
    Container,
    Pause,
    Seccomp,
}

impl Document {
    pub const ALL: [Self; 3] = [Self::Container, Self::Pause, Self::Seccomp];

    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Container => "container.json",
            Self::Pause => "pause.json",
            Self::Seccomp => "seccomp.json",
        }
    }
}

impl std::fmt::Display for Document {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.file_name())
    }
}

/// Texts to take instead of the embedded ones.
#[derive(Clone, Copy, Debug, Default)]
pub struct BaseTexts<'a> {
    pub container: Option<&'a str>,
    pub pause: Option<&'a str>,
    pub seccomp: Option<&'a str>,
}

/// A file in place of an embedded document that can't be one.
#[derive(Debug, thiserror::Error)]
pub enum BaseSpecError {
    #[error("{document} can't be read")]
    Json {
        document: Document,
        #[source]
        source: serde_json::Error,
    },
    #[error("{document} has no \"{key}\"")]
    Missing {
        document: Document,
        key: &'static str,
    },
}

/// The documents, read and checked.
#[derive(Clone, Debug)]
pub struct BaseSpecs {
    pub(super) container: BaseSpec,
    pub(super) pause: BaseSpec,
    pub(super) seccomp: SeccompProfile,
}

/// A document whose parts that every container needs are there: they are taken out of `rest`.
#[derive(Clone, Debug)]
pub(super) struct BaseSpec {
    pub(super) process: Process,
    pub(super) linux: Linux,
    rest: Spec,
}

impl BaseSpecs {
    /// The documents that come with this program.
    ///
    /// # Panics
    /// Never: a test reads them.
    pub fn embedded() -> Self {
        Self::from_files(BaseTexts::default()).expect("the embedded documents are good")
    }

    /// The texts that are given, and the embedded ones for the others.
    pub fn from_files(texts: BaseTexts<'_>) -> Result<Self, BaseSpecError> {
        let text = |document: Document| match document {
            Document::Container => texts
                .container
                .unwrap_or(include_str!("../../runtime-specs/container.json")),
            Document::Pause => texts
                .pause
                .unwrap_or(include_str!("../../runtime-specs/pause.json")),
            Document::Seccomp => texts
                .seccomp
                .unwrap_or(include_str!("../../runtime-specs/seccomp.json")),
        };
        Ok(Self {
            container: BaseSpec::read(Document::Container, text(Document::Container))?,
            pause: BaseSpec::read(Document::Pause, text(Document::Pause))?,
            seccomp: parse(Document::Seccomp, text(Document::Seccomp))?,
        })
    }
}

impl BaseSpec {
    fn read(document: Document, text: &str) -> Result<Self, BaseSpecError> {
        let mut rest: Spec = parse(document, text)?;
        let missing = |key| BaseSpecError::Missing { document, key };
        Ok(Self {
            process: rest
                .process_mut()
                .take()
                .ok_or_else(|| missing("process"))?,
            linux: rest.linux_mut().take().ok_or_else(|| missing("linux"))?,
            rest,
        })
    }

    /// The whole document.
    pub(super) fn with(&self, process: Process, linux: Linux) -> Spec {
        let mut spec = self.rest.clone();
        spec.set_process(Some(process)).set_linux(Some(linux));
        spec
    }
}

fn parse<T: DeserializeOwned>(document: Document, text: &str) -> Result<T, BaseSpecError> {
    serde_json::from_str(text).map_err(|source| BaseSpecError::Json { document, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_document_can_be_replaced_alone() {
        let texts = BaseTexts {
            container: Some(
                r#"{"ociVersion": "1.0.2", "process": {"user": {}, "cwd": "/srv"}, "linux": {}}"#,
            ),
            ..BaseTexts::default()
        };
        let base = BaseSpecs::from_files(texts).unwrap();
        assert_eq!(base.container.process.cwd().to_str(), Some("/srv"));
        assert_eq!(base.pause.process, BaseSpecs::embedded().pause.process);
    }

    #[test]
    fn a_document_that_is_none_is_named() {
        let pause = Some(r#"{"ociVersion": "1.0.2", "linux": {}}"#);
        let seccomp = Some(r#"{"errno": 1, "allow": []}"#);
        let none = BaseTexts::default();
        let error = |texts| {
            let error = BaseSpecs::from_files(texts).unwrap_err();
            match std::error::Error::source(&error) {
                Some(source) => format!("{error}: {source}"),
                None => error.to_string(),
            }
        };
        insta::assert_snapshot!(error(BaseTexts { pause, ..none }), @r#"pause.json has no "process""#);
        insta::assert_snapshot!(error(BaseTexts { seccomp, ..none }), @"seccomp.json can't be read: unknown field `allow`, expected one of `errno`, `architectures`, `always`, `architecture`, `since`, `capability`, `arguments`, `errors` at line 1 column 20");
        insta::assert_snapshot!(error(BaseTexts { container: Some(""), ..none }), @"container.json can't be read: EOF while parsing a value at line 1 column 0");
    }
}
