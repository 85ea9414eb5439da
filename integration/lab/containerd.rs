//! A containerd for the tests alone: its own root, state and socket, whatever its version.

use std::collections::BTreeSet;
use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io;
use std::ops::Deref;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::memory;
use super::witness::Witness;
use crate::wait;

/// Plugins that would write to places outside our folders, or that nobody here asks for.
/// Unknown names are no error in any version.
const DISABLED: &[&str] = &[
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.nri.v1.nri",
];

/// A running containerd. It dies with this program, even if that is killed.
#[derive(Debug)]
pub(crate) struct Containerd {
    folder: PathBuf,
    /// Where programs are looked for before the PATH.
    programs: Mutex<Option<PathBuf>>,
    events: Events,
    running: Mutex<Option<Running>>,
}

/// Whether somebody follows its events.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Events {
    /// So that the oracle knows each container that there was.
    Witnessed,
    /// To write them all down takes a tenth of the processor while pods come and go.
    #[allow(dead_code, reason = "the benches start the lab so, the tests never do")]
    Unheard,
}

/// A containerd beside the lab's, for a test that needs a special one. It is stopped when dropped.
#[derive(Debug)]
pub(crate) struct Spare(Containerd);

impl Spare {
    /// Below a folder of the test's, with the programs in `programs` before those of the PATH.
    pub(crate) fn start(folder: &Path, programs: Option<&Path>) -> Self {
        let started = Containerd::start_with(folder, programs, Events::Witnessed);
        Self(started.unwrap_or_else(|error| panic!("no containerd: {error}")))
    }
}

impl Deref for Spare {
    type Target = Containerd;

    fn deref(&self) -> &Containerd {
        &self.0
    }
}

impl Drop for Spare {
    fn drop(&mut self) {
        self.0.stop();
        super::sweep::unmount_below(&self.0.folder);
    }
}

#[derive(Debug)]
struct Running {
    process: Child,
    witness: Option<Witness>,
}

impl Containerd {
    /// Starts it below `folder`, and waits until it answers.
    pub(crate) fn start(folder: &Path, events: Events) -> Result<Self, String> {
        Self::start_with(folder, None, events)
    }

    fn start_with(folder: &Path, programs: Option<&Path>, events: Events) -> Result<Self, String> {
        let this = Self {
            folder: folder.to_owned(),
            programs: Mutex::new(programs.map(Path::to_owned)),
            events,
            running: Mutex::new(None),
        };
        this.configure()
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        this.launch()?;
        Ok(this)
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.join("root")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.folder.join("containerd.log")
    }

    /// None while it is stopped.
    pub(crate) fn pid(&self) -> Option<Pid> {
        self.running()
            .as_ref()
            .map(|running| pid_of(&running.process))
    }

    /// Namespace and name of every container that it ever had, if there is a witness.
    pub(crate) fn containers_ever(&self) -> BTreeSet<(String, String)> {
        let running = self.running();
        running
            .as_ref()
            .and_then(|running| Some(running.witness.as_ref()?.containers()))
            .unwrap_or_default()
    }

    /// What `ctr` says to these arguments; its error text if it fails.
    pub(crate) fn ctr<I: AsRef<str>>(
        &self,
        namespace: &str,
        words: &[I],
    ) -> Result<String, String> {
        let output = self
            .ctr_command(namespace)
            .args(words.iter().map(AsRef::as_ref))
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("ctr: {error}"))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// `ctr`, told where the daemon is, for who wants to say more.
    pub(crate) fn ctr_command(&self, namespace: &str) -> Command {
        let mut command = Command::new("ctr");
        command
            .args([
                "--connect-timeout",
                "10s",
                "--namespace",
                namespace,
                "--address",
            ])
            .arg(self.socket());
        command
    }

    /// Its namespaces; empty if it does not answer.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let names = self.ctr("default", &["namespaces", "list", "-q"]);
        names
            .unwrap_or_default()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// Ends it as a service manager would, or with SIGKILL after a while.
    pub(crate) fn stop(&self) {
        if let Some(running) = self.running().take() {
            drop(running.witness);
            end(running.process, Signal::SIGTERM);
        }
    }

    /// SIGKILL, as by the kernel for want of memory. Shims and containers live on.
    pub(crate) fn kill(&self) {
        if let Some(running) = self.running().take() {
            drop(running.witness);
            end(running.process, Signal::SIGKILL);
        }
    }

    /// Starts it again on the same state, and waits until it answers.
    pub(crate) fn start_again(&self) {
        self.launch().expect("containerd comes back");
    }

    /// Its next start is of the programs in this folder.
    pub(crate) fn replace_by(&self, programs: &Path) {
        *self.programs.lock().unwrap_or_else(PoisonError::into_inner) = Some(programs.to_owned());
    }

    /// The PATH that it is started with.
    fn path(&self) -> OsString {
        let usual = env::var_os("PATH").unwrap_or_default();
        let programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = programs.iter().cloned().chain(env::split_paths(&usual));
        env::join_paths(folders).expect("no folder of ours has a colon in its name")
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn configure(&self) -> io::Result<()> {
        memory::folder(&self.state())?;
        let mut text = String::from("version = 2\noom_score = 0\n");
        let mut set = |key: &str, value: &dyn std::fmt::Debug| {
            writeln!(text, "{key} = {value:?}").expect("a string takes all that is written");
        };
        set("root", &self.root());
        set("state", &self.state());
        set("disabled_plugins", &DISABLED);
        set("grpc.address", &self.socket());
        // Else it makes /opt/containerd.
        set(
            r#"plugins."io.containerd.internal.v1.opt".path"#,
            &self.folder.join("opt"),
        );
        fs::write(self.folder.join("config.toml"), text)
    }

    fn launch(&self) -> Result<(), String> {
        let log = File::options().create(true).append(true).open(self.log());
        let log = log.map_err(|error| format!("{}: {error}", self.log().display()))?;
        let errors = log.try_clone().map_err(|error| error.to_string())?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "containerd", "--config"])
            .arg(self.folder.join("config.toml"))
            .env("PATH", self.path())
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            // Ctrl-C at the terminal is for us alone; we end it in order.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("containerd: {error}"))?;
        let answers = wait::within(Duration::from_secs(30), || {
            self.ctr("default", &["version"]).ok()
        });
        if answers.is_none() {
            end(process, Signal::SIGKILL);
            let log = super::tail(&self.log(), 0, 20);
            return Err(format!("containerd does not answer:\n{log}"));
        }
        let witness = match self.events {
            Events::Witnessed => Some(Witness::start(self.folder.join("events"), &self.socket())?),
            Events::Unheard => None,
        };
        *self.running() = Some(Running { process, witness });
        Ok(())
    }
}

/// With SIGKILL after a while.
fn end(mut process: Child, signal: Signal) {
    // It may have ended by itself; then there is only its status to take.
    let _ = kill(pid_of(&process), signal);
    let ended = wait::within(Duration::from_secs(10), || {
        process.try_wait().ok().flatten()
    });
    if ended.is_none() {
        let _ = process.kill();
        let _ = process.wait();
    }
}

fn pid_of(process: &Child) -> Pid {
    Pid::from_raw(process.id().try_into().expect("a process id is positive"))
}
