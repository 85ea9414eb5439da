//! A program run in a service's container, with the streams of whoever asked for it.

use std::convert::Infallible;
use std::fs;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::warn;

use super::pods::{HostPod, OwnerState, ReachError, SelectError};
use crate::containerd::{Client, Code, Process, RpcError, Stdio, TaskStatus};
use crate::journal::Folders;
use crate::oci::{self, ExecInput, ProcessError, ResolvedUser, Spec, UserError};
use crate::supervisor::{accounts, command_code, not_run};
use crate::sys::beneath::{self, Folder};
use crate::sys::{PathError, fifo, tree};

/// What is read of an output at once.
const CHUNK: usize = 32 << 10;
/// How long output may still come after the program has ended: a child of it may hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);
/// containerd is asked again after so long whether the program has ended.
const WAIT: Duration = Duration::from_hours(1);

/// What is to be run.
#[derive(Clone, Debug, Default)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// Over the container's.
    pub environment: Vec<(String, Option<String>)>,
    pub working_dir: Option<String>,
    /// As in a Compose file; none is the container's own.
    pub user: Option<String>,
    /// Whether it gets an input.
    pub input: bool,
    pub terminal: bool,
}

/// What the program is told while it runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    Input(Vec<u8>),
    EndOfInput,
    /// The terminal has another size.
    Resize {
        columns: u16,
        rows: u16,
    },
    Signal(u32),
}

