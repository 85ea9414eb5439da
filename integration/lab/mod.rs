//! The place where the tests happen: a containerd, a Mesos, and folders of their own.
//!
//! Nothing of it is shared with what else runs on the machine: sockets, folders, ports and
//! control groups have names that no other run has.

pub(crate) mod agent;
pub(crate) mod cgroup;
pub(crate) mod containerd;
pub(crate) mod fault_proxy;
pub(crate) mod footprint;
pub(crate) mod host;
pub(crate) mod hugetlb;
pub(crate) mod marathon;
pub(crate) mod memory;
pub(crate) mod mesos;
pub(crate) mod pod;
pub(crate) mod program;
mod sweep;
pub(crate) mod task;
mod update;
mod witness;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use self::containerd::{Containerd, Events};
use self::mesos::Mesos;

/// The program under test.
pub(crate) const EXECUTOR: &str = env!("CARGO_BIN_EXE_compose-executor");

/// What every test gets.
#[derive(Debug)]
pub(crate) struct Lab {
    /// Its parents are root's alone: the executor takes its folders from nowhere else.
    folder: TempDir,
    containerd: Containerd,
    mesos: OnceLock<Result<Mesos, String>>,
    fixtures: AtomicUsize,
    evidence: Mutex<Vec<Evidence>>,
}

/// A file or a text that tells what happened in a test, for when it fails.
#[derive(Debug, Clone)]
pub(crate) enum Evidence {
    /// The end of a file, from this place on.
    File {
        name: String,
        path: PathBuf,
        from: u64,
    },
    Text {
        name: String,
        text: String,
    },
}

impl Evidence {
    /// A file that belongs to the test.
    pub(crate) fn file(name: impl Into<String>, path: PathBuf) -> Self {
        Self::File {
            name: name.into(),
            path,
            from: 0,
        }
    }

    /// What is written to a file from now on.
    fn rest_of_file(name: &str, path: PathBuf) -> Self {
        let from = fs::metadata(&path).map_or(0, |meta| meta.len());
        Self::File {
            name: name.to_owned(),
            path,
            from,
        }
    }
}

impl Lab {
    /// Starts the containerd. Mesos comes when a test first wants it.
    pub(crate) fn start(events: Events) -> Result<Self, String> {
        let folder = tempfile::Builder::new()
            .prefix("compose-executor-it.")
            .permissions(fs::Permissions::from_mode(0o755))
            .tempdir_in("/var/lib")
            .map_err(|error| format!("/var/lib: {error}"))?;
        for name in ["root", "fixtures"] {
            let path = folder.path().join(name);
            fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        }
        let state = folder.path().join("state");
        memory::folder(&state).map_err(|error| format!("{}: {error}", state.display()))?;
        memory::for_shims().map_err(|error| format!("the state of shims: {error}"))?;
        let config = folder.path().join("config.toml");
        // By hand, everything may be tried; tasks have the default profile.
        fs::write(&config, "[policy]\nup = \"off\"\n")
            .map_err(|error| format!("{}: {error}", config.display()))?;
        let containerd = Containerd::start(&folder.path().join("containerd"), events)?;
        Ok(Self {
            folder,
            containerd,
            mesos: OnceLock::new(),
            fixtures: AtomicUsize::new(0),
            evidence: Mutex::default(),
        })
    }

    pub(crate) fn containerd(&self) -> &Containerd {
        &self.containerd
    }

    /// The master and the agent; starts them if no test has yet.
    ///
    /// # Panics
    /// If they do not start.
    pub(crate) fn mesos(&self) -> &Mesos {
        self.try_mesos()
            .unwrap_or_else(|error| panic!("no Mesos: {error}"))
    }

    pub(crate) fn try_mesos(&self) -> Result<&Mesos, String> {
        let mesos = self
            .mesos
            .get_or_init(|| Mesos::start(&cgroup_name("mesos")));
        mesos.as_ref().map_err(Clone::clone)
    }

