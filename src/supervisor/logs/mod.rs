//! The containers' output: read from FIFOs, written to our own standard output and error, and to a
//! log of each service's own.
//!
//! Whole lines, in the common output each with its service before it (none in a pod of one). A stalled reader or a full
//! disk never freezes a container: a stream has a buffer of 1 MiB (`lines`); when it is full the
//! container is held back for at most a second, then whole lines are dropped and counted, and a
//! marker stands for them.

mod line_buffer;
mod lines;
mod output;
mod service_logs;
mod stream;
mod tail;
mod whole_lines;

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::unix::pipe;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::logfile::Side;
use crate::sys;
use lines::{Lane, flush};
pub use output::Outputs;
pub use service_logs::ServiceLogs;
use stream::{Fifo, Stream};
use tail::Tail;

/// How long a stream is read on after its container's end, and how long the last lines may take.
const DRAIN: Duration = Duration::from_secs(1);
/// What a FIFO holds, where the host allows it: fewer, larger steps between the container and us.
const FIFO_SIZE: usize = 1 << 20;

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
    outputs: Outputs,
    own: Option<ServiceLogs>,
    services: BTreeMap<String, Service>,
    streams: JoinSet<()>,
}

#[derive(Debug)]
struct Service {
    prefix: Bytes,
    tail: Arc<Mutex<Tail>>,
    /// Its latest container has ended: its streams are read for another [`DRAIN`].
    ended: CancellationToken,
}

impl Logs {
    /// For these services, in their order.
    pub fn start(services: &[&str], prefix: &Prefix, outputs: Outputs) -> Self {
        let width = services
            .iter()
            .map(|name| name.chars().count())
            .max()
            .unwrap_or_default();
        let service = |(n, name): (usize, &&str)| {
            let service = Service {
                prefix: text(prefix, n, name, width),
                tail: Arc::default(),
                ended: CancellationToken::new(),
            };
            ((*name).to_owned(), service)
        };
        Self {
            outputs,
            own: None,
            services: services.iter().enumerate().map(service).collect(),
            streams: JoinSet::new(),
        }
    }

    /// Keeps a log of each service's own too, of those that are attached from now on.
    pub fn keep(&mut self, own: ServiceLogs) {
        self.own = Some(own);
    }

    /// Opens the FIFOs of a service's container and reads them from now on. They must exist;
    /// whoever writes to them may come later. A terminal has no standard error. The streams of an
    /// earlier container of the service are read to their end, for a second at most.
    pub fn attach(
        &mut self,
        service: &str,
        stdout: &Path,
        stderr: Option<&Path>,
    ) -> io::Result<()> {
        let Some(known) = self.services.get_mut(service) else {
            return Err(io::Error::other(format!(
                "there is no service \"{service}\""
            )));
        };
        let sides = [
            Some((Side::Stdout, stdout)),
            stderr.map(|path| (Side::Stderr, path)),
        ];
        let mut opened = Vec::new();
        for (side, path) in sides.into_iter().flatten() {
            let reader = pipe::OpenOptions::new().open_receiver(path)?;
            let size = sys::pipe::enlarge(reader.as_fd(), FIFO_SIZE)?;
            opened.push((side, Fifo { reader, size }));
        }
        known.ended.cancel();
        known.ended = CancellationToken::new();
        let own = self.own.as_ref().and_then(|own| own.of(service));
        for (side, fifo) in opened {
            let stream = Stream {
                prefix: known.prefix.clone(),
                merged: Lane::new(self.outputs.of(side).clone(), service, side),
                own: own.map(|own| Lane::new(own.clone(), service, side)),
                tail: Arc::clone(&known.tail),
            };
            self.streams.spawn(stream.pump(fifo, known.ended.clone()));
        }
        // Of those that have ended before, as a service's that is started again and again.
        while self.streams.try_join_next().is_some() {}
        Ok(())
    }

    /// Tells that a service's container has ended. A process that left it may hold a stream open:
    /// it is read for another second at most.
    pub fn ended(&self, service: &str) {
        if let Some(service) = self.services.get(service) {
            service.ended.cancel();
        }
    }

    /// The last lines of a service.
    pub fn tail(&self, service: &str) -> Vec<String> {
        self.services
            .get(service)
            .map(|it| {
                it.tail
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .lines()
            })
            .unwrap_or_default()
    }

    /// Waits until every stream has ended, but not for longer than a second.
    pub async fn drain(&mut self) {
        let end = Instant::now() + DRAIN;
        while let Ok(Some(_)) = tokio::time::timeout_at(end, self.streams.join_next()).await {}
    }

    /// Waits until what is queued has been written, for at most a second. False when lines were
    /// left unwritten.
    pub async fn close(mut self) -> bool {
        self.drain().await;
        self.streams.shutdown().await;
        let [out, err] = [Side::Stdout, Side::Stderr].map(|side| self.outputs.of(side));
        let own = async {
            match self.own {
                Some(own) => own.close(DRAIN).await,
                None => true,
            }
        };
        let (out, err, own) = tokio::join!(flush(out, DRAIN), flush(err, DRAIN), own);
        out && err && own
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
