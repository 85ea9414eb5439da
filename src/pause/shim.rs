//! The runtime of a pod's services for a containerd that knows no sandboxes (1.6): it tells which shim
//! serves a service, and it is the pod's, which is there.
//!
//! containerd runs it in the container's bundle, with the words of its own shim, `-namespace … -id …
//! start`, and connects to the address that it prints; the same stands in the bundle's file `address`, by which
//! containerd finds the shim again after a restart. The Go shim does the same for containers that share
//! a group, but takes some 20 ms of a processor to begin, for each container.
//!
//! The pause container's bundle, beside the service's own, has the address, written by the Go shim
//! when it started. Where anything is not as it should be, where nobody listens there, and for every
//! other word than `start`, this program becomes the Go shim, with the arguments and the environment
//! that it was given.

#![no_std]
#![no_main]
// Else loops that copy bytes would become calls of a C library that is not there.
#![no_builtins]

mod bare;

use bare::{Buffer, Folders, List, STDOUT, Text, become_one_in, complain_and_end, end, number, syscall4};

const SHIM: &[u8] = b"containerd-shim-runc-v2";
const COMPLAINT: &[u8] = b"containerd-shim-runc-v2 is neither in PATH nor beside containerd\n";
/// A pod's id in hex digits, as in `<task>-<pod's id>.<service>` and `pod-<pod's id>`.
const POD_ID: usize = 12;
const SCHEME: &[u8] = b"unix://";
/// As long as a socket's path can be, with its zero (unix(7)).
const SOCKET_PATH: usize = 108;

const AF_UNIX: u16 = 1;
const SOCK_STREAM: usize = 1;
/// A shim that takes no more connections is a case for the Go shim, which waits for a moment.
const SOCK_NONBLOCK: usize = 0o4000;
const SOCK_CLOEXEC: usize = 0o2_000_000;
/// `AT_FDCWD`: paths are the bundle's.
const HERE: usize = -100_isize as usize;
const O_WRONLY: usize = 1;
const O_CREAT: usize = 0o100;
const O_EXCL: usize = 0o200;
const O_CLOEXEC: usize = 0o2_000_000;
const READ_BY_ROOT: usize = 0o600;

fn run(arguments: List, environment: List) -> ! {
    if join_pod(arguments).is_some() {
        end(0);
    }
    become_shim(arguments, environment)
}

/// Answers `start` with the address of the pod's shim.
fn join_pod(arguments: List) -> Option<()> {
    let word = arguments.into_iter().last()?;
    if !word.is(b"start") {
        return None;
    }
    let pod = pod_of(value(arguments, b"-id")?.bytes())?;
    let address = address_of(pod)?;
    connect(behind(SCHEME, address.bytes())?)?;
    remember(address.bytes())?;
    bare::write(STDOUT, address.bytes()).then_some(())
}

/// What follows a flag.
fn value(mut arguments: List, flag: &[u8]) -> Option<Text> {
    arguments.find(|word| word.is(flag))?;
    arguments.next()
}

/// The pod of a service's container.
fn pod_of(id: &[u8]) -> Option<&[u8]> {
    let dot = id.iter().rposition(|byte| *byte == b'.')?;
    let before = id.get(..dot)?;
    let (task, pod) = before.split_at_checked(before.len().checked_sub(POD_ID)?)?;
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (task.last() == Some(&b'-') && pod.iter().all(is_hex)).then_some(pod)
}

/// What the bundle of the pod's pause container says.
fn address_of(pod: &[u8]) -> Option<Buffer<{ SCHEME.len() + SOCKET_PATH }>> {
    let mut path = Buffer::<64>::new();
    let parts: [&[u8]; 4] = [b"../pod-", pod, b"/address", &[0]];
    if !parts.iter().all(|part| path.put(part)) {
        return None;
    }
    let file = open(path.text(), O_CLOEXEC)?;
    let mut address = Buffer::new();
    address.read(file).then_some(address)
}

/// `strip_prefix`, which would need a C library.
fn behind<'text>(beginning: &[u8], text: &'text [u8]) -> Option<&'text [u8]> {
    let mut rest = text.iter();
    let begins = beginning.iter().all(|byte| rest.next() == Some(byte));
    begins.then_some(rest.as_slice())
}

/// Whether somebody listens at a socket.
fn connect(path: &[u8]) -> Option<()> {
    let mut name = Buffer::<{ 2 + SOCKET_PATH }>::new();
    let fits = name.put(&AF_UNIX.to_ne_bytes()) && name.put(path) && name.put(&[0]);
    if !fits || path.first() != Some(&b'/') {
        return None;
    }
    let kind = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    // SAFETY: takes numbers alone.
    let socket = unsafe { syscall4(number::SOCKET, AF_UNIX.into(), kind, 0, 0) };
    let socket = usize::try_from(socket).ok()?;
    let (at, length) = (name.bytes().as_ptr() as usize, name.bytes().len());
    // SAFETY: the name outlives the call.
    let connected = unsafe { syscall4(number::CONNECT, socket, at, length, 0) };
    (connected == 0).then_some(())
}

/// Writes the address where containerd looks for it after a restart, whole or not at all.
fn remember(address: &[u8]) -> Option<()> {
    let (part, place) = (c".address", c"address");
    let file = open(part.into(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC)?;
    if !bare::write(file, address) {
        return None;
    }
    let (part, place) = (part.as_ptr() as usize, place.as_ptr() as usize);
    // SAFETY: both are C strings.
    let renamed = unsafe { syscall4(number::RENAMEAT, HERE, part, HERE, place) };
    (renamed == 0).then_some(())
}

fn open(path: Text, flags: usize) -> Option<usize> {
    // SAFETY: a C string, and numbers.
    let file = unsafe {
        syscall4(number::OPENAT, HERE, path.start() as usize, flags, READ_BY_ROOT)
    };
    usize::try_from(file).ok()
}

/// Found as containerd finds it: by PATH, then beside containerd itself.
fn become_shim(arguments: List, environment: List) -> ! {
    let path = environment.variable(b"PATH=").map(Text::bytes);
    let containerd = value(arguments, b"-publish-binary").map(Text::bytes);
    let beside = containerd.and_then(|path| {
        let slash = path.iter().rposition(|byte| *byte == b'/')?;
        path.get(..slash)
    });
    for folder in Folders(path).chain(beside) {
        if folder.first() == Some(&b'/') {
            become_one_in(folder, SHIM, arguments, environment);
        }
    }
    complain_and_end(COMPLAINT, 1)
}
