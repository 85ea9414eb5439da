//! Runs of the program under test without Mesos: `up`, `cleanup`, `image load` and the others.

use std::fs::{self, File};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cgroup::CgroupParent;
use super::pod::Pod;
use super::{EXECUTOR, Evidence, Lab, cgroup_name};
use crate::image_archive::Image;
use crate::wait::{self, PATIENCE};

impl Lab {
    /// Runs a command that ends by itself.
    pub(crate) fn output(&self, words: &[&str]) -> Output {
        let mut command = Command::new(EXECUTOR);
        command
            .args(words)
            .args(self.options())
            .stdin(Stdio::null());
        let output = command.output().expect("the program starts");
        self.note(Evidence::Text {
            name: format!("compose-executor {}: {}", words.join(" "), output.status),
            text: format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ),
        });
        output
    }

    /// One `cleanup`, which must find that all is well, or make it so.
    pub(crate) fn cleanup(&self) {
        let output = self.output(&["cleanup"]);
        assert!(output.status.success(), "cleanup: {}", output.status);
    }
}

/// An `up` that is being put together.
#[derive(Debug)]
#[must_use = "nothing happens before start()"]
pub(crate) struct Up<'lab> {
    lab: &'lab Lab,
    folder: PathBuf,
    cgroup: CgroupParent,
    command: Command,
    options: Vec<String>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl<'lab> Up<'lab> {
    pub(crate) fn new(lab: &'lab Lab) -> Self {
        let folder = lab.fixture();
        let number = folder.file_name().unwrap_or_default().to_string_lossy();
        let cgroup = CgroupParent::make(&cgroup_name(&format!("up-{number}")));
        let mut command = Command::new(EXECUTOR);
        command
            .args(["up", "--cgroup-parent", &cgroup.path()])
            .current_dir(&folder);
        Self {
            lab,
            folder,
            cgroup,
            command,
            options: lab.options(),
            stdout: None,
            stderr: None,
        }
    }

    /// The project's Compose file, under its usual name.
    pub(crate) fn compose(self, yaml: &str) -> Self {
        self.file("compose.yaml", yaml)
    }

    /// A file of the project.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        fs::write(self.folder.join(name), content).expect("the fixture's folder takes a file");
        self
    }

    /// An image of the project, as an archive of this name.
    pub(crate) fn archive(self, name: &str, image: &Image) -> Self {
        image.write(&self.folder.join(name));
        self
    }

    /// Another containerd than the lab's.
    pub(crate) fn containerd(mut self, socket: &str) -> Self {
        let lab = self.lab.containerd().socket().display().to_string();
        for word in self.options.iter_mut().filter(|word| **word == lab) {
            socket.clone_into(word);
        }
        self
    }

    /// More words of the command line.
    pub(crate) fn args(mut self, words: &[&str]) -> Self {
        self.command.args(words);
        self
    }

    /// A containerd of its own, below the lab's folders.
    pub(crate) fn managed(self) -> Self {
        self.containerd("managed")
    }

    /// Another configuration of the operator's than the lab's.
    pub(crate) fn config(mut self, text: &str) -> Self {
        let path = self.folder.join("config.toml");
        fs::write(&path, text).expect("the fixture's folder takes a file");
        let lab = self.lab.config().display().to_string();
        for word in self.options.iter_mut().filter(|word| **word == lab) {
            *word = path.display().to_string();
        }
        self
    }

    /// In a process group of its own, as a shell at a terminal starts it.
    pub(crate) fn group(mut self) -> Self {
        self.command.process_group(0);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Its standard output goes there, and not to where [`UpRun::stdout`] looks.
    pub(crate) fn stdout_to(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = Some(to.into());
        self
    }

    /// The same for its standard error.
    pub(crate) fn stderr_to(mut self, to: impl Into<Stdio>) -> Self {
        self.stderr = Some(to.into());
        self
    }

    /// A flag or a service, after the command.
    pub(crate) fn word(mut self, word: &str) -> Self {
        self.command.arg(word);
        self
    }

    /// The folder of the project.
    pub(crate) fn folder(&self) -> PathBuf {
        self.folder.clone()
    }

    pub(crate) fn start(mut self) -> UpRun {
        let file = |name: &str| {
            File::create(self.folder.join(name)).expect("the fixture's folder takes a file")
        };
        self.command
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(
                self.stdout
                    .take()
                    .unwrap_or_else(|| file(UpRun::STDOUT).into()),
            )
            .stderr(
                self.stderr
                    .take()
                    .unwrap_or_else(|| file(UpRun::STDERR).into()),
            );
        for name in [UpRun::STDOUT, UpRun::STDERR] {
            self.lab.note(Evidence::file(
                format!("{name} of up"),
                self.folder.join(name),
            ));
        }
        let process = self.command.spawn().expect("the program starts");
        // With it go our copies of what it was given.
        drop(self.command);
        UpRun {
            folder: self.folder,
            cgroup: self.cgroup,
            process,
        }
    }
}

/// An `up` that runs. When this is dropped, it has ended.
#[derive(Debug)]
pub(crate) struct UpRun {
    folder: PathBuf,
    cgroup: CgroupParent,
    process: Child,
}

impl UpRun {
    /// The file in its folder that its standard output goes to.
    pub(crate) const STDOUT: &'static str = ".up-stdout";
    const STDERR: &'static str = ".up-stderr";

    pub(crate) fn stdout(&self) -> String {
        self.read(Self::STDOUT)
    }

    pub(crate) fn stderr(&self) -> String {
        self.read(Self::STDERR)
    }

    /// Waits until a line of stdout has these words.
    ///
    /// # Panics
    /// If the program ends before.
    pub(crate) fn until_stdout(&mut self, words: &str) -> String {
        wait::until(&format!("{words:?} in stdout of up"), PATIENCE, || {
            // The look at the process comes first: what it wrote before its end counts.
            let ended = self.process.try_wait().expect("the program is our child");
            let text = self.stdout();
            let line = text
                .lines()
                .find(|line| line.contains(words))
                .map(str::to_owned);
            if let (None, Some(status)) = (&line, ended) {
                panic!("up ended ({status}) without {words:?}:\n{}", self.stderr());
            }
            line
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.process.id().try_into().expect("a process id is small");
        kill(Pid::from_raw(pid), signal).expect("the program is our child");
    }

    /// Signals all that is in its process group, as Ctrl-C at a terminal does.
    pub(crate) fn signal_group(&self, signal: Signal) {
        let pid: i32 = self.process.id().try_into().expect("a process id is small");
        kill(Pid::from_raw(-pid), signal).expect("the program leads its group");
    }

    /// Waits for its end.
    pub(crate) fn until_end(&mut self) -> ExitStatus {
        wait::until("the end of up", PATIENCE, || {
            self.process.try_wait().expect("the program is our child")
        })
    }

    /// Where the project's files are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The cgroup that the pod is below.
    pub(crate) fn cgroup(&self) -> String {
        self.cgroup.path()
    }

    /// The pod, as the kernel shows it.
    pub(crate) fn pod(&self) -> Pod {
        Pod::below(&self.cgroup.path())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Whether no pod of it is left.
    pub(crate) fn pod_is_gone(&self) -> bool {
        Pod::all_below(&self.cgroup.path()).is_empty()
    }

    /// A file of its folder; empty if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for UpRun {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        self.signal(Signal::SIGINT);
        if wait::within(PATIENCE, || self.process.try_wait().ok().flatten()).is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}
