//! Runs of the program under test without Mesos: `up`, `cleanup`, `image load` and the others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pod::Pod;
use super::{EXECUTOR, Evidence, Lab, up_cgroup};
use crate::image_archive::Image;
use crate::wait::{self, PATIENCE};

impl Lab {
    /// A command of the program, told to use this lab.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(EXECUTOR);
        command
            .args(words)
            .args(self.options())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command that ends by itself.
    pub(crate) fn output(&self, words: &[&str]) -> Output {
        let output = self.command(words).output().expect("the program starts");
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
    command: Command,
}

impl<'lab> Up<'lab> {
    pub(crate) fn new(lab: &'lab Lab) -> Self {
        let folder = lab.fixture();
        let mut command = lab.command(&["up", "--cgroup-parent"]);
        command
            .arg(format!("/{}", up_cgroup()))
            .current_dir(&folder);
        Self {
            lab,
            folder,
            command,
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

    pub(crate) fn word(mut self, word: &str) -> Self {
        self.command.arg(word);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self) -> UpRun<'lab> {
        let file = |name: &str| {
            File::create(self.folder.join(name)).expect("the fixture's folder takes a file")
        };
        self.command
            .stdout(file(UpRun::STDOUT))
            .stderr(file(UpRun::STDERR));
        for name in [UpRun::STDOUT, UpRun::STDERR] {
            self.lab.note(Evidence::file(
                format!("{name} of up"),
                self.folder.join(name),
            ));
        }
        let process = self.command.spawn().expect("the program starts");
        UpRun {
            lab: self.lab,
            folder: self.folder,
            process,
        }
    }
}

/// An `up` that runs. When this is dropped, it has ended.
#[derive(Debug)]
pub(crate) struct UpRun<'lab> {
    lab: &'lab Lab,
    folder: PathBuf,
    process: Child,
}

impl UpRun<'_> {
    const STDOUT: &'static str = ".up-stdout";
    const STDERR: &'static str = ".up-stderr";

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

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

    /// Waits for its end.
    pub(crate) fn until_end(&mut self) -> ExitStatus {
        wait::until("the end of up", PATIENCE, || {
            self.process.try_wait().expect("the program is our child")
        })
    }

    /// The pod, as the kernel shows it: the only one of an `up` now.
    pub(crate) fn pod(&self) -> Pod {
        Pod::below(&format!("/{}", up_cgroup()))
    }

    fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Drop for UpRun<'_> {
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
