//! 1 GiB of log lines from one service, on its way to a file.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::idle::field;
use crate::image_archive::Image;
use crate::lab::Lab;
use crate::lab::program::{Up, UpRun};
use crate::table::{Table, Unit};
use crate::wait;

const SIZE: u64 = 1 << 30;
const END: &str = "the end\n";
/// How long one flood may take.
const PATIENCE: Duration = Duration::from_mins(5);

const COMPOSE: &str = r#"
name: flood
x-pod: {images: [./app.tar]}
services:
  flood:
    image: app:1
    command: [sh, -c, "echo ready; until [ -e /data/go ]; do sleep 0.01; done; cat /data/lines; echo the end"]
    volumes: ["./:/data:ro"]
"#;

pub(crate) fn run(lab: &Lab, rounds: usize) -> Vec<Table> {
    let mut time = Table::new("1 GiB of lines of 100 bytes, to a file", Unit::Milliseconds);
    let mut memory = Table::new("the most memory of the executor meanwhile", Unit::Mebibytes);
    for _ in 0..rounds.min(5) {
        let up = Up::new(lab)
            .compose(COMPOSE)
            .archive("app.tar", &Image::busybox("app:1"));
        let folder = up.folder();
        let lines = folder.join("lines");
        write_lines(&lines).expect("the fixture's folder takes a GiB");
        let copied = Instant::now();
        fs::copy(&lines, folder.join("copy")).expect("and another");
        time.add_time("a copy of the file", copied.elapsed());
        fs::remove_file(folder.join("copy")).expect("it is there");

        let mut run = up.start();
        run.until_stdout("ready");
        let begun = Instant::now();
        fs::write(folder.join("go"), "").expect("the fixture's folder takes a file");
        let expected = SIZE + ("ready\n".len() + END.len()) as u64;
        let log = folder.join(UpRun::STDOUT);
        wait::until("the last line", PATIENCE, || {
            (fs::metadata(&log).ok()?.len() >= expected).then_some(())
        });
        time.add_time("up, with a log of the service's own", begun.elapsed());
        memory.add("executor", peak_memory(&run));
        run.until_end();
        assert_eq!(
            fs::metadata(&log).map(|log| log.len()).ok(),
            Some(expected),
            "every line arrives, and nothing else"
        );
        for file in [&lines, &log] {
            fs::remove_file(file).expect("it is there");
        }
    }
    vec![time.against("a copy of the file"), memory]
}

/// The most it has had so far, in MiB: proc(5), `VmHWM`.
fn peak_memory(run: &UpRun) -> f64 {
    field(&format!("/proc/{}/status", run.pid()), "VmHWM:") / 1024.0
}

/// Numbered lines of 100 bytes, and a shorter one at the end.
fn write_lines(path: &Path) -> io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let mut left = SIZE;
    let mut number = 0_u64;
    while left > 0 {
        let line = format!("{number:099}\n");
        let line = &line[line.len() - usize::try_from(left.min(100)).unwrap_or(100)..];
        file.write_all(line.as_bytes())?;
        left -= line.len() as u64;
        number += 1;
    }
    file.flush()
}
