//! Knows every container that there ever was: what is left of one, long after containerd has
//! forgotten it, can be told from what is somebody else's.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::wait;

/// `ctr events`, written to a file.
#[derive(Debug)]
pub(super) struct Witness {
    file: PathBuf,
    process: Child,
}

impl Witness {
    /// Follows a containerd from now on. What an earlier witness has written stays.
    pub(super) fn start(file: PathBuf, socket: &Path) -> Result<Self, String> {
        let out = File::options().create(true).append(true).open(&file);
        let out = out.map_err(|error| format!("{}: {error}", file.display()))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "ctr", "--address"])
            .arg(socket)
            .arg("events")
            .stdin(Stdio::null())
            .stdout(out)
            .spawn()
            .map_err(|error| format!("ctr events: {error}"))?;
        let witness = Self { file, process };
        witness.until_awake(socket)?;
        Ok(witness)
    }

    /// Namespace and name of each.
    pub(super) fn containers(&self) -> BTreeSet<(String, String)> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines().filter_map(container).collect()
    }

    /// It subscribes when it likes. It has when it writes down an event that we make.
    fn until_awake(&self, socket: &Path) -> Result<(), String> {
        const NAME: &str = "is-the-witness-awake";
        let before = self.length();
        let ctr = |word: &str| {
            let mut command = Command::new("ctr");
            command
                .arg("--address")
                .arg(socket)
                .args(["namespaces", word, NAME]);
            command.output()
        };
        let awake = wait::within(Duration::from_secs(30), || {
            ctr("create").and(ctr("remove")).ok()?;
            (self.length() > before).then_some(())
        });
        awake.ok_or_else(|| "ctr events tells of no event".to_owned())
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.file).map_or(0, |meta| meta.len())
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// From a line such as `2026-11-22 21:15:35 +0000 UTC default /containers/create {"id":"web"}`.
fn container(line: &str) -> Option<(String, String)> {
    let (head, body) = line.split_once(" /containers/create ")?;
    let event: Value = serde_json::from_str(body).ok()?;
    let namespace = head.split_whitespace().next_back()?;
    Some((namespace.to_owned(), event["id"].as_str()?.to_owned()))
}
