//! An agent of which there is only what an executor sees of it: for hosts where Mesos can't run, and
//! for what no Mesos does.
//!
//! It starts one executor, launches one task and acknowledges what it is told. The wire is spoken by
//! hand: HTTP, `RecordIO`, and the few fields of Mesos' messages that are needed, by their tags.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use super::cgroup::CgroupParent;
use super::{EXECUTOR, Evidence, Lab, cgroup_name};
use crate::image_archive::Image;
use crate::wait::{self, PATIENCE};

const TASK: &str = "t-1";
const SANDBOX: &str = "slaves/s-1/frameworks/f-1/executors/e-1/runs/c-1";

/// What the task may use.
pub(crate) const CPUS: f64 = 0.5;
pub(crate) const MEGABYTES: f64 = 256.0;

/// What an executor tells of its task: `TaskState` by number.
pub(crate) const TASK_RUNNING: u64 = 1;
pub(crate) const TASK_KILLED: u64 = 4;

/// An executor with one task, in a control group of its own.
#[derive(Debug)]
pub(crate) struct LoneExecutor {
    pub(crate) cgroup: CgroupParent,
    process: Child,
    address: SocketAddr,
    is_over: Arc<AtomicBool>,
    serving: Option<JoinHandle<()>>,
    events: TcpStream,
    states: Receiver<u64>,
}

impl LoneExecutor {
    /// Starts it, and gives it a task with this Compose file and this image.
    pub(crate) fn launch(lab: &Lab, cgroup: CgroupParent, compose: &str, image: &Image) -> Self {
        let sandbox = lab.fixture().join(SANDBOX);
        fs::create_dir_all(&sandbox).expect("the lab's folder takes a sandbox");
        fs::write(sandbox.join("compose.yaml"), compose).expect("the sandbox takes a file");
        image.write(&sandbox.join("app.tar"));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let process = start(lab, &cgroup, &sandbox, &format!("slave(1)@{address}"));

        let (mut events, _) = listener.accept().expect("the executor connects");
        request(&mut events).expect("it subscribes");
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\
            Content-Type: application/x-protobuf\r\n\r\n";
        events.write_all(head.as_bytes()).expect("it listens");
        send(&mut events, &subscribed());
        send(&mut events, &launch());
        let (tell, states) = mpsc::channel();
        let stream = events.try_clone().expect("a descriptor is free");
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let serving = thread::spawn(move || serve(&listener, stream, &tell, &over));
        Self {
            cgroup,
            process,
            address,
            is_over,
            serving: Some(serving),
            events,
            states,
        }
    }

    /// Waits until the executor tells this state.
    ///
    /// # Panics
    /// If it tells a state from which there is no way there.
    pub(crate) fn until_state(&self, wanted: u64) {
        loop {
            let state = self
                .states
                .recv_timeout(PATIENCE)
                .expect("it tells a state");
            if state == wanted {
                return;
            }
            assert!(
                matches!(state, 0 | TASK_RUNNING | 8),
                "it tells state {state}"
            );
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill_task(&mut self) {
        send(&mut self.events, &event(3, 5, &field(1, &id(TASK))));
    }

    pub(crate) fn until_gone(&mut self) {
        wait::until("the executor's end", PATIENCE, || {
            self.process.try_wait().expect("it is our child")
        });
    }
}

impl Drop for LoneExecutor {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        // It waits for a connection: this is the last.
        self.is_over.store(true, Ordering::Release);
        drop(TcpStream::connect(self.address));
        if let Some(serving) = self.serving.take() {
            let _ = serving.join();
        }
    }
}

/// A control group for an executor.
pub(crate) fn cgroup(name: &str) -> CgroupParent {
    CgroupParent::make(&cgroup_name(&format!("agent-{name}")))
}

fn start(lab: &Lab, cgroup: &CgroupParent, sandbox: &PathBuf, pid: &str) -> Child {
    let log = |name: &str| {
        let path = sandbox.join(name);
        lab.note(Evidence::file(name, path.clone()));
        File::create(path).expect("the sandbox takes a file")
    };
    lab.note(Evidence::file("executor.log", sandbox.join("executor.log")));
    let procs = cgroup.of_a_launcher();
    let enter = procs
        .iter()
        .map(|procs| format!("echo $$ > '{}' && ", procs.display()));
    let script = format!("{}exec \"$0\" \"$@\"", enter.collect::<String>());
    Command::new("setsid")
        .args(["sh", "-c", &script, EXECUTOR])
        .args(lab.options())
        .current_dir(sandbox)
        .env("MESOS_SLAVE_PID", pid)
        .env("MESOS_SLAVE_ID", "s-1")
        .env("MESOS_FRAMEWORK_ID", "f-1")
        .env("MESOS_EXECUTOR_ID", "e-1")
        .env("MESOS_DIRECTORY", sandbox)
        .env("MESOS_SANDBOX", sandbox)
        .stdin(Stdio::null())
        .stdout(log("stdout"))
        .stderr(log("stderr"))
        .spawn()
        .expect("setsid starts")
}

/// Takes calls, each with its answer, until nobody wants it any more.
fn serve(listener: &TcpListener, mut events: TcpStream, tell: &Sender<u64>, over: &AtomicBool) {
    while let Ok((mut calls, _)) = listener.accept() {
        if over.load(Ordering::Acquire) {
            return;
        }
        while let Some(call) = request(&mut calls) {
            if let Some(update) = fields(&call).into_iter().find(|(tag, _)| *tag == 5) {
                let status = fields(&update.1).into_iter().find(|(tag, _)| *tag == 1);
                let status = fields(&status.expect("an update has a status").1);
                let value = |wanted| status.iter().find(|(tag, _)| *tag == wanted);
                let uuid = value(11).expect("a status has a uuid").1.clone();
                let state = value(2).map_or(0, |(_, bytes)| u64::from(bytes[0]));
                let acknowledged = [field(1, &id(TASK)), field(2, &uuid)].concat();
                send(&mut events, &event(4, 3, &acknowledged));
                // Nobody may be waiting for it any more.
                let _ = tell.send(state);
            }
            let _ = calls.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
        }
    }
}

/// The body of the next request; none when the connection has ended.
fn request(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.parse().ok())?;
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(body)
}

