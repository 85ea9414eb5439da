//! A task for the Mesos of the lab: what it is made of, and its run.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::pod::{self, Pod, Process};
pub(crate) use super::update::Update;
use super::{Containerd, EXECUTOR, Evidence, Lab};
use crate::image_archive::{self, Image};
use crate::wait::{self, PATIENCE};

/// A task that is being put together. Its executor, its Compose file and its archives come to the
/// sandbox through the task's URIs, as an operator would have it.
#[derive(Debug)]
#[must_use = "nothing happens before launch()"]
pub(crate) struct Task<'lab> {
    lab: &'lab Lab,
    fixture: PathBuf,
    executor: String,
    words: Vec<String>,
    patience: Duration,
}

impl<'lab> Task<'lab> {
    pub(crate) fn new(lab: &'lab Lab) -> Self {
        let options = lab.options().join(" ");
        Self::bare(lab)
            .executor(&format!("exec ./compose-executor {options}"))
            .uri(Path::new(EXECUTOR), ",executable")
    }

    /// A task that needs [`executor`](Self::executor), and brings nothing into the sandbox.
    pub(crate) fn bare(lab: &'lab Lab) -> Self {
        Self {
            lab,
            fixture: lab.fixture(),
            executor: String::new(),
            words: Vec::new(),
            patience: PATIENCE,
        }
    }

    /// The pod's Compose file, under its usual name.
    pub(crate) fn compose(self, yaml: &str) -> Self {
        self.file("compose.yaml", yaml)
    }

    /// A file for the sandbox.
    pub(crate) fn file(self, name: &str, content: &str) -> Self {
        let path = self.fixture.join(name);
        fs::write(&path, content).expect("the fixture's folder takes a file");
        self.uri(&path, ",noextract")
    }

    /// An image for the sandbox, as an archive of this name.
    pub(crate) fn archive(self, name: &str, image: &Image) -> Self {
        let path = self.fixture.join(name);
        image.write(&path);
        self.uri(&path, ",noextract")
    }

    /// An empty folder for the sandbox.
    pub(crate) fn folder(self, name: &str) -> Self {
        let archive = self.fixture.join(format!("{name}.tar"));
        image_archive::archive_with_folder(&archive, name);
        self.unpacked(&archive)
    }

    /// An archive that Mesos' fetcher unpacks into the sandbox.
    pub(crate) fn unpacked(self, archive: &Path) -> Self {
        self.uri(archive, "")
    }

    pub(crate) fn label(self, key: &str, value: &str) -> Self {
        self.option("--label", format!("{key}={value}"))
    }

    /// A variable of the executor's environment.
    pub(crate) fn env(self, name: &str, value: &str) -> Self {
        self.option("--env", format!("{name}={value}"))
    }

    /// What the task has of memory, in MiB; the executor's own comes on top.
    pub(crate) fn mem(self, mebibytes: u32) -> Self {
        self.option("--mem", mebibytes)
    }

    pub(crate) fn id(self, id: &str) -> Self {
        self.option("--task-id", id)
    }

    /// The user that the framework and so its executors have.
    pub(crate) fn user(self, name: &str) -> Self {
        self.option("--user", name)
    }

    /// The framework checkpoints: its executors outlive the agent.
    pub(crate) fn checkpoint(mut self) -> Self {
        self.words.push("--checkpoint".to_owned());
        self
    }

    /// How many tasks the one executor gets.
    pub(crate) fn count(self, tasks: usize) -> Self {
        self.option("--tasks", tasks)
    }

    /// So many executors, with a task each.
    pub(crate) fn executors(self, number: usize) -> Self {
        self.option("--executors", number)
    }

    /// How long its events are waited for, where much happens at once.
    pub(crate) fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.option("--leave", patience.as_secs())
    }

    /// A `LAUNCH_GROUP` of so many.
    pub(crate) fn group(self, tasks: usize) -> Self {
        self.option("--group", tasks)
    }

    /// Seconds that the agent gives the executor upon SHUTDOWN.
    pub(crate) fn shutdown_grace(self, grace: Duration) -> Self {
        self.option("--grace", grace.as_secs_f32())
    }

    /// The executor from where every user may read it; the build's folder may be closed to them.
    pub(crate) fn readable_executor(mut self) -> Self {
        let copy = self.fixture.join("compose-executor");
        fs::copy(EXECUTOR, &copy).expect("the fixture's folder takes the program");
        for word in &mut self.words {
            *word = word.replace(EXECUTOR, &copy.display().to_string());
        }
        self
    }

    /// Under another configuration of the operator's.
    pub(crate) fn config(self, config: &str) -> Self {
        let (options, _) = self.lab.options_with(config);
        self.executor(&format!("exec ./compose-executor {}", options.join(" ")))
    }

    /// On another containerd than the lab's, under this configuration.
    pub(crate) fn on(self, containerd: &Containerd, config: &str) -> Self {
        let usual = self.lab.containerd().socket().display().to_string();
        let other = containerd.socket().display().to_string();
        let (options, _) = self.lab.options_with(config);
        let options = options.join(" ").replace(&usual, &other);
        self.executor(&format!("exec ./compose-executor {options}"))
    }

    /// A command of its own instead of the usual one.
    pub(crate) fn executor(mut self, command: &str) -> Self {
        command.clone_into(&mut self.executor);
        self
    }

    pub(crate) fn launch(self) -> TaskRun<'lab> {
        TaskRun::new(&self)
    }

    fn uri(self, path: &Path, options: &str) -> Self {
        self.option("--uri", format!("{}{options}", path.display()))
    }

    /// An option of `mesos-lab run`.
    pub(crate) fn option(mut self, name: &str, value: impl Display) -> Self {
        self.words.extend([name.to_owned(), value.to_string()]);
        self
    }
}

