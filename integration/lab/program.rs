//! Runs of the program under test without Mesos: `up`, `cleanup`, `image load` and the others.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::pod::Pod;
use super::{EXECUTOR, Evidence, Lab, cgroup_name};
use crate::image_archive::Image;
use crate::oracle::cgroups;
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
        }
    }

    /// The project's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
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

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn start(mut self) -> UpRun {
        let file = |name: &str| {
            File::create(self.folder.join(name)).expect("the fixture's folder takes a file")
        };
        self.command
            .args(&self.options)
            .stdin(Stdio::null())
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
            folder: self.folder,
            cgroup: self.cgroup,
            process,
        }
    }
}

/// A control group that an operator has made for pods, in every hierarchy. It goes with its test.
#[derive(Debug)]
struct CgroupParent {
    name: String,
}

impl CgroupParent {
    fn make(name: &str) -> Self {
        for hierarchy in cgroups::hierarchies() {
            let path = hierarchy.join(name);
            fs::create_dir(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        Self {
            name: name.to_owned(),
        }
    }

    /// As in /proc/<pid>/cgroup.
    fn path(&self) -> String {
        format!("/{}", self.name)
    }
}

impl Drop for CgroupParent {
    fn drop(&mut self) {
        for hierarchy in cgroups::hierarchies() {
            // A process that has just died may hold it for a moment. What stays is for the oracle.
            let path = hierarchy.join(&self.name);
            wait::within(Duration::from_secs(5), || fs::remove_dir(&path).ok());
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
    const STDOUT: &'static str = ".up-stdout";
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

    fn read(&self, name: &str) -> String {
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