/// One event, as a record in a chunk. The executor may be gone.
fn send(stream: &mut TcpStream, event: &[u8]) {
    let record = [format!("{}\n", event.len()).as_bytes(), event].concat();
    let size = format!("{:x}\r\n", record.len());
    let _ = stream.write_all(&[size.as_bytes(), &record, b"\r\n"].concat());
}

fn subscribed() -> Vec<u8> {
    let executor = field(1, &id("e-1"));
    let framework = [field(1, b"root"), field(2, b"lone")].concat();
    let agent = field(1, b"localhost");
    let parts = [
        field(1, &executor),
        field(2, &framework),
        field(3, &agent),
        field(4, &id("c-1")),
    ];
    event(1, 2, &parts.concat())
}

fn launch() -> Vec<u8> {
    let task = [
        field(1, b"lone"),
        field(2, &id(TASK)),
        field(3, &id("s-1")),
        field(4, &resource(b"cpus", CPUS)),
        field(4, &resource(b"mem", MEGABYTES)),
    ];
    event(2, 4, &field(1, &task.concat()))
}

/// `Resource`, with a number: its type is 0, and the number a fixed 64 bits.
fn resource(name: &[u8], value: f64) -> Vec<u8> {
    let scalar = [vec![(1 << 3) | 1], value.to_le_bytes().to_vec()].concat();
    [field(1, name), vec![2 << 3, 0], field(3, &scalar)].concat()
}

/// `Event`: its type, and the message that goes with it.
fn event(kind: u8, tag: u8, message: &[u8]) -> Vec<u8> {
    [vec![1 << 3, kind], field(tag, message)].concat()
}

/// All of Mesos' ids are a message of one string.
fn id(value: &str) -> Vec<u8> {
    field(1, value.as_bytes())
}

/// A field of protobuf's wire type 2: length and bytes.
fn field(tag: u8, bytes: &[u8]) -> Vec<u8> {
    let mut field = vec![(tag << 3) | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        field.push(u8::try_from(length & 0x7f).expect("seven bits fit") | 0x80);
        length >>= 7;
    }
    field.push(u8::try_from(length).expect("seven bits fit"));
    field.extend_from_slice(bytes);
    field
}

/// The fields of a message; a number is the bytes of its varint.
fn fields(mut message: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !message.is_empty() {
        let key = varint(&mut message);
        let length = match key & 7 {
            0 => message.iter().take_while(|byte| **byte > 0x7f).count() + 1,
            1 => 8,
            5 => 4,
            _ => usize::try_from(varint(&mut message)).expect("a length fits"),
        };
        let (bytes, rest) = message.split_at(length);
        found.push((key >> 3, bytes.to_vec()));
        message = rest;
    }
    found
}

fn varint(message: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = message[0];
        *message = &message[1..];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}
