//! Commands at a terminal: what is drawn over, what becomes of a new size, how Ctrl-C ends it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::Signal;

use crate::lab::program::Up;
use crate::lab::{EXECUTOR, Lab};
use crate::trial::{Test, tests};
use crate::wait::{self, PATIENCE};

pub(crate) fn tests() -> Vec<Test> {
    tests![Containerd:
        stats_are_drawn_over_until_ctrl_c,
        a_new_size_reaches_the_program_in_the_container,
    ]
    .into()
}

const SLEEPS: &str = r#"
  web:
    image: app:1
    command: [sh, -c, "trap 'exit 0' TERM; echo up; while :; do sleep 0.1; done"]
"#;
/// What Ctrl-C sends.
const CTRL_C: &[u8] = b"\x03";

/// The program under test at a terminal that is its own, as a shell starts it.
struct Terminal {
    keyboard: File,
    line: Option<OwnedFd>,
    program: Child,
    screen: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

impl Terminal {
    fn start(lab: &Lab, words: &[&str]) -> Self {
        let size = Winsize {
            ws_row: 33,
            ws_col: 99,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pty = openpty(&size, None).expect("a terminal can be made");
        let ours = |fd: &OwnedFd| fd.try_clone().expect("it is open");
        let program = Command::new("setsid")
            .args(["--ctty", EXECUTOR])
            .args(lab.options())
            .args(words)
            .stdin(ours(&pty.slave))
            .stdout(ours(&pty.slave))
            .stderr(ours(&pty.slave))
            .spawn()
            .expect("the program starts");
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut shown, to) = (File::from(ours(&pty.master)), Arc::clone(&screen));
        let reader = thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal that everybody has left ends with an error.
            while let Ok(read @ 1..) = shown.read(&mut buffer) {
                let mut screen = to.lock().unwrap_or_else(PoisonError::into_inner);
                screen.extend_from_slice(&buffer[..read]);
            }
        });
        Self {
            keyboard: File::from(pty.master),
            line: Some(pty.slave),
            program,
            screen,
            reader: Some(reader),
        }
    }

    fn text(&self) -> String {
        let screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&screen).into_owned()
    }

    fn until(&self, what: &str, wanted: impl Fn(&str) -> bool) {
        let seen = wait::within(PATIENCE, || wanted(&self.text()).then_some(()));
        assert!(seen.is_some(), "no {what} in {:?}", self.text());
    }

    fn press(&mut self, keys: &[u8]) {
        self.keyboard.write_all(keys).expect("it reads");
    }

    /// As a terminal's window does: the kernel tells whoever is in front.
    fn resize(&self, rows: u16, columns: u16) {
        let line = self.line.as_ref().expect("it is there until the end");
        let status = Command::new("stty")
            .args(["rows", &rows.to_string(), "cols", &columns.to_string()])
            .stdin(Stdio::from(line.try_clone().expect("it is open")))
            .status();
        assert!(status.expect("stty is there").success());
    }

    fn until_end(&mut self) -> ExitStatus {
        let end = || self.program.try_wait().expect("the program is our child");
        wait::until("the end of the program", PATIENCE, end)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
        self.line = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

fn stats_are_drawn_over_until_ctrl_c(lab: &Lab) {
    let mut run = Up::app(lab, SLEEPS).start();
    run.until_stdout("up");
    let mut stats = Terminal::start(lab, &["stats", "--pod", "app"]);
    let home = "\x1b[H";
    stats.until("third table", |text| text.matches(home).count() >= 3);
    let text = stats.text();
    let mut tables = text.split(home).skip(1);
    for table in tables.by_ref().take(2) {
        assert!(table.contains("web"), "{table:?}");
        let lines: Vec<_> = table.trim_end_matches("\x1b[J").lines().collect();
        assert_eq!(lines.len(), 2, "a head and a service: {table:?}");
        assert!(
            lines.iter().all(|line| line.ends_with("\x1b[K")),
            "nothing of the table before shows through: {table:?}"
        );
        assert!(table.ends_with("\x1b[J"), "{table:?}");
    }
    stats.press(CTRL_C);
    let end = stats.until_end();
    assert_eq!(end.signal(), Some(Signal::SIGINT as i32), "{end}");
}

fn a_new_size_reaches_the_program_in_the_container(lab: &Lab) {
    let mut run = Up::app(lab, SLEEPS).start();
    run.until_stdout("up");
    let script = "trap 'echo resized to $(stty size)' WINCH; trap 'exit 7' INT; echo ready; while :; do sleep 0.1; done";
    let words = ["exec", "-it", "--pod", "app", "web", "sh", "-c", script];
    let mut shell = Terminal::start(lab, &words);
    shell.until("word of the program", |text| text.contains("ready"));
    for (rows, columns) in [(44, 111), (20, 80)] {
        shell.resize(rows, columns);
        let told = format!("resized to {rows} {columns}");
        shell.until(&told, |text| text.contains(&told));
    }
    shell.press(CTRL_C);
    assert_eq!(shell.until_end().code(), Some(7), "{:?}", shell.text());
}
