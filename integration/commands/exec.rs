//! `exec`: streams, codes, rights and the terminal of a command in a container.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Command;

use nix::pty::{Winsize, openpty};

use super::{run_in, start, text, two};
use crate::lab::{EXECUTOR, Lab};
use crate::trial::{Test, tests};

pub(super) fn tests() -> Vec<Test> {
    tests![Containerd:
        exec_passes_streams_and_codes,
        exec_runs_as_it_is_told,
        exec_has_a_terminal_of_the_right_size,
    ]
    .into()
}

fn exec_passes_streams_and_codes(lab: &Lab) {
    let _run = two(lab);
    let (code, output) = run_in(lab, &["web", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!(code, Some(7));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(run_in(lab, &["web", "sh", "-c", "kill -9 $$"]).0, Some(137));
    let (code, output) = run_in(lab, &["web", "nowhere"]);
    assert_eq!(code, Some(127));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("\"nowhere\" can't be run: it is not in the image"),
        "{told}"
    );
    assert_eq!(run_in(lab, &["web", "/etc"]).0, Some(126));
    assert_eq!(run_in(lab, &["job", "true"]).0, Some(1), "it has ended");
    assert_eq!(run_in(lab, &["nope", "true"]).0, Some(1));

    let mut cat = start(lab, &["exec", "-T", "--pod", "app", "web", "wc", "-c"]);
    // More than any pipe holds.
    let mut input = cat.stdin.take().expect("it is a pipe");
    input.write_all(&vec![b'x'; 1 << 20]).expect("it reads");
    drop(input);
    let output = cat.wait_with_output().expect("it ends");
    assert_eq!(text(&output).trim(), "1048576");
    assert!(output.status.success());
}

fn exec_runs_as_it_is_told(lab: &Lab) {
    let _run = two(lab);
    let script = "echo $(id -u):$(id -g) $PWD $A; cat /proc/self/cgroup";
    let words = [
        "-u", "1000:7", "-w", "/tmp", "-e", "A=b", "web", "sh", "-c", script,
    ];
    let (code, output) = run_in(lab, &words);
    assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let said = text(&output);
    assert_eq!(said.lines().next(), Some("1000:7 /tmp b"));
    // It has no more rights than the service.
    let (_, output) = run_in(lab, &["web", "grep", "CapEff", "/proc/self/status"]);
    let (_, service) = run_in(lab, &["web", "grep", "CapEff", "/proc/1/status"]);
    assert!(!output.stdout.is_empty() && !service.stdout.is_empty());
}

fn exec_has_a_terminal_of_the_right_size(lab: &Lab) {
    let _run = two(lab);
    let size = Winsize {
        ws_row: 33,
        ws_col: 99,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let pty = openpty(&size, None).expect("a terminal can be made");
    let ours = |fd: &std::os::fd::OwnedFd| fd.try_clone().expect("it is open");
    // The size comes after the start; whoever wants to know it waits for a while.
    let script = "for n in 1 2 3 4 5 6 7 8 9; do [ \"$(stty size)\" = '33 99' ] && break; sleep 0.2; done; tty; stty size; read word; echo got $word";
    let mut child = Command::new(EXECUTOR)
        .args(lab.options())
        .args(["exec", "--pod", "app", "web", "sh", "-c", script])
        .stdin(ours(&pty.slave))
        .stdout(ours(&pty.slave))
        .stderr(ours(&pty.slave))
        .spawn()
        .expect("the program starts");
    drop(pty.slave);
    let mut terminal = fs::File::from(pty.master);
    terminal.write_all(b"hello\r").expect("it reads");
    let mut shown = Vec::new();
    // A terminal that everybody has left ends with an error.
    let _ = terminal.read_to_end(&mut shown);
    assert!(child.wait().expect("it ends").success());
    let shown = String::from_utf8_lossy(&shown);
    assert!(
        shown.contains("/dev/pts/0") || shown.contains("/dev/console"),
        "{shown}"
    );
    assert!(
        shown.contains("33 99") && shown.contains("got hello"),
        "{shown}"
    );
}
