//! The program, and folders to run it in.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// Where it was built.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_compose-resources");

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the program was built");
        let Output {
            status,
            stdout,
            stderr,
        } = output;
        let text = |bytes| String::from_utf8(bytes).expect("the program writes text");
        Self {
            code: status.code().expect("nothing kills the program"),
            out: text(stdout),
            err: text(stderr),
        }
    }

    /// Its output, once it went well.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.err);
        serde_json::from_str(&self.out).expect("the output is JSON")
    }
}

/// A command line in a folder, with hardly any environment.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).env_clear().env("PWD", folder);
    command
}

/// A folder with files in it.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("there is room for a file");
        }
        Self(folder)
    }

    /// A folder with this `compose.yaml`.
    pub(crate) fn compose(yaml: &str) -> Self {
        Self::new(&[("compose.yaml", yaml)])
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn run(&self, words: &[&str]) -> Run {
        Run::of(command(self.path()).args(words))
    }
}