/// Why a program could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error(transparent)]
    Select(#[from] SelectError),
    #[error(transparent)]
    Reach(#[from] ReachError),
    #[error("the service \"{service}\" of the pod {pod} does not run")]
    NotRunning { pod: String, service: String },
    #[error("the container {0} has no runtime document that could be understood")]
    Document(String),
    #[error("the users of the container can't be read")]
    Root(#[source] beneath::Error),
    #[error("the user can't be found")]
    User(#[source] UserError),
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the pipes of the program can't be made")]
    Pipes(#[source] std::io::Error),
    #[error("{}", not_run(.0))]
    Start(RpcError),
    #[error("containerd can't be asked")]
    Rpc(#[from] RpcError),
}

impl From<PathError> for ExecError {
    fn from(error: PathError) -> Self {
        Self::Pipes(std::io::Error::other(error))
    }
}

impl ExecError {
    /// 126 or 127 where the command is to blame, as a shell has it.
    pub fn command_code(&self) -> Option<u8> {
        match self {
            Self::Start(error) => command_code(error),
            Self::Process(ProcessError::NoProgram) => Some(127),
            _ => None,
        }
    }
}

/// A program that can be started.
#[derive(Debug)]
pub struct Exec {
    client: Client,
    container: String,
    id: String,
    spec: Vec<u8>,
    terminal: bool,
    input: bool,
    folder: PathBuf,
}

impl Exec {
    /// Makes the program's process document from the container's own: it gets no more rights.
    pub async fn prepare(
        pod: &HostPod,
        folders: &Folders,
        service: &str,
        request: &ExecRequest,
    ) -> Result<Self, ExecError> {
        let container = pod.service(service)?.container.clone();
        let not_running = || ExecError::NotRunning {
            pod: pod.title(),
            service: service.to_owned(),
        };
        if pod.owner != OwnerState::Alive {
            return Err(not_running());
        }
        let client = pod.connect().await?;
        let task = client.tasks().get(Process::init(&container)).await?;
        let pid = task
            .filter(|task| task.status == TaskStatus::Running)
            .map(|task| task.pid)
            .ok_or_else(not_running)?;
        let name = container.clone();
        let document = || ExecError::Document(name.clone());
        let record = client.containers().get(&container).await?;
        let record = record.ok_or_else(not_running)?;
        let spec: Spec = serde_json::from_slice(&record.spec).map_err(|_| document())?;
        let own = spec.process().as_ref().ok_or_else(document)?;
        let user = match &request.user {
            Some(user) => Some(resolve(pid, user)?),
            None => None,
        };
        let input = ExecInput {
            args: &request.args,
            environment: &request.environment,
            working_dir: request.working_dir.as_deref(),
            user: user.as_ref(),
            terminal: request.terminal,
        };
        let process = oci::exec_process(own, &input)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let id = format!(
            "exec-{}-{}",
            std::process::id(),
            now.unwrap_or_default().as_nanos()
        );
        Ok(Self {
            client,
            container,
            spec: serde_json::to_vec(&process).map_err(|_| document())?,
            terminal: request.terminal,
            input: request.input,
            folder: folders.pod_state(&pod.record.pod).join(&id),
            id,
        })
    }

    /// Runs it to its end, and gives its exit status: as a shell has it, so 128 and the number for a
    /// signal.
    pub async fn run(
        self,
        mut controls: mpsc::Receiver<Control>,
        stdout: impl Write,
        stderr: impl Write,
    ) -> Result<u32, ExecError> {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&self.folder)
            .map_err(ExecError::Pipes)?;
        let ran = self.run_with_pipes(&mut controls, stdout, stderr).await;
        if let Err(error) = tree::remove(&self.folder) {
            warn!(%error, "the program's pipes can't be removed; they go with the pod");
        }
        ran
    }

    async fn run_with_pipes(
        &self,
        controls: &mut mpsc::Receiver<Control>,
        stdout: impl Write,
        stderr: impl Write,
    ) -> Result<u32, ExecError> {
        let pipe = |name: &str, wanted: bool| -> Result<Option<PathBuf>, ExecError> {
            let path = self.folder.join(name);
            if wanted {
                fifo::create(&path)?;
            }
            Ok(wanted.then_some(path))
        };
        let stdio = Stdio {
            stdin: pipe("stdin", self.input)?,
            stdout: pipe("stdout", true)?,
            stderr: pipe("stderr", !self.terminal)?,
            terminal: self.terminal,
        };
        let reader = |path: &Option<PathBuf>| {
            let opened = path
                .as_ref()
                .map(|path| pipe::OpenOptions::new().open_receiver(path));
            opened.transpose().map_err(ExecError::Pipes)
        };
        let (out, err) = (reader(&stdio.stdout)?, reader(&stdio.stderr)?);
        let input = stdio.stdin.as_deref().map(open_input).transpose()?;

        let process = Process::exec(&self.container, &self.id);
        let tasks = self.client.tasks();
        tasks
            .exec(process, self.spec.clone(), stdio)
            .await
            .map_err(ExecError::Start)?;
        let ended = match tasks.start(process).await {
            Ok(_) => {
                self.follow(controls, input, (out, stdout), (err, stderr))
                    .await
            }
            Err(error) => Err(ExecError::Start(error)),
        };
        if let Err(error) = tasks.delete(process).await {
            warn!(%error, "the program's process can't be taken away; it goes with its container");
        }
        ended
    }

    /// Carries input and output until the program has ended.
    async fn follow(
        &self,
        controls: &mut mpsc::Receiver<Control>,
        input: Option<pipe::Sender>,
        out: (Option<pipe::Receiver>, impl Write),
        err: (Option<pipe::Receiver>, impl Write),
    ) -> Result<u32, ExecError> {
        let outputs = async { tokio::join!(carry(out.0, out.1), carry(err.0, err.1)) };
        tokio::pin!(outputs);
        let mut all_read = false;
        let status = {
            let wait = self.wait();
            let obey = self.obey(controls, input);
            tokio::pin!(wait, obey);
            loop {
                tokio::select! {
                    status = &mut wait => break status?,
                    _ = &mut outputs, if !all_read => all_read = true,
                    never = &mut obey => match never {},
                }
            }
        };
        if !all_read {
            let _ = timeout(DRAIN, outputs).await;
        }
        Ok(status)
    }

    async fn wait(&self) -> Result<u32, RpcError> {
        let process = Process::exec(&self.container, &self.id);
        loop {
            match self.client.tasks().wait(process, WAIT).await {
                Err(error) if error.code == Code::DeadlineExceeded => {}
                result => return result.map(|exit| exit.status),
            }
        }
    }

    /// Does what is asked for. What fails here the program's end will tell, or nothing.
    async fn obey(
        &self,
        controls: &mut mpsc::Receiver<Control>,
        mut input: Option<pipe::Sender>,
    ) -> Infallible {
        let process = Process::exec(&self.container, &self.id);
        let tasks = self.client.tasks();
        while let Some(control) = controls.recv().await {
            let done = match control {
                Control::Input(bytes) => {
                    if let Some(pipe) = &mut input {
                        let _ = pipe.write_all(&bytes).await;
                    }
                    Ok(())
                }
                Control::EndOfInput => {
                    // The shim holds the pipe too, until it is told.
                    input = None;
                    tasks.close_stdin(process).await
                }
                Control::Resize { columns, rows } => tasks.resize(process, columns, rows).await,
                Control::Signal(number) => tasks.kill(process, number).await.map(drop),
            };
            if let Err(error) = done {
                warn!(%error, "the program can't be told");
            }
        }
        std::future::pending().await
    }
}

/// Held for reading too, so that it can be opened before the shim comes.
fn open_input(path: &Path) -> Result<pipe::Sender, ExecError> {
    let mut options = pipe::OpenOptions::new();
    let opened = options.read_write(true).open_sender(path);
    opened.map_err(ExecError::Pipes)
}

/// A user by the container's own accounts.
fn resolve(pid: u32, user: &str) -> Result<ResolvedUser, ExecError> {
    let root = Folder::open_root(&PathBuf::from(format!("/proc/{pid}/root")));
    let accounts = accounts(&root.map_err(ExecError::Root)?).map_err(ExecError::User)?;
    accounts.resolve(user).map_err(ExecError::User)
}

/// Until the other end is closed. Whoever reads us may be gone; the program is read on.
async fn carry(from: Option<pipe::Receiver>, mut to: impl Write) {
    let Some(mut from) = from else {
        return;
    };
    let mut buffer = vec![0; CHUNK];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let _ = to.write_all(&buffer[..read]).and_then(|()| to.flush());
    }
}