    /// Everything that the tests put on a disk is below.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The executor's `--root`.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder().join("root")
    }

    /// The executor's `--state`.
    pub(crate) fn state(&self) -> PathBuf {
        self.folder().join("state")
    }

    /// The operator's configuration: the defaults, and `up` may do everything.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder().join("config.toml")
    }

    /// The options that have the program under test use this lab and nothing else.
    pub(crate) fn options(&self) -> Vec<String> {
        [
            ("--containerd", self.containerd.socket()),
            ("--root", self.root()),
            ("--state", self.state()),
            ("--config", self.config()),
        ]
        .into_iter()
        .flat_map(|(flag, path)| [flag.to_owned(), path.display().to_string()])
        .collect()
    }

    /// The options with another configuration of the operator's, and its path.
    pub(crate) fn options_with(&self, config: &str) -> (Vec<String>, PathBuf) {
        let path = self.fixture().join("config.toml");
        fs::write(&path, config).expect("the fixture's folder takes a file");
        let (usual, other) = (self.config(), path.display().to_string());
        let usual = usual.display().to_string();
        let swap = |word: String| if word == usual { other.clone() } else { word };
        (self.options().into_iter().map(swap).collect(), path)
    }

    /// A new folder for what a test hands to its pod.
    pub(crate) fn fixture(&self) -> PathBuf {
        let number = self.fixtures.fetch_add(1, Ordering::Relaxed);
        let path = self.folder().join("fixtures").join(number.to_string());
        fs::create_dir(&path).expect("the lab's folder takes a fixture");
        path
    }

    /// Keeps where a test that fails is explained.
    pub(crate) fn note(&self, evidence: Evidence) {
        self.evidence
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(evidence);
    }

    /// What was noted since the last call, the ends of files included.
    pub(crate) fn take_evidence(&self) -> String {
        let mut noted = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        noted
            .drain(..)
            .map(|evidence| match evidence {
                Evidence::File { name, path, from } => {
                    format!("--- {name}\n{}\n", tail(&path, from, 25))
                }
                Evidence::Text { name, text } => format!("--- {name}\n{text}\n"),
            })
            .collect()
    }

    /// Forgets what was noted before: a test begins.
    pub(crate) fn begin_evidence(&self) {
        let mut noted = self.evidence.lock().unwrap_or_else(PoisonError::into_inner);
        noted.clear();
        noted.push(Evidence::rest_of_file(
            "containerd's log",
            self.containerd.log(),
        ));
        if let Some(Ok(mesos)) = self.mesos.get() {
            noted.push(Evidence::rest_of_file("the agent's log", mesos.agent_log()));
        }
    }

    /// Takes away what a failed test left.
    pub(crate) fn sweep(&self) {
        sweep::sweep(self);
    }

    /// Stops all of it, and takes away what is left.
    pub(crate) fn stop(&self) {
        if let Some(Ok(mesos)) = self.mesos.get()
            && let Err(error) = mesos.stop()
        {
            eprintln!("{error}");
        }
        self.sweep();
        self.containerd.stop();
        sweep::unmount_below(self.folder());
        memory::no_more_for_shims();
        if let Err(error) = fs::remove_dir_all(self.folder()) {
            eprintln!("{}: {error}", self.folder().display());
        }
    }
}

/// The name of a control group at the root of its hierarchy that no other run uses.
pub(crate) fn cgroup_name(what: &str) -> String {
    format!("compose-executor-it-{}-{what}", process::id())
}

/// The last lines of a file, of what comes after `from`; a word instead if it can't be read.
fn tail(path: &Path, from: u64, lines: usize) -> String {
    match fs::read(path) {
        Ok(bytes) => {
            let from = usize::try_from(from).map_or(0, |from| from.min(bytes.len()));
            let text = String::from_utf8_lossy(&bytes[from..]);
            let all: Vec<_> = text.lines().collect();
            all[all.len().saturating_sub(lines)..].join("\n")
        }
        Err(error) => format!("({}: {error})", path.display()),
    }
}
