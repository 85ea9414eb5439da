//! Tasks: the processes of containers.

use std::path::PathBuf;
use std::time::Duration;

use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::{
    CloseIoRequest, CreateTaskRequest, DeleteProcessRequest, DeleteResponse, DeleteTaskRequest,
    ExecProcessRequest, GetRequest, KillRequest, ListPidsRequest, ListTasksRequest,
    ResizePtyRequest, StartRequest, WaitRequest,
};

use super::client::{Channel, Client, MAX_MESSAGE, gone};
use super::error::RpcError;
use super::process::{Exit, NewTask, Process, Signalled, Stdio, Task};
use super::runtime;
use super::timestamp::time;

/// Calls about tasks. See [`Client::tasks`].
#[derive(Clone, Copy, Debug)]
pub struct Tasks<'a> {
    client: &'a Client,
}

impl Client {
    pub fn tasks(&self) -> Tasks<'_> {
        Tasks { client: self }
    }
}

impl Tasks<'_> {
    /// Has the runtime make the container, and gives its process id. Its namespaces exist from
    /// then on; its program runs after [`start`](Self::start).
    ///
    /// After an error the container object is still there, and after
    /// [`Code::DeadlineExceeded`](super::Code::DeadlineExceeded) perhaps the task.
    pub async fn create(self, task: NewTask) -> Result<u32, RpcError> {
        let request = CreateTaskRequest {
            container_id: task.container.clone(),
            rootfs: task.rootfs.into_iter().map(Into::into).collect(),
            stdin: path(task.stdio.stdin),
            stdout: path(task.stdio.stdout),
            stderr: path(task.stdio.stderr),
            terminal: task.stdio.terminal,
            ..CreateTaskRequest::default()
        };
        self.client
            .call(
                "Tasks.Create",
                &task.container,
                self.client.deadlines().task,
                self.api().create(request),
            )
            .await
            .map(|answer| answer.pid)
    }

    /// Adds a process to a running container. It runs after [`start`](Self::start). The process is
    /// the `process` part of an OCI runtime document, JSON.
    pub async fn exec(
        self,
        process: Process<'_>,
        spec: Vec<u8>,
        stdio: Stdio,
    ) -> Result<(), RpcError> {
        let request = ExecProcessRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
            stdin: path(stdio.stdin),
            stdout: path(stdio.stdout),
            stderr: path(stdio.stderr),
            terminal: stdio.terminal,
            spec: Some(runtime::process(spec)),
        };
        self.client
            .call(
                "Tasks.Exec",
                &process.subject(),
                self.client.deadlines().write,
                self.api().exec(request),
            )
            .await
    }

    /// Starts a process that was made, and gives its id.
    pub async fn start(self, process: Process<'_>) -> Result<u32, RpcError> {
        let request = StartRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
        };
        self.client
            .call(
                "Tasks.Start",
                &process.subject(),
                self.client.deadlines().task,
                self.api().start(request),
            )
            .await
            .map(|answer| answer.pid)
    }

    /// Sends a signal to a process.
    pub async fn kill(self, process: Process<'_>, signal: u32) -> Result<Signalled, RpcError> {
        let request = KillRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
            signal,
            all: false,
        };
        let answer = self
            .client
            .call(
                "Tasks.Kill",
                &process.subject(),
                self.client.deadlines().task,
                self.api().kill(request),
            )
            .await;
        match answer {
            Ok(()) => Ok(Signalled::Sent),
            Err(error) if error.is_not_found() => Ok(Signalled::Gone),
            Err(error) => Err(error),
        }
    }

    /// Waits for a process to end, at most so long.
    ///
    /// # Errors
    /// Deadline exceeded, if it did not; not found, if there is none, perhaps because it ended and
    /// was deleted.
    pub async fn wait(self, process: Process<'_>, limit: Duration) -> Result<Exit, RpcError> {
        let request = WaitRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
        };
        let answer = self
            .client
            .call(
                "Tasks.Wait",
                &process.subject(),
                limit,
                self.api().wait(request),
            )
            .await?;
        Ok(Exit {
            status: answer.exit_status,
            at: time(answer.exited_at),
        })
    }

    /// A process as it is now; none if there is none.
    pub async fn get(self, process: Process<'_>) -> Result<Option<Task>, RpcError> {
        let request = GetRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
        };
        let answer = gone(
            self.client
                .call(
                    "Tasks.Get",
                    &process.subject(),
                    self.client.deadlines().read,
                    self.api().get(request),
                )
                .await,
        )?;
        Ok(answer.process.map(|message| Task {
            container: process.container.to_owned(),
            ..Task::from(message)
        }))
    }

    /// Every task of the namespace. With [`get`](Self::get), this is the truth after a stream of
    /// events has broken: a task that ended meanwhile is listed as stopped, with its status.
    pub async fn list(self) -> Result<Vec<Task>, RpcError> {
        let answer = self
            .client
            .call(
                "Tasks.List",
                "",
                self.client.deadlines().read,
                self.api().list(ListTasksRequest::default()),
            )
            .await?;
        Ok(answer.tasks.into_iter().map(Task::from).collect())
    }

    /// The ids of all processes in a container; none if it has no task.
    pub async fn pids(self, container: &str) -> Result<Vec<u32>, RpcError> {
        let request = ListPidsRequest {
            container_id: container.to_owned(),
        };
        let answer = gone(
            self.client
                .call(
                    "Tasks.ListPids",
                    container,
                    self.client.deadlines().read,
                    self.api().list_pids(request),
                )
                .await,
        )?;
        Ok(answer.processes.into_iter().map(|it| it.pid).collect())
    }

    /// Deletes a process that has ended, and tells how. None if it had been deleted before.
    ///
    /// # Errors
    /// While it runs.
    pub async fn delete(self, process: Process<'_>) -> Result<Option<Exit>, RpcError> {
        let mut api = self.api();
        let limit = self.client.deadlines().task;
        let container_id = process.container.to_owned();
        let answer: Result<DeleteResponse, RpcError> = match process.exec {
            "" => {
                let request = DeleteTaskRequest { container_id };
                self.client
                    .call(
                        "Tasks.Delete",
                        process.container,
                        limit,
                        api.delete(request),
                    )
                    .await
            }
            exec => {
                let request = DeleteProcessRequest {
                    container_id,
                    exec_id: exec.to_owned(),
                };
                self.client
                    .call(
                        "Tasks.DeleteProcess",
                        &process.subject(),
                        limit,
                        api.delete_process(request),
                    )
                    .await
            }
        };
        match answer {
            Ok(answer) => Ok(Some(Exit {
                status: answer.exit_status,
                at: time(answer.exited_at),
            })),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Closes a process's standard input, so that it reads its end.
    pub async fn close_stdin(self, process: Process<'_>) -> Result<(), RpcError> {
        let request = CloseIoRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
            stdin: true,
        };
        gone(
            self.client
                .call(
                    "Tasks.CloseIO",
                    &process.subject(),
                    self.client.deadlines().write,
                    self.api().close_io(request),
                )
                .await,
        )
    }

    /// Tells a process's terminal its size.
    pub async fn resize(
        self,
        process: Process<'_>,
        columns: u16,
        rows: u16,
    ) -> Result<(), RpcError> {
        let request = ResizePtyRequest {
            container_id: process.container.to_owned(),
            exec_id: process.exec.to_owned(),
            width: columns.into(),
            height: rows.into(),
        };
        gone(
            self.client
                .call(
                    "Tasks.ResizePty",
                    &process.subject(),
                    self.client.deadlines().write,
                    self.api().resize_pty(request),
                )
                .await,
        )
    }

    fn api(self) -> TasksClient<Channel> {
        TasksClient::new(self.client.channel()).max_decoding_message_size(MAX_MESSAGE)
    }
}

/// containerd takes texts; a path of ours that is none could not be opened by the shim, and the
/// error says so with the name as it was understood.
fn path(path: Option<PathBuf>) -> String {
    path.map(|path| path.to_string_lossy().into_owned())
        .unwrap_or_default()
}
