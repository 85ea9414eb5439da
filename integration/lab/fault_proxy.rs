//! A relay in the place of containerd's socket that makes single calls fail: refused, done but disowned, never
//! answered, cut off with their connection; and events be lost, told twice, or late.
//!
//! It injects what the real one does not show on demand; all else passes through as it is. It knows
//! nothing of gRPC but the path of a call, how messages follow each other in a stream, and how an
//! error is told.

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use hyper::{Request, Response};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Lab;

/// A status of gRPC's, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    NotFound = 5,
    ResourceExhausted = 8,
    Internal = 13,
    Unavailable = 14,
}

/// What happens to a call, or to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// containerd does not hear of the call, which is answered so.
    Refuse(Status),
    /// containerd does it, and it is answered so.
    Disown(Status),
    /// containerd does not hear of it, and it is not answered.
    Swallow,
    /// The connection breaks instead.
    CutBefore,
    /// containerd does it, and the connection breaks instead of the answer.
    CutAfter,
    /// The event does not come.
    Lose,
    /// It comes twice.
    Double,
    /// It comes after the next.
    AfterNext,
}

/// Which call or event it happens to: by its name, as `Tasks/Create`, and by words in its message.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    call: &'static str,
    about: Vec<String>,
    how: How,
    first: usize,
    times: usize,
    seen: usize,
    met: usize,
}

/// The call that brings events.
const EVENTS: &str = "Events/Subscribe";

impl Fault {
    /// Of the first such call.
    pub(crate) fn at(call: &'static str, how: How) -> Self {
        Self {
            call,
            about: Vec::new(),
            how,
            first: 1,
            times: 1,
            seen: 0,
            met: 0,
        }
    }

    /// Of each event of this topic.
    pub(crate) fn of_events(topic: &str, how: How) -> Self {
        Self::at(EVENTS, how).about(topic).times(usize::MAX)
    }

    pub(crate) fn about(mut self, words: &str) -> Self {
        self.about.push(words.to_owned());
        self
    }

    /// Of the n-th and those that follow, as many as are to fail.
    pub(crate) fn nth(mut self, first: usize) -> Self {
        self.first = first;
        self
    }

    pub(crate) fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    fn meets(&mut self, call: &str, message: &[u8]) -> Option<How> {
        let text = String::from_utf8_lossy(message);
        let is_meant = self.about.iter().all(|words| text.contains(words));
        if call != self.call || !is_meant {
            return None;
        }
        self.seen += 1;
        let is_due = self.seen >= self.first && self.seen - self.first < self.times;
        self.met += usize::from(is_due);
        is_due.then_some(self.how)
    }
}

/// The faults that are still to be met.
#[derive(Debug, Default)]
struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    fn meet(&self, call: &str, message: &[u8]) -> Option<How> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Each counts for itself.
        let due = all
            .iter_mut()
            .filter_map(|fault| fault.meets(call, message));
        due.collect::<Vec<_>>().into_iter().next()
    }
}

/// A relay that runs. It ends when it is dropped, and containerd has its socket back.
#[derive(Debug)]
pub(crate) struct FaultProxy {
    socket: PathBuf,
    /// Where containerd listens meanwhile: a socket goes with its file.
    behind: PathBuf,
    faults: Arc<Faults>,
    stop: CancellationToken,
    relay: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Before the lab's containerd. It has its name, since shims call their sockets after it.
    pub(crate) fn start(lab: &Lab) -> Self {
        let socket = lab.containerd().socket();
        let behind = socket.with_extension("behind");
        fs::rename(&socket, &behind).expect("containerd runs");
        let faults = Arc::new(Faults::default());
        let stop = CancellationToken::new();
        let relay = {
            let (socket, target) = (socket.clone(), behind.clone());
            let (faults, stop) = (Arc::clone(&faults), stop.clone());
            let runtime = Builder::new_current_thread().enable_all().build();
            let runtime = runtime.expect("a runtime for a relay can be made");
            let entered = runtime.enter();
            let listener = UnixListener::bind(socket).expect("the name is free");
            drop(entered);
            thread::spawn(move || runtime.block_on(relay(listener, target, faults, stop)))
        };
        Self {
            socket,
            behind,
            faults,
            stop,
            relay: Some(relay),
        }
    }

    pub(crate) fn inject(&self, fault: Fault) {
        let mut all = self.faults.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(fault);
    }

    /// # Panics
    /// If a fault was never met: the test would have shown nothing.
    pub(crate) fn assert_met(&self) {
        let all = self.faults.0.lock().unwrap_or_else(PoisonError::into_inner);
        let never: Vec<_> = all.iter().filter(|fault| fault.met == 0).collect();
        assert!(never.is_empty(), "never met: {never:#?}");
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(relay) = self.relay.take() {
            let _ = relay.join();
        }
        if let Err(error) = fs::rename(&self.behind, &self.socket) {
            eprintln!("{}: {error}", self.behind.display());
        }
    }
}

async fn relay(
    listener: UnixListener,
    target: PathBuf,
    faults: Arc<Faults>,
    stop: CancellationToken,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a descriptor is free");
                connections.spawn(connection(stream, target.clone(), Arc::clone(&faults)));
            }
            Some(_) = connections.join_next() => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Until one of the two sides hangs up, or a fault does. Where containerd is not there, who calls
