//! This process' standard output and error, which the containers of all its pods share.
//!
//! Writing may block for as long as a logger's pipe is not read, and must block nobody else: a
//! thread writes, the streams only queue. Where both descriptors lead to one pipe or terminal, one
//! thread writes both, so that lines stay whole.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::mpsc;
use std::thread;

use super::lines::Message;
use super::whole_lines::WholeLines;
use crate::logfile::Side;
use crate::sys::pipe;

/// Where the lines of all containers go. Clones share it.
#[derive(Clone, Debug)]
pub struct Outputs {
    stdout: mpsc::Sender<Message>,
    stderr: mpsc::Sender<Message>,
}

impl Outputs {
    /// Starts the threads. They end when every clone and every stream is gone and what was queued is
    /// written; one that is stuck in a pipe nobody reads ends with the process.
    pub fn of_this_process() -> io::Result<Self> {
        let (out, err) = (io::stdout(), io::stderr());
        let stdout = start(duplicate(&out)?, "stdout")?;
        let stderr = if pipe::is_same(&out, &err)? {
            stdout.clone()
        } else {
            start(duplicate(&err)?, "stderr")?
        };
        Ok(Self { stdout, stderr })
    }

    pub(super) fn of(&self, side: Side) -> &mpsc::Sender<Message> {
        match side {
            Side::Stdout => &self.stdout,
            Side::Stderr => &self.stderr,
        }
    }

    /// Both sides to one descriptor.
    #[cfg(test)]
    pub(super) fn to(fd: OwnedFd) -> Self {
        let stdout = start(fd, "test").unwrap();
        Self {
            stderr: stdout.clone(),
            stdout,
        }
    }
}

fn start(fd: OwnedFd, name: &str) -> io::Result<mpsc::Sender<Message>> {
    let (queue, messages) = mpsc::channel();
    thread::Builder::new()
        .name(format!("log-{name}"))
        .spawn(move || {
            let mut output = WholeLines::new(Descriptor(File::from(fd)));
            for message in messages {
                match message {
                    Message::Lines(lines) => output.take(&lines),
                    // Nobody may be waiting any more.
                    Message::Flush(answer) => drop(answer.send(())),
                }
            }
        })?;
    Ok(queue)
}

/// A descriptor that others may have made non-blocking: it is theirs too.
#[derive(Debug)]
struct Descriptor(File);

impl Write for Descriptor {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match self.0.write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    pipe::wait_writable(self.0.as_fd())?;
                }
                result => return result,
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A second descriptor for the same file, so that ours can be closed without closing the process'.
fn duplicate(of: &impl AsFd) -> io::Result<OwnedFd> {
    of.as_fd().try_clone_to_owned()
}
