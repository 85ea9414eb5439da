//! Which OCI runtime a host's pods run with: crun where it works, else runc.
//!
//! crun starts a container in half the time, but refuses hosts whose cgroup v2 still holds
//! controllers beside v1. Nobody can tell but by trying: the first pod's pause container is the
//! probe, and its answer is remembered for as long as nothing that it rests on has changed.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::pod::plan::RuntimeName;

/// The operator's choice, `containerd.runtime`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// crun where a probe shows that it works on this host, else runc.
    #[default]
    Auto,
    Crun,
    Runc,
}

/// A program that runs containers, as containerd's shim is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OciRuntime {
    Crun,
    Runc,
}

impl OciRuntime {
    /// `binary_name` of the shim's options.
    pub fn binary(self) -> &'static str {
        match self {
            Self::Crun => "crun",
            Self::Runc => "runc",
        }
    }
}

impl From<RuntimeName> for OciRuntime {
    fn from(name: RuntimeName) -> Self {
        match name {
            RuntimeName::Crun => Self::Crun,
            RuntimeName::Runc => Self::Runc,
        }
    }
}

/// What there is to try, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidates {
    /// Decided: by the operator, or by a probe that is remembered.
    One(OciRuntime),
    /// crun is to be tried, and runc taken where it fails.
    CrunElseRunc,
}

/// The answer of a probe, kept in `--state`.
#[derive(Clone, Debug)]
pub struct ProbeMemo {
    path: PathBuf,
    basis: Basis,
    crun: Option<PathBuf>,
}

/// What an answer rests on. Another boot, containerd, crun or set of v2 controllers needs another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Basis {
    boot: String,
    containerd: String,
    /// Path, size and time of change of crun's program; none where there is none.
    crun: Option<String>,
    controllers: String,
}

#[derive(Serialize, Deserialize)]
struct Remembered {
    #[serde(flatten)]
    basis: Basis,
    runtime: OciRuntime,
}

impl ProbeMemo {
    /// `search` is the PATH of containerd's process, `controllers` the text of the v2 hierarchy's
    /// `cgroup.controllers`, if there is one beside v1.
    pub fn new(
        state: &Path,
        boot: &str,
        containerd: &str,
        search: &str,
        controllers: &str,
    ) -> Self {
        let crun = find("crun", search);
        let basis = Basis {
            boot: boot.to_owned(),
            containerd: containerd.to_owned(),
            crun: crun.as_ref().map(|(path, stat)| version(path, stat)),
            controllers: controllers.to_owned(),
        };
        Self {
            path: state.join("runtime.json"),
            basis,
            crun: crun.map(|(path, _)| path),
        }
    }

    /// crun's program, where there is one.
    pub fn crun(&self) -> Option<&Path> {
        self.crun.as_deref()
    }

    pub fn candidates(&self, choice: RuntimeChoice) -> Candidates {
        match choice {
            RuntimeChoice::Crun => Candidates::One(OciRuntime::Crun),
            RuntimeChoice::Runc => Candidates::One(OciRuntime::Runc),
            RuntimeChoice::Auto if self.basis.crun.is_none() => Candidates::One(OciRuntime::Runc),
            RuntimeChoice::Auto => self
                .recall()
                .map_or(Candidates::CrunElseRunc, Candidates::One),
        }
    }

    fn recall(&self) -> Option<OciRuntime> {
        // What can't be read is not remembered: the probe is cheap.
        let remembered: Remembered = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        (remembered.basis == self.basis).then_some(remembered.runtime)
    }

    /// Keeps a probe's answer.
    pub fn remember(&self, runtime: OciRuntime) -> io::Result<()> {
        let text = serde_json::to_vec(&Remembered {
            basis: self.basis.clone(),
            runtime,
        })?;
        let part = self
            .path
            .with_extension(format!("part-{}", std::process::id()));
        fs::write(&part, text)?;
        fs::rename(&part, &self.path)
    }
}

fn find(program: &str, search: &str) -> Option<(PathBuf, Metadata)> {
    let paths = search
        .split(':')
        .filter(|folder| folder.starts_with('/'))
        .map(|folder| Path::new(folder).join(program));
    paths
        .filter_map(|path| Some((path.metadata().ok()?, path)))
        .find(|(stat, _)| stat.is_file())
        .map(|(stat, path)| (path, stat))
}

/// Another program at the same place has another.
fn version(path: &Path, stat: &Metadata) -> String {
    format!(
        "{} {} {}.{:09}",
        path.display(),
        stat.size(),
        stat.mtime(),
        stat.mtime_nsec()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_its_basis_changes() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("crun"), "").unwrap();
        let search = state.path().to_str().unwrap();
        let memo =
            |controllers: &str| ProbeMemo::new(state.path(), "boot", "1.6.20", search, controllers);

        assert_eq!(
            memo("").candidates(RuntimeChoice::Auto),
            Candidates::CrunElseRunc
        );
        memo("").remember(OciRuntime::Runc).unwrap();
        assert_eq!(
            memo("").candidates(RuntimeChoice::Auto),
            Candidates::One(OciRuntime::Runc)
        );
        assert_eq!(
            memo("").candidates(RuntimeChoice::Crun),
            Candidates::One(OciRuntime::Crun)
        );
        assert_eq!(
            memo("hugetlb").candidates(RuntimeChoice::Auto),
            Candidates::CrunElseRunc
        );
    }

    #[test]
    fn without_crun_there_is_nothing_to_probe() {
        let state = tempfile::tempdir().unwrap();
        let memo = ProbeMemo::new(
            state.path(),
            "boot",
            "1.6.20",
            state.path().to_str().unwrap(),
            "",
        );
        assert_eq!(
            memo.candidates(RuntimeChoice::Auto),
            Candidates::One(OciRuntime::Runc)
        );
    }
}