/// A task that was launched. When this is dropped, its framework is gone from Mesos.
#[derive(Debug)]
pub(crate) struct TaskRun<'lab> {
    lab: &'lab Lab,
    process: Child,
    /// None once the input is closed.
    commands: Option<ChildStdin>,
    events: Receiver<Value>,
    reader: Option<JoinHandle<()>>,
    seen: Vec<Value>,
    patience: Duration,
}

impl<'lab> TaskRun<'lab> {
    fn new(task: &Task<'lab>) -> Self {
        let mut process = task
            .lab
            .mesos()
            .run_command()
            .args(["--stdin", "--leave", "30", "--timeout", "300"])
            .args(["--executor", &task.executor])
            .args(&task.words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the lab's scheduler starts");
        let (sender, events) = channel();
        let lines = BufReader::new(process.stdout.take().expect("it is a pipe")).lines();
        let reader = thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("the scheduler writes JSON lines");
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        let mut run = Self {
            lab: task.lab,
            commands: process.stdin.take(),
            process,
            events,
            reader: Some(reader),
            seen: Vec::new(),
            patience: task.patience,
        };
        run.until("the launch", |event| {
            (event["event"] == "launched").then_some(())
        });
        for name in ["stdout", "stderr", "executor.log"] {
            let title = format!("{name} of {}", run.task_id());
            run.lab
                .note(Evidence::file(title, run.sandbox().join(name)));
        }
        run
    }

    /// Waits for an update with this state.
    ///
    /// # Panics
    /// If the task ends otherwise.
    pub(crate) fn until_state(&mut self, state: &str) -> Update {
        let update = self.until(state, |event| {
            let update = Update::of(event)?;
            (update.state() == state || update.is_terminal()).then_some(update)
        });
        assert_eq!(update.state(), state, "{}", update.message());
        update
    }

    /// Waits for the terminal update.
    pub(crate) fn until_end(&mut self) -> Update {
        self.until("the end of the task", |event| {
            Update::of(event).filter(Update::is_terminal)
        })
    }

    /// Waits for an update that is as wanted.
    pub(crate) fn until_update(&mut self, what: &str, wanted: impl Fn(&Update) -> bool) -> Update {
        self.until(what, |event| Update::of(event).filter(&wanted))
    }

    /// Waits until the executor has ended too and Mesos has forgotten the framework: from then on
    /// nothing can be left of the task.
    ///
    /// # Panics
    /// If the executor stays.
    pub(crate) fn until_gone(&mut self) {
        let done = self.until("the end of the executor", |event| {
            (event["event"] == "done").then(|| event.clone())
        });
        assert_eq!(
            done["agent_clean"], true,
            "the agent still has the framework: {done}"
        );
        assert_eq!(
            done["executor_ended"], true,
            "the executor did not end by itself: {done}"
        );
    }

    /// All updates so far; all there will ever be after [`until_gone`](Self::until_gone).
    pub(crate) fn updates(&mut self) -> Vec<Update> {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().filter_map(Update::of).collect()
    }

    /// The states of all updates so far, as [`updates`](Self::updates).
    pub(crate) fn states(&mut self) -> Vec<String> {
        let updates = self.updates();
        updates
            .iter()
            .map(|update| update.state().to_owned())
            .collect()
    }

    pub(crate) fn kill(&mut self) {
        self.command("kill");
    }

    /// A KILL of one of several tasks.
    pub(crate) fn kill_task(&mut self, id: &str) {
        self.command(&format!("kill-task {id}"));
    }

    /// KILLs until the task has ended: an agent that has just come back may have lost one.
    pub(crate) fn kill_until_end(&mut self) -> Update {
        for _ in 0..10 {
            self.kill();
            let ended = self.within(Duration::from_secs(2), |event| {
                Update::of(event).filter(Update::is_terminal)
            });
            if let Ok(update) = ended {
                return update;
            }
        }
        self.until_end()
    }

    /// A KILL with a kill policy.
    pub(crate) fn kill_within(&mut self, grace: Duration) {
        self.command(&format!("kill {}", grace.as_secs_f32()));
    }

    /// SHUTDOWN of the executor.
    pub(crate) fn shutdown(&mut self) {
        self.command("shutdown");
    }

    /// A framework message to the executor.
    pub(crate) fn message(&mut self, text: &str) {
        self.command(&format!("message {text}"));
    }

    pub(crate) fn task_id(&self) -> String {
        let launched = self.launched();
        launched["tasks"][0]
            .as_str()
            .expect("it names its tasks")
            .to_owned()
    }

    pub(crate) fn sandbox(&self) -> PathBuf {
        let launched = self.launched();
        launched["sandbox"]
            .as_str()
            .expect("it names the sandbox")
            .into()
    }

    pub(crate) fn stdout(&self) -> String {
        self.read("stdout")
    }

    pub(crate) fn stderr(&self) -> String {
        self.read("stderr")
    }

    /// A file of the sandbox; empty if it is not there.
    pub(crate) fn read(&self, name: &str) -> String {
        let bytes = fs::read(self.sandbox().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits until a line of the sandbox's stdout has these words.
    pub(crate) fn until_stdout(&self, words: &str) -> String {
        wait::until(&format!("{words:?} in stdout"), PATIENCE, || {
            let text = self.stdout();
            text.lines()
                .find(|line| line.contains(words))
                .map(str::to_owned)
        })
    }

    /// The executor's control group, as it stands in /proc/<pid>/cgroup.
    pub(crate) fn cgroup(&mut self) -> String {
        let mut all = self.cgroups().into_iter();
        all.next().expect("an update names the Mesos container")
    }

    /// The control groups of all executors of this run.
    pub(crate) fn cgroups(&mut self) -> BTreeSet<String> {
        let root = self.lab.mesos().cgroups_root();
        let updates = self.updates();
        let containers = updates.iter().filter_map(Update::container);
        containers.map(|id| format!("/{root}/{id}")).collect()
    }

    /// The executor itself, not the launcher above it.
    pub(crate) fn executor(&mut self) -> Process {
        let processes = pod::processes_in(&self.cgroup());
        let is_executor = |process: &Process| {
            process
                .command
                .first()
                .is_some_and(|word| word.ends_with("/compose-executor"))
        };
        processes
            .into_iter()
            .find(is_executor)
            .expect("the executor runs")
    }

    /// The pod, as the kernel shows it.
    pub(crate) fn pod(&mut self) -> Pod {
        Pod::below(&self.cgroup())
    }

    /// The pods of an executor with several tasks.
    pub(crate) fn pods(&mut self) -> Vec<Pod> {
        Pod::all_below(&self.cgroup())
    }

    /// Waits until this task has this state.
    ///
    /// # Panics
    /// If the task ends otherwise.
    pub(crate) fn until_task(&mut self, task: &str, state: &str) -> Update {
        let update = self.until_update(&format!("{state} of {task}"), |update| {
            update.task() == task && (update.state() == state || update.is_terminal())
        });
        assert_eq!(update.state(), state, "{}", update.message());
        update
    }

    fn launched(&self) -> &Value {
        let mut events = self.seen.iter();
        events
            .find(|event| event["event"] == "launched")
            .expect("new() waited for it")
    }

    fn command(&mut self, line: &str) {
        let input = self
            .commands
            .as_mut()
            .expect("the input is open until the drop");
        writeln!(input, "{line}").expect("the scheduler listens");
    }

    fn until<T>(&mut self, what: &str, find: impl Fn(&Value) -> Option<T>) -> T {
        let patience = self.patience;
        self.within(patience, find)
            .unwrap_or_else(|error| match error {
                RecvTimeoutError::Timeout => panic!("waited {patience:?} for {what}"),
                RecvTimeoutError::Disconnected => panic!("the run ended without {what}"),
            })
    }

    /// The first event, seen before or yet to come, in which `find` finds something.
    fn within<T>(
        &mut self,
        limit: Duration,
        find: impl Fn(&Value) -> Option<T>,
    ) -> Result<T, RecvTimeoutError> {
        if let Some(found) = self.seen.iter().find_map(&find) {
            return Ok(found);
        }
        let end = Instant::now() + limit;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let event = self.events.recv_timeout(left)?;
            self.seen.push(event.clone());
            if let Some(found) = find(&event) {
                return Ok(found);
            }
        }
    }
}

impl Drop for TaskRun<'_> {
    fn drop(&mut self) {
        // The end of its input has the scheduler tear its framework down.
        drop(self.commands.take());
        let ended = wait::within(PATIENCE, || self.process.try_wait().ok().flatten());
        if ended.is_none() {
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        self.seen.extend(self.events.try_iter());
        let lines: Vec<_> = self.seen.iter().map(Value::to_string).collect();
        self.lab.note(Evidence::Text {
            name: format!("events of {}", self.task_id()),
            text: lines.join("\n"),
        });
    }
}
