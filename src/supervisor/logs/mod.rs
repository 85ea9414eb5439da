//! The containers' output: read from FIFOs, written to our own standard output and error.
//!
//! Whole lines, each with its service before it (none in a pod of one). A stalled reader or a full
//! disk never freezes a container: see `stream`.

mod output;
mod stream;
mod tail;

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::Instant;

use output::{Output, Written};
use stream::Stream;
use tail::Tail;

/// How long a stream is read on after its container's end, and how long the last lines may take.
const DRAIN: Duration = Duration::from_secs(1);

/// How a service's lines are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prefix {
    None,
    /// `web | `, padded to the longest name.
    Plain,
    /// `task/web | `, where pods of several tasks write to one place.
    Task(String),
    /// The same, each service in a colour of its own.
    Coloured,
}

/// Pumps every stream of one pod.
#[derive(Debug)]
pub struct Logs {
    stdout: (Output, Written),
    stderr: (Output, Written),
    prefixes: BTreeMap<String, Bytes>,
    tails: BTreeMap<String, Arc<Mutex<Tail>>>,
    streams: JoinSet<()>,
}

impl Logs {
    /// For these services, in their order, to this process' own standard output and error.
    pub fn start(services: &[&str], prefix: &Prefix) -> io::Result<Self> {
        let width = services
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or_default();
        let prefixes = services
            .iter()
            .enumerate()
            .map(|(n, name)| ((*name).to_owned(), text(prefix, n, name, width)));
        Ok(Self {
            stdout: Output::start(output::duplicate(&io::stdout())?, "stdout")?,
            stderr: Output::start(output::duplicate(&io::stderr())?, "stderr")?,
            prefixes: prefixes.collect(),
            tails: services
                .iter()
                .map(|name| ((*name).to_owned(), Arc::default()))
                .collect(),
            streams: JoinSet::new(),
        })
    }

    /// Opens a service's FIFOs and reads them from now on. They must exist; whoever writes to them
    /// may come later. A terminal has no standard error.
    pub fn attach(
        &mut self,
        service: &str,
        stdout: &Path,
        stderr: Option<&Path>,
    ) -> io::Result<()> {
        let sides = [
            Some((stdout, &self.stdout.0)),
            stderr.map(|path| (path, &self.stderr.0)),
        ];
        let mut opened = Vec::new();
        for (path, output) in sides.into_iter().flatten() {
            opened.push((
                pipe::OpenOptions::new().open_receiver(path)?,
                output.clone(),
            ));
        }
        // A container that is started again and again has new streams each time.
        while self.streams.try_join_next().is_some() {}
        for (fifo, output) in opened {
            let stream = Stream {
                prefix: self.prefixes.get(service).cloned().unwrap_or_default(),
                service: service.to_owned(),
                output,
                tail: Arc::clone(self.tails.entry(service.to_owned()).or_default()),
            };
            self.streams.spawn(stream.pump(fifo));
        }
        Ok(())
    }

    /// The last lines of a service.
    pub fn tail(&self, service: &str) -> Vec<String> {
        self.tails
            .get(service)
            .map(|tail| tail.lock().unwrap_or_else(PoisonError::into_inner).lines())
            .unwrap_or_default()
    }

    /// Waits until every stream has ended, but not for longer than a second: a process that left
    /// its container may hold a stream open.
    pub async fn drain(&mut self) {
        let end = Instant::now() + DRAIN;
        while let Ok(Some(_)) = tokio::time::timeout_at(end, self.streams.join_next()).await {}
    }

    /// Writes what is queued, for at most a second each. False when lines were left unwritten.
    pub async fn close(mut self) -> bool {
        self.drain().await;
        self.streams.shutdown().await;
        let (stdout, stderr) = (self.stdout, self.stderr);
        drop((stdout.0, stderr.0));
        let (out, err) = tokio::join!(stdout.1.within(DRAIN), stderr.1.within(DRAIN));
        out && err
    }
}

fn text(prefix: &Prefix, n: usize, name: &str, width: usize) -> Bytes {
    /// Cyan, yellow, green, magenta, blue and their bright kin.
    const COLOURS: [u8; 10] = [36, 33, 32, 35, 34, 96, 93, 92, 95, 94];
    match prefix {
        Prefix::None => Bytes::new(),
        Prefix::Plain => format!("{name:width$} | ").into(),
        Prefix::Task(task) => format!("{task}/{name:width$} | ").into(),
        Prefix::Coloured => format!(
            "\x1b[{}m{name:width$} |\x1b[0m ",
            COLOURS[n % COLOURS.len()]
        )
        .into(),
    }
}
