//! `exec`: a program in a service's container.

use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::thread;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::Environment;
use super::context::block_on;
use super::exit::{self, CommandError};
use super::host_flags::HostFlags;
use super::pod_flags::PodFlags;
use super::project::ProjectFlags;
use crate::executor::with_causes;
use crate::operator::exec::{Control, Exec, ExecError, ExecRequest};
use crate::sys::terminal::{self, Raw};

/// What waits for the program to take it.
const QUEUE: usize = 16;
const CHUNK: usize = 4 << 10;

/// Flags of `exec`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Examples:
  compose-executor exec web sh                     a shell, at a terminal
  compose-executor exec -T db pg_dump shop > dump  no terminal: bytes as they are
  compose-executor exec --pod 3f2a -u 1000 -w /srv -e DEBUG=1 web ./check

Exits with the program's own code, or with 128 and the number of the signal that ended it; with 126
when it can't be executed, 127 when it is not there. It gets no more rights than the service has.")]
pub(super) struct ExecArgs {
    #[command(flatten)]
    pods: PodFlags,
    /// Give it an input: the default, as with Docker Compose
    #[arg(short, long)]
    interactive: bool,
    /// Give it a terminal: the default at one
    #[arg(short, long, overrides_with = "no_tty")]
    tty: bool,
    /// Give it no terminal
    #[arg(short = 'T', long)]
    no_tty: bool,
    /// A variable of its environment; without a value, ours
    #[arg(short, long, value_name = "NAME=VALUE")]
    env: Vec<String>,
    /// Run as this user
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Run in this folder of the container
    #[arg(short, long, value_name = "PATH")]
    workdir: Option<String>,
    service: String,
    /// The program and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn run(
    args: &ExecArgs,
    project: &ProjectFlags,
    host: &HostFlags,
    environment: &Environment,
) -> Result<u8, CommandError> {
    let pod = args.pods.one(project, host, environment)?;
    let at_terminal = io::stdin().is_terminal() && io::stdout().is_terminal();
    let terminal = !args.no_tty && (args.tty || at_terminal);
    if args.tty && !io::stdin().is_terminal() && !args.no_tty {
        return Err(CommandError::Usage(
            "-t: the input is no terminal; leave it out, or give -T".to_owned(),
        ));
    }
    let request = ExecRequest {
        args: args.command.clone(),
        environment: args
            .env
            .iter()
            .map(|entry| variable(entry, environment))
            .collect(),
        working_dir: args.workdir.clone(),
        user: args.user.clone(),
        input: true,
        terminal,
    };
    let folders = host.folders();
    let ran = block_on(Box::pin(async {
        let prepared = Exec::prepare(&pod, &folders, &args.service, &request).await;
        let exec = match prepared {
            Ok(exec) => exec,
            Err(error) => return Ok(Err(error)),
        };
        let (to, controls) = mpsc::channel(QUEUE);
        let raw = terminal
            .then(|| Raw::begin(&io::stdin()))
            .transpose()
            .map_err(CommandError::failed)?;
        let signals = pass_signals(to.clone(), terminal)?;
        pass_input(to)?;
        let ran = exec.run(controls, io::stdout(), io::stderr()).await;
        signals.abort();
        drop(raw);
        Ok(ran)
    }))?;
    match ran {
        Ok(status) => Ok(u8::try_from(status).unwrap_or(u8::MAX)),
        Err(error) => failed(error),
    }
}

fn failed(error: ExecError) -> Result<u8, CommandError> {
    match error.command_code() {
        Some(code) => {
            exit::warn(&format!("compose-executor: {}", with_causes(&error)));
            Ok(code)
        }
        None => Err(CommandError::failed(error)),
    }
}

/// A name alone takes our own value; what we don't have it shall not have either.
fn variable(entry: &str, environment: &Environment) -> (String, Option<String>) {
    if let Some((name, value)) = entry.split_once('=') {
        return (name.to_owned(), Some(value.to_owned()));
    }
    let own = environment.get(entry);
    let value = own.map(|value| value.to_string_lossy().into_owned());
    (entry.to_owned(), value)
}

/// Reads our input in a thread of its own, which nobody waits for: it may never get any.
fn pass_input(to: mpsc::Sender<Control>) -> Result<(), CommandError> {
    let read = move || {
        let mut buffer = [0; CHUNK];
        loop {
            let control = match io::stdin().lock().read(&mut buffer) {
                Ok(0) | Err(_) => Control::EndOfInput,
                Ok(read) => Control::Input(buffer[..read].to_vec()),
            };
            let is_end = control == Control::EndOfInput;
            if to.blocking_send(control).is_err() || is_end {
                return;
            }
        }
    };
    thread::Builder::new()
        .name("stdin".to_owned())
        .spawn(read)
        .map(drop)
        .map_err(CommandError::failed)
}

/// The terminal's size, now and when it changes; and signals that are meant for the program.
fn pass_signals(
    to: mpsc::Sender<Control>,
    terminal: bool,
) -> Result<tokio::task::JoinHandle<()>, CommandError> {
    let listen = |kind| signal(kind).map_err(CommandError::failed);
    let mut resized = listen(SignalKind::window_change())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut terminate = listen(SignalKind::terminate())?;
    let number = |kind: SignalKind| Control::Signal(kind.as_raw_value().unsigned_abs());
    Ok(tokio::spawn(async move {
        loop {
            let size = terminal
                .then(|| terminal::size(io::stdout().as_fd()))
                .flatten();
            if let Some((columns, rows)) = size
                && to.send(Control::Resize { columns, rows }).await.is_err()
            {
                return;
            }
            let control = tokio::select! {
                _ = resized.recv() => continue,
                _ = interrupt.recv() => number(SignalKind::interrupt()),
                _ = terminate.recv() => number(SignalKind::terminate()),
            };
            if to.send(control).await.is_err() {
                return;
            }
        }
    }))
}