/// finds out as it would without us.
async fn connection(caller: UnixStream, target: PathBuf, faults: Arc<Faults>) {
    let Ok(server) = UnixStream::connect(target).await else {
        return;
    };
    let Ok((sender, mut upstream)) = h2::client::handshake(server).await else {
        return;
    };
    let Ok(mut downstream) = h2::server::handshake(caller).await else {
        return;
    };
    let cut = CancellationToken::new();
    let mut calls = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut upstream => return,
            accepted = downstream.accept() => {
                let Some(Ok((request, respond))) = accepted else {
                    return;
                };
                let relayed = Relayed {
                    sender: sender.clone(),
                    faults: Arc::clone(&faults),
                    cut: cut.clone(),
                };
                calls.spawn(relayed.pass(request, respond));
            }
            // One that fails has lost its connection, and so has who called.
            Some(_) = calls.join_next() => {}
            () = cut.cancelled() => return,
        }
    }
}

/// The call that brings a blob: its messages have no end before the answer's.
const STREAMED: &str = "Content/Write";

/// One connection, as each of its calls sees it.
struct Relayed {
    sender: SendRequest<Bytes>,
    faults: Arc<Faults>,
    cut: CancellationToken,
}

impl Relayed {
    async fn pass(
        self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let (head, mut body) = request.into_parts();
        let request = Request::from_parts(head, ());
        // "/containerd.services.tasks.v1.Tasks/Create"
        let path = request.uri().path().to_owned();
        let call = path.rsplit('.').next().unwrap_or_default();
        let mut sender = self.sender.clone().ready().await?;
        if call == STREAMED {
            let (answer, send) = sender.send_request(request, false)?;
            let up = copy(body, send, |data| data);
            let down = async { pass_on(answer.await?, respond, |data| data).await };
            tokio::try_join!(up, down)?;
            return Ok(());
        }
        let message = read(&mut body).await?;
        // A subscription's faults are its events'.
        let how = (call != EVENTS).then(|| self.faults.meet(call, &message));
        let send = async move {
            let (answer, mut send) = sender.send_request(request, false)?;
            send.send_data(message, true)?;
            answer.await
        };
        match how.flatten() {
            Some(How::Refuse(status)) => refuse(respond, status),
            Some(How::Disown(status)) => {
                read(send.await?.body_mut()).await?;
                refuse(respond, status)
            }
            Some(How::Swallow) => pending().await,
            Some(How::CutBefore) => self.cut().await,
            Some(How::CutAfter) => {
                read(send.await?.body_mut()).await?;
                self.cut().await
            }
            Some(How::Lose | How::Double | How::AfterNext) | None => {
                let mut events = Passage::default();
                let through = |data| match call {
                    EVENTS => events.pass(&data, &self.faults),
                    _ => data,
                };
                tokio::select! {
                    answer = send => pass_on(answer?, respond, through).await,
                    // Whoever called does not want to know any more.
                    reset = std::future::poll_fn(|context| respond.poll_reset(context)) => reset.map(drop),
                }
            }
        }
    }

    async fn cut<T>(&self) -> T {
        self.cut.cancel();
        pending().await
    }
}

async fn pass_on(
    answer: Response<RecvStream>,
    mut respond: SendResponse<Bytes>,
    through: impl FnMut(Bytes) -> Bytes,
) -> Result<(), h2::Error> {
    let (head, body) = answer.into_parts();
    let is_all = body.is_end_stream();
    let send = respond.send_response(Response::from_parts(head, ()), is_all)?;
    if is_all {
        return Ok(());
    }
    copy(body, send, through).await
}

async fn copy(
    mut from: RecvStream,
    mut to: SendStream<Bytes>,
    mut through: impl FnMut(Bytes) -> Bytes,
) -> Result<(), h2::Error> {
    while let Some(data) = from.data().await {
        let data = data?;
        from.flow_control().release_capacity(data.len())?;
        to.send_data(through(data), false)?;
    }
    match from.trailers().await? {
        Some(trailers) => to.send_trailers(trailers),
        None => to.send_data(Bytes::new(), true),
    }
}

/// All of a body.
async fn read(body: &mut RecvStream) -> Result<Bytes, h2::Error> {
    let mut whole = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// An answer that is an error alone has it beside the HTTP headers.
fn refuse(mut respond: SendResponse<Bytes>, status: Status) -> Result<(), h2::Error> {
    let answer = Response::builder()
        .header("content-type", "application/grpc")
        .header("grpc-status", (status as u8).to_string())
        .header("grpc-message", "injected");
    let answer = answer.body(()).expect("the headers are good");
    respond.send_response(answer, true).map(drop)
}

/// What has come of a stream of messages and not gone on.
#[derive(Debug, Default)]
struct Passage {
    /// The beginning of the next message.
    begun: BytesMut,
    /// Messages that wait for another to go before.
    held: Vec<Bytes>,
}

impl Passage {
    fn pass(&mut self, data: &Bytes, faults: &Faults) -> Bytes {
        self.begun.extend_from_slice(data);
        let mut passed = BytesMut::new();
        while let Some(message) = self.message() {
            match faults.meet(EVENTS, &message) {
                Some(How::Lose) => continue,
                Some(How::AfterNext) => {
                    self.held.push(message);
                    continue;
                }
                Some(How::Double) => passed.extend([&message[..], &message[..]].concat()),
                _ => passed.extend_from_slice(&message),
            }
            for held in self.held.drain(..) {
                passed.extend_from_slice(&held);
            }
        }
        passed.freeze()
    }

    /// A whole message with what stands before it: a byte, and its length in four.
    fn message(&mut self) -> Option<Bytes> {
        let head: [u8; 4] = self.begun.get(1..5)?.try_into().ok()?;
        let whole = 5 + usize::try_from(u32::from_be_bytes(head)).ok()?;
        (self.begun.len() >= whole).then(|| self.begun.split_to(whole).freeze())
    }
}
